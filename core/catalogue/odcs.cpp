// A dataset as a data contract: Open Data Contract Standard v3.0.2
// (https://bitol-io.github.io/open-data-contract-standard).
#include <fmt/core.h>

#include <boost/json.hpp>
#include <charconv>
#include <chrono>

#include "catalogue/dataset.h"
#include "catalogue/yaml_text.h"

namespace weir::catalogue {

namespace {

namespace json = boost::json;
using sql::FieldType;

const char* logical_type(FieldType type) {
  switch (type) {
    case FieldType::text:
      return "string";
    case FieldType::integer:
      return "integer";
    case FieldType::number:
      return "number";
    case FieldType::boolean:
      return "boolean";
    case FieldType::time:
      return "date";
    case FieldType::json:
      return "object";
    case FieldType::any:
      break;
  }
  return nullptr;
}

const char* word(FieldType type) {
  constexpr const char* kWords[] = {"any", "text", "integer", "number", "boolean", "time", "json"};
  return kWords[static_cast<std::size_t>(type)];
}

json::object custom(std::string_view property, json::value value) {
  return {{"property", property}, {"value", std::move(value)}};
}

json::object property_of(const sql::Field& field, const Dataset& dataset) {
  json::object property{{"name", field.name}};
  if (const auto* type = logical_type(field.type)) property["logicalType"] = type;
  property["physicalType"] = field.type == FieldType::time && !field.format.empty() ? field.format : word(field.type);
  property["required"] = field.required;
  if (!field.description.empty()) property["description"] = field.description;
  if (dataset.is_sensitive(field.name)) property["classification"] = "sensitive";
  if (!field.unit.empty()) property["customProperties"] = json::array{custom("unit", json::string(field.unit))};
  return property;
}

/// Of a field that is only known from data: the type if there was one, null aside.
json::object property_of(const InferredField& field, const Dataset& dataset, std::uint64_t looked_at) {
  json::object property{{"name", field.name}};
  std::string only;
  std::size_t kinds = 0;
  bool null = false;
  for (const auto& [type, count] : field.types) {
    if (type == "null") {
      null = true;
    } else {
      ++kinds;
      only = type;
    }
  }
  if (kinds == 1) property["logicalType"] = only;
  property["required"] = !null && field.present == looked_at;
  if (dataset.is_sensitive(field.name)) property["classification"] = "sensitive";
  property["customProperties"] = json::array{custom("inferredFromRecords", looked_at)};
  return property;
}

json::array properties(const Dataset& dataset, const Facts& facts) {
  json::array list;
  if (dataset.schema) {
    for (const auto& field : dataset.schema->fields) list.push_back(property_of(field, dataset));
  } else {
    for (const auto& field : facts.fields) list.push_back(property_of(field, dataset, facts.looked_at));
  }
  return list;
}

struct Address {
  std::string host;
  std::uint16_t port = 0;
  std::string path;
};

/// scheme://user@host:port/path
Address address_of(const std::string& url, std::uint16_t usual_port) {
  Address address{"localhost", usual_port, ""};
  const auto scheme = url.find("://");
  if (scheme == std::string::npos) return address;
  auto rest = url.substr(scheme + 3);
  rest = rest.substr(0, rest.find('?'));
  if (const auto slash = rest.find('/'); slash != std::string::npos) {
    address.path = rest.substr(slash + 1);
    rest.resize(slash);
  }
  if (const auto at = rest.rfind('@'); at != std::string::npos) rest = rest.substr(at + 1);
  const auto colon = rest.rfind(':');
  if (colon != std::string::npos && rest.find(']', colon) == std::string::npos) {
    std::from_chars(rest.data() + colon + 1, rest.data() + rest.size(), address.port);
    rest.resize(colon);
  }
  if (!rest.empty()) address.host = rest;
  return address;
}

json::object sql_server(const Dataset& d) {
  if (d.location.starts_with("postgres")) {
    const auto a = address_of(d.location, 5432);
    const auto dot = d.name.find('.');
    return {{"type", "postgresql"},
            {"host", a.host},
            {"port", a.port},
            {"database", a.path},
            {"schema", dot == std::string::npos ? "public" : d.name.substr(0, dot)}};
  }
  if (d.location.starts_with("mariadb:") || d.location.starts_with("mysql:")) {
    const auto a = address_of(d.location, 3306);
    return {{"type", "mysql"}, {"host", a.host}, {"port", a.port}, {"database", a.path}};
  }
  return {{"type", "custom"}, {"path", d.location}, {"format", "sqlite"}};
}

/// A place whose name is no template any more, as a URI has to be.
std::string fixed(const std::string& text) {
  return text.substr(0, text.find("$("));
}

json::object server(const Dataset& d) {
  json::object server{{"server", d.processor}};
  json::object more;
  if (d.kind == "file") {
    const bool csv = d.location.find(".csv") != std::string::npos;
    more = {{"type", "local"}, {"path", generalised(d.location, "*")}, {"format", csv ? "csv" : "json"}};
  } else if (d.kind == "s3") {
    more = {{"type", "s3"}, {"location", "s3://" + d.name}, {"format", "json"}};
    if (d.location.starts_with("http")) more["endpointUrl"] = d.location;
  } else if (d.kind == "kafka") {
    more = {{"type", "kafka"}, {"host", d.location}, {"format", "json"}};
  } else if (d.kind == "sql") {
    more = sql_server(d);
  } else if (d.kind == "http") {
    more = {{"type", "api"}, {"location", fixed(d.location)}};
  } else {
    more = {{"type", "custom"}};
    if (d.location.find("://") != std::string::npos) more["location"] = fixed(d.location);
  }
  for (auto& [key, value] : more) server[key] = std::move(value);
  return server;
}

const char* physical_type(const std::string& kind) {
  if (kind == "sql") return "table";
  if (kind == "kafka" || kind == "mqtt") return "topic";
  if (kind == "http") return "endpoint";
  return kind == "s3" ? "object" : "file";
}

json::array strings(const std::vector<std::string>& texts) {
  json::array list;
  for (const auto& text : texts) list.push_back(json::string(text));
  return list;
}

}  // namespace

std::string odcs(const Dataset& d, const Facts& facts) {
  json::object contract{{"apiVersion", "v3.0.2"}, {"kind", "DataContract"}, {"id", d.id()},         {"name", d.name},
                        {"version", "1.0.0"},     {"status", "active"},     {"dataProduct", d.flow}};
  if (!d.description.empty()) contract["description"] = json::object{{"purpose", d.description}};
  if (!d.tags.empty()) contract["tags"] = strings(d.tags);
  contract["servers"] = json::array{server(d)};
  json::object object{{"name", d.name}, {"logicalType", "object"}, {"physicalType", physical_type(d.kind)}};
  if (!d.description.empty()) object["description"] = d.description;
  if (auto list = properties(d, facts); !list.empty()) object["properties"] = std::move(list);
  if (facts.good)
    object["quality"] = json::array{
        json::object{{"type", "custom"},
                     {"engine", "weir"},
                     {"dimension", "conformity"},
                     {"description", fmt::format("{:.2f}% of the last day's {} checked records passed QualityCheck",
                                                 *facts.good * 100, facts.checked)},
                     {"implementation", json::object{{"shareGood", *facts.good}, {"records", facts.checked}}}}};
  contract["schema"] = json::array{std::move(object)};
  if (!d.owner.empty()) contract["team"] = json::array{json::object{{"username", d.owner}, {"role", "owner"}}};
  json::array more{custom("weirProcessor", json::string(d.id())), custom("weirProcessorType", json::string(d.type)),
                   custom("delivery", d.delivered_exactly_once ? "exactly once" : "at least once")};
  json::array origins;
  for (const auto& origin : d.origins)
    origins.push_back(json::string(origin.location.empty() ? origin.processor : origin.location));
  more.push_back(custom("origins", std::move(origins)));
  contract["customProperties"] = std::move(more);
  return yaml_text(contract);
}

}  // namespace weir::catalogue
