#include "flow/schema.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <charconv>

#include "flow/json_text.h"
#include "flow/values.h"
#include "weir/spec.h"

namespace weir::flow {

namespace {

namespace json = boost::json;

json::value refer(std::string_view name) {
  return json::object{{"$ref", fmt::format("#/$defs/{}", name)}};
}

json::object described(json::value schema, std::string_view description) {
  json::object result{{"description", description}};
  for (const auto& [key, value] : schema.as_object()) result[key] = value;
  return result;
}

/// A literal, or text in which something is substituted.
json::object or_substituted(json::object literal) {
  return {{"anyOf", json::array{std::move(literal), refer("substituted")}}};
}

json::object text_type() {
  return {{"type", json::array{"string", "number", "boolean"}}};
}

/// A default or example as an editor would insert it: numbers and booleans as such.
json::value typed(abi::Kind kind, std::string_view text) {
  if (kind == abi::Kind::boolean && (text == "true" || text == "false")) return text == "true";
  if (kind == abi::Kind::integer || kind == abi::Kind::number) {
    boost::system::error_code error;
    auto value = json::parse(text, error);
    if (!error && value.is_number()) return value;
  }
  return json::string(text);
}

json::object value_schema(const abi::Property& property, abi::Kind kind);
json::object object_schema(const abi::Property* fields, std::uint32_t count);

json::object number_schema(const abi::Property& property, const char* type) {
  json::object schema{{"type", type}};
  const bool exclusive = (property.flags & abi::kExclusiveMinimum) != 0;
  const auto number = [type](double value) {
    return std::string_view(type) == "integer" ? json::value(static_cast<std::int64_t>(value)) : json::value(value);
  };
  if ((property.flags & abi::kHasMinimum) != 0)
    schema[exclusive ? "exclusiveMinimum" : "minimum"] = number(property.minimum);
  if ((property.flags & abi::kHasMaximum) != 0) schema["maximum"] = number(property.maximum);
  return or_substituted(std::move(schema));
}

json::object value_schema(const abi::Property& property, abi::Kind kind) {
  switch (kind) {
    case abi::Kind::boolean:
      return or_substituted({{"type", "boolean"}});
    case abi::Kind::integer:
      return number_schema(property, "integer");
    case abi::Kind::number:
      return number_schema(property, "number");
    case abi::Kind::duration:
      return refer("duration").as_object();
    case abi::Kind::bytes:
      return refer("bytes").as_object();
    case abi::Kind::rate:
      return refer("rate").as_object();
    case abi::Kind::choice: {
      json::array choices;
      for (std::uint32_t i = 0; i < property.choice_count; ++i) {
        const auto choice = view(property.choices[i]);
        choices.push_back(json::string(choice));
        // YAML reads a plain 1 or true as no text.
        boost::system::error_code error;
        auto plain = json::parse(choice, error);
        if (!error && plain.is_primitive() && !plain.is_string()) choices.push_back(std::move(plain));
      }
      return or_substituted({{"enum", std::move(choices)}});
    }
    case abi::Kind::list:
      return {{"type", "array"}, {"items", value_schema(property, property.element)}};
    case abi::Kind::map:
      return {{"type", "object"}, {"additionalProperties", value_schema(property, property.element)}};
    case abi::Kind::object:
      return object_schema(property.fields, property.field_count);
    case abi::Kind::any:
      return {};
    default:
      return text_type();
  }
}

/// What a hover should say of a value beside its help: units and bounds, or that it is SQL.
std::string value_hint(const abi::Property& property) {
  switch (property.kind) {
    case abi::Kind::text:
    case abi::Kind::boolean:
    case abi::Kind::choice:
    case abi::Kind::list:
    case abi::Kind::map:
    case abi::Kind::object:
    case abi::Kind::any:
      return {};
    default:
      return expectation(property, property.kind);
  }
}

json::object property_schema(const abi::Property& property) {
  std::string description(view(property.help));
  if (const auto hint = value_hint(property); !hint.empty())
    description += fmt::format("{}({})", description.empty() ? "" : " ", hint);
  auto schema = described(value_schema(property, property.kind), description);
  if (property.default_value.size != 0) schema["default"] = typed(property.kind, view(property.default_value));
  if (property.example.size != 0) schema["examples"] = json::array{typed(property.kind, view(property.example))};
  return schema;
}

json::object object_schema(const abi::Property* fields, std::uint32_t count) {
  json::object properties;
  json::array required;
  for (std::uint32_t i = 0; i < count; ++i) {
    properties[view(fields[i].name)] = property_schema(fields[i]);
    if ((fields[i].flags & abi::kRequired) != 0) required.push_back(json::string(view(fields[i].name)));
  }
  json::object schema{{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  if (!required.empty()) schema["required"] = std::move(required);
  return schema;
}

/// Keys that every processor has, whatever its type.
json::object common_properties() {
  json::object p;
  p["type"] = json::object{{"type", "string"}};
  p["to"] = described(refer("to"), "Where what leaves the processor goes.");
  p["drop"] = described(refer("names"), "Relationships whose FlowFiles end here.");
  p["retry"] =
      described(refer("retry"), "How often, and how patiently, what fails is tried again before it goes to 'failure'.");
  p["queue"] = described(refer("queue"), "Back-pressure thresholds of the connections that leave the processor.");
  p["schedule"] = described(refer("schedule"), "When it runs; without it, whenever there is something to do.");
  p["concurrency"] = described(or_substituted({{"type", "integer"}, {"minimum", 1}, {"maximum", 1024}}),
                               "How many of its steps may overlap.");
  p["enabled"] = described(or_substituted({{"type", "boolean"}}), "false: its input waits.");
  p["record"] = described(text_type(), "The record, of 'records:', that what leaves it holds.");
  p["delivery"] =
      described(or_substituted({{"enum", json::array{"at_least_once", "exactly_once"}}}), "What a sink promises.");
  p["order"] =
      described(or_substituted({{"const", "strict"}}), "strict: a FlowFile that is retried blocks those behind it.");
  p["description"] = described(text_type(), "For people.");
  p["labels"] = described(json::object{{"type", "object"}, {"additionalProperties", text_type()}},
                          "For people and tools: names to text.");
  p["renamed_from"] = described(text_type(), "The name it had: keeps its queues and state.");
  return p;
}

json::object type_schema(const abi::Spec& spec) {
  auto schema = object_schema(spec.properties, spec.property_count);
  auto& properties = schema["properties"].as_object();
  for (const auto& [key, value] : common_properties())
    properties[key] = refer(fmt::format("common/properties/{}", key));
  if ((spec.flags & abi::kSource) != 0) properties["retain"] = refer("retain");
  properties["type"] = json::object{{"const", view(spec.type)}, {"description", view(spec.summary)}};
  const bool open = spec.relationships_from.size != 0 || (spec.flags & abi::kTakesAnyRelationship) != 0;
  json::object routes;
  json::array names;
  for (std::uint32_t i = 0; i < spec.relationship_count; ++i) {
    const auto& relationship = spec.relationships[i];
    routes[view(relationship.name)] = described(refer("target"), view(relationship.help));
    names.push_back(json::string(view(relationship.name)));
  }
  if (!open) {
    json::object map{{"type", "object"}, {"properties", std::move(routes)}, {"additionalProperties", false}};
    properties["to"] = json::object{{"description", "Where what leaves the processor goes."},
                                    {"anyOf", json::array{refer("names"), std::move(map)}}};
    json::object one{{"enum", names}};
    if (names.empty()) one = {{"not", json::object{}}};
    properties["drop"] = json::object{
        {"description", "Relationships whose FlowFiles end here."},
        {"anyOf", json::array{one, json::object{{"type", "array"}, {"items", one}}, refer("substituted")}}};
  }
  std::string description = fmt::format("{}\n\n{}", view(spec.summary), view(spec.description));
  while (description.ends_with('\n')) description.pop_back();
  json::object result{{"description", std::move(description)}};
  for (auto& [key, value] : schema) result[key] = value;
  return result;
}

json::object unit_schema(abi::Kind kind, std::string_view description, std::string_view example) {
  json::object literal{{"type", "string"}, {"pattern", pattern(kind)}};
  return {{"description", description},
          {"examples", json::array{json::string(example)}},
          {"anyOf", json::array{std::move(literal), json::object{{"const", 0}}, refer("substituted")}}};
}

json::object map_of(std::initializer_list<std::pair<std::string_view, json::value>> properties) {
  json::object members;
  for (const auto& [name, schema] : properties) members[name] = schema;
  return {{"type", "object"}, {"properties", std::move(members)}, {"additionalProperties", false}};
}

json::object shared_definitions() {
  json::object d;
  d["substituted"] = json::object{{"type", "string"},
                                  {"pattern", R"(\$\{)"},
                                  {"description", "Text with ${parameter}, ${env:NAME:-default} or ${secret:NAME}."}};
  d["duration"] = unit_schema(abi::Kind::duration, "A time with its unit: ms, s, m, h or d.", "30s");
  d["bytes"] = unit_schema(abi::Kind::bytes, "A size with its unit: B, kB, KiB, MiB or GiB.", "64MiB");
  d["rate"] = unit_schema(abi::Kind::rate, "A rate: /s, /m or /h.", "5/s");
  const auto count = or_substituted({{"type", "integer"}, {"minimum", 0}});
  d["retain"] = json::object{
      {"description", "How much of what leaves a source is kept for replay: none, a time, a size, or both."},
      {"examples", json::array{"24h", "1GiB", "none"}},
      {"anyOf", json::array{json::object{{"const", "none"}}, refer("duration"), refer("bytes"),
                            map_of({{"for", refer("duration")}, {"size", refer("bytes")}})}}};
  d["queue"] = map_of({{"max_count", described(count, "FlowFiles; 0 is unlimited.")},
                       {"max_bytes", described(refer("bytes"), "Bytes of content; 0 is unlimited.")}});
  auto with_queue = map_of({{"to", refer("names")}, {"queue", refer("queue")}});
  with_queue["required"] = json::array{"to"};
  json::object list{
      {"type", "array"}, {"minItems", 1}, {"items", json::object{{"anyOf", json::array{text_type(), with_queue}}}}};
  d["names"] = json::object{{"anyOf", json::array{text_type(), list}}};
  d["target"] = json::object{{"anyOf", json::array{text_type(), std::move(list), with_queue}}};
  json::object by_relationship{{"type", "object"}, {"additionalProperties", refer("target")}};
  d["to"] = json::object{{"anyOf", json::array{refer("names"), std::move(by_relationship)}}};
  const auto attempts = or_substituted({{"type", "integer"}, {"minimum", 1}});
  d["retry_options"] =
      map_of({{"attempts", described(attempts, "How often it is tried.")},
              {"backoff", described(refer("duration"), "The first pause; it doubles with each attempt.")},
              {"max_backoff", described(refer("duration"), "The longest pause.")}});
  d["retry"] = json::object{
      {"anyOf", json::array{refer("retry_options"),
                            json::object{{"type", "object"}, {"additionalProperties", refer("retry_options")}}}}};
  d["schedule"] = map_of(
      {{"every", described(refer("duration"), "An interval.")},
       {"cron", described(text_type(),
                          "Minute, hour, day of month, month, day of week, with seconds in front if need be. UTC.")}});
  json::object types{{"enum", json::array{"any", "text", "integer", "number", "boolean", "time", "json"}}};
  const auto field =
      map_of({{"type", types},
              {"required", json::object{{"type", "boolean"}}},
              {"format",
               described(text_type(),
                         "Of a time: unix_s, unix_ms, unix_us, unix_ns, rfc3339, or a strptime format with a zone.")},
              {"unit", text_type()},
              {"description", text_type()}});
  d["record"] = json::object{
      {"type", "object"},
      {"properties",
       json::object{
           {"extra", described(json::object{{"anyOf", json::array{json::object{{"enum", json::array{"keep", "fail"}}},
                                                                  types, field}}},
                               "What becomes of records with undeclared fields: keep (as they are) or fail.")}}},
      {"additionalProperties", json::object{{"anyOf", json::array{types, field}}}}};
  return d;
}

}  // namespace

namespace {

/// A test of the flow, as test_reader.cpp takes it.
json::object test() {
  const auto list_of = [](json::object items) { return json::object{{"type", "array"}, {"items", std::move(items)}}; };
  const json::object anything{{"type", "object"}};
  const json::object texts{{"type", "object"}, {"additionalProperties", text_type()}};
  const json::object number{{"type", "number"}, {"minimum", 0}};
  const json::object count{{"type", "integer"}, {"minimum", 0}};
  const json::object boolean{{"type", "boolean"}};
  auto given =
      map_of({{"from", described(text_type(), "PROCESSOR, or PROCESSOR/RELATIONSHIP, that seems to put it out.")},
              {"at", described(refer("duration"), "Since the test's start.")},
              {"records", described(list_of(anything), "Records of one FlowFile.")},
              {"each", described(boolean, "A FlowFile for each record.")},
              {"content", text_type()},
              {"contents", list_of(text_type())},
              {"attributes", texts}});
  auto expected = map_of({{"from", described(text_type(), "PROCESSOR, or PROCESSOR/RELATIONSHIP: what it puts out.")},
                          {"to", described(text_type(), "PROCESSOR: what it is given.")},
                          {"records", list_of(anything)},
                          {"contents", list_of(text_type())},
                          {"flowfiles", described(count, "How many FlowFiles.")},
                          {"attributes", described(texts, "Of every FlowFile there.")},
                          {"partly", described(boolean, "Further fields and records do not matter.")},
                          {"order", json::object{{"enum", json::array{"same", "any"}}}},
                          {"tolerance", described(number, "Between numbers, absolute.")}});
  auto answer = map_of({{"when", anything}, {"to", text_type()}, {"set", anything}});
  return map_of(
      {{"name", text_type()},
       {"now", described(text_type(), "When it begins: a time such as 2024-05-01T12:00:00Z.")},
       {"given", list_of(std::move(given))},
       {"wait", described(refer("duration"), "How long time passes after the last was given.")},
       {"until_idle", described(boolean, "Whether the sources then end, and windows close: true unless said.")},
       {"expect", list_of(std::move(expected))},
       {"bulletins", described(list_of(text_type()), "Text that bulletins have in them; no other warning is allowed.")},
       {"answers",
        described(json::object{{"type", "object"},
                               {"additionalProperties", json::object{{"anyOf", json::array{answer, list_of(answer)}}}}},
                  "What processors that reach outside do.")},
       {"tables",
        described(json::object{{"type", "object"},
                               {"additionalProperties",
                                json::object{{"type", "object"}, {"additionalProperties", list_of(anything)}}}},
                  "PROCESSOR: {TABLE: rows}, in place of the tables of databases that it joins with.")},
       {"state", json::object{{"type", "object"}, {"additionalProperties", map_of({{"entries", count}})}}}});
}

}  // namespace

std::string schema(const plugin::Registry& registry) {
  auto definitions = shared_definitions();
  definitions["common"] = json::object{{"properties", common_properties()}};
  json::array choices;
  json::array branches;
  for (const auto& [name, type] : registry.types()) {
    const auto definition = fmt::format("type_{}", name);
    definitions[definition] = type_schema(*type.spec);
    choices.push_back(json::object{{"const", name}, {"description", view(type.spec->summary)}});
    json::object condition{{"properties", json::object{{"type", json::object{{"const", name}}}}},
                           {"required", json::array{"type"}}};
    branches.push_back(json::object{{"if", std::move(condition)}, {"then", refer(definition)}});
  }
  json::object processor{{"type", "object"}, {"required", json::array{"type"}}};
  json::object type{{"description", "What the processor does: weir processors lists the types."}};
  type["anyOf"] = choices.empty() ? json::array{text_type()} : std::move(choices);
  processor["properties"] = json::object{{"type", std::move(type)}};
  if (!branches.empty()) processor["allOf"] = std::move(branches);
  definitions["processor"] = std::move(processor);

  const auto parameter =
      map_of({{"default", described(json::object{{"type", json::array{"string", "number", "boolean", "null"}}},
                                    "Its value, unless --param says otherwise.")},
              {"type", json::object{{"enum", json::array{"text", "number", "boolean"}}}},
              {"description", text_type()}});
  json::object parameters{{"anyOf", json::array{parameter, json::object{{"type", "null"}}}}};
  json::object p;
  p["flow"] = json::object{{"type", "string"},
                           {"description", "The flow's name. Ids derive from names: a moved file loses nothing."}};
  p["description"] = described(text_type(), "For people.");
  p["scale_out"] =
      json::object{{"type", "boolean"},
                   {"default", false},
                   {"description", "Several Weirs run this flow, and share its Kafka topic's partitions."}};
  p["parameters"] = json::object{{"description", "Values used as ${name}; in SQL as :name."},
                                 {"type", "object"},
                                 {"additionalProperties", std::move(parameters)}};
  p["records"] = json::object{{"description", "The fields of records, declared once."},
                              {"type", "object"},
                              {"additionalProperties", refer("record")}};
  p["defaults"] = described(map_of({{"queue", refer("queue")},
                                    {"failure", described(text_type(), "The processor that unrouted failures go to.")},
                                    {"retain", refer("retain")}}),
                            "What holds unless a processor says otherwise.");
  p["processors"] = json::object{{"description", "The nodes of the graph, by name."},
                                 {"type", "object"},
                                 {"minProperties", 1},
                                 {"additionalProperties", refer("processor")}};
  p["provenance"] =
      described(map_of({{"index", described(json::object{{"type", "array"}, {"items", text_type()}},
                                            "Attributes of sources' FlowFiles to search by; unless said: where each "
                                            "source's data is from, as mqtt.topic or filename.")},
                        {"keep_for", refer("duration")},
                        {"keep_bytes", refer("bytes")}}),
                "What is kept of where data came from and went.");
  p["tests"] = described(json::object{{"type", "array"}, {"items", test()}},
                         "What the flow does with given input, in virtual time: `weir test` runs them.");
  json::object root{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                    {"title", "A Weir flow"},
                    {"type", "object"},
                    {"required", json::array{"flow", "processors"}},
                    {"properties", std::move(p)},
                    {"patternProperties", json::object{{"^x-", json::object{}}}},
                    {"additionalProperties", false},
                    {"$defs", std::move(definitions)}};
  return to_pretty(root);
}

}  // namespace weir::flow
