// What a record of a dataset is like: JSON Schema 2020-12.
#include <boost/json.hpp>

#include "catalogue/dataset.h"

namespace weir::catalogue {

namespace {

namespace json = boost::json;
using sql::FieldType;

json::object schema_of(const sql::Field& field) {
  json::object schema;
  const auto or_null = [&](const char* type) {
    if (field.required) return json::value(type);
    return json::value(json::array{type, "null"});
  };
  switch (field.type) {
    case FieldType::text:
      schema["type"] = or_null("string");
      break;
    case FieldType::integer:
      schema["type"] = or_null("integer");
      break;
    case FieldType::number:
      schema["type"] = or_null("number");
      break;
    case FieldType::boolean:
      schema["type"] = or_null("boolean");
      break;
    case FieldType::time:
      if (field.format.starts_with("unix_")) {
        schema["type"] = or_null("number");
      } else {
        schema["type"] = or_null("string");
        if (field.format.empty() || field.format == "rfc3339") schema["format"] = "date-time";
      }
      if (!field.format.empty()) schema["x-time-format"] = field.format;
      break;
    case FieldType::json:
    case FieldType::any:
      break;
  }
  if (!field.description.empty()) schema["description"] = field.description;
  if (!field.unit.empty()) schema["x-unit"] = field.unit;
  return schema;
}

json::object schema_of(const InferredField& field) {
  json::array types;
  json::object counts;
  for (const auto& [type, count] : field.types) {
    types.push_back(json::string(type));
    counts[type] = count;
  }
  json::object schema;
  if (types.size() == 1) {
    schema["type"] = types.front();
  } else if (!types.empty()) {
    schema["type"] = std::move(types);
  }
  schema["x-seen"] = std::move(counts);
  return schema;
}

}  // namespace

std::string json_schema(const Dataset& d, const Facts& facts) {
  json::object schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                      {"$id", "urn:weir:dataset:" + d.id()},
                      {"title", d.name}};
  if (!d.description.empty()) schema["description"] = d.description;
  schema["type"] = "object";
  json::object properties;
  json::array required;
  if (d.schema) {
    for (const auto& field : d.schema->fields) {
      properties[field.name] = schema_of(field);
      if (field.required) required.push_back(json::string(field.name));
    }
  } else {
    for (const auto& field : facts.fields) {
      properties[field.name] = schema_of(field);
      if (field.present == facts.looked_at) required.push_back(json::string(field.name));
    }
    schema["x-inferred-from-records"] = facts.looked_at;
  }
  for (auto& [name, member] : properties) {
    if (d.is_sensitive(std::string(name))) member.as_object()["x-sensitive"] = true;
  }
  schema["properties"] = std::move(properties);
  if (!required.empty()) schema["required"] = std::move(required);
  schema["additionalProperties"] = !d.schema || d.schema->extra_allowed;
  return json::serialize(schema);
}

}  // namespace weir::catalogue
