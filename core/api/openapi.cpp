#include "api/openapi.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::api {

namespace json = boost::json;

namespace {

struct Parameter {
  std::string_view name;
  std::string_view type;
  std::string_view help;
};

/// Of queries: one meaning a name, wherever it stands.
constexpr Parameter kParameters[] = {
    {"after", "string", "What follows this: an id, a sequence, or what next_after said"},
    {"attribute", "string", "Name of an indexed attribute; with value"},
    {"before", "integer", "Only what has an id below this"},
    {"connection", "string", "A connection's id: flow/from/relationship/to"},
    {"direction", "string", "both, ancestors or descendants"},
    {"earlier", "string", "true: those of the runs before this one"},
    {"flow", "string", "A flow's name"},
    {"flowfile", "string", "CONNECTION:SEQUENCE"},
    {"format", "string", "odcs, json-schema or openlineage"},
    {"from", "string", "From this time on: RFC 3339, or a date"},
    {"key", "string", "A key that is checked, such as a sensor's name"},
    {"lane", "string", "Of a flow that scales out, the lane: TOPIC/PARTITION"},
    {"length", "integer", "So many bytes of content"},
    {"limit", "integer", "At most so many"},
    {"offset", "integer", "From this byte of the content on"},
    {"parts", "string", "true: each with its processors and connections"},
    {"preview", "integer", "So many bytes of content are shown"},
    {"processor", "string", "A processor: flow/name"},
    {"rate", "integer", "FlowFiles a second, at most"},
    {"search", "string", "Part of a key"},
    {"to", "string", "Before this time"},
    {"transit", "string", "Part of the transit URI"},
    {"type", "string", "An event's type: RECEIVE, SEND, DROP, …"},
    {"value", "string", "The attribute's value"},
    {"who", "string", "The name of a token"},
};

json::object schema_of(std::string_view name) {
  for (const auto& parameter : kParameters) {
    if (parameter.name != name) continue;
    json::object schema{{"type", parameter.type}};
    if (parameter.type == "integer") schema["minimum"] = 0;
    return schema;
  }
  return {{"type", "string"}};
}

json::object parameter(std::string_view name, std::string_view where) {
  json::object out{{"name", name}, {"in", where}, {"required", where == "path"}};
  if (where == "path") {
    out["schema"] = name == "sequence" ? schema_of("limit") : json::object{{"type", "string"}, {"minLength", 1}};
    return out;
  }
  for (const auto& each : kParameters) {
    if (each.name == name) out["description"] = each.help;
  }
  out["schema"] = schema_of(name);
  return out;
}

json::array parameters(const Route& route) {
  json::array out;
  for (auto at = route.pattern.find('{'); at != std::string::npos; at = route.pattern.find('{', at + 1))
    out.push_back(parameter(route.pattern.substr(at + 1, route.pattern.find('}', at) - at - 1), "path"));
  for (std::string_view rest = route.query; !rest.empty();) {
    const auto end = std::min(rest.find(' '), rest.size());
    out.push_back(parameter(rest.substr(0, end), "query"));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

json::object content(std::string_view type, json::object schema) {
  return {{type, json::object{{"schema", std::move(schema)}}}};
}

json::object answer(const Route& route) {
  const std::string_view pattern = route.pattern;
  json::object ok{{"description", route.help}};
  if (pattern.ends_with("/events") && pattern.find("provenance") == std::string_view::npos) {
    ok["content"] = content("text/event-stream", {{"type", "string"}});
  } else if (pattern.ends_with("/tap")) {
    ok["content"] = content("text/event-stream", {{"type", "string"}});
  } else if (pattern.ends_with("/content")) {
    ok["content"] = content("application/octet-stream", {});
  } else if (pattern.ends_with("/export")) {
    auto& types = ok["content"].emplace_object();
    for (const auto* type : {"application/yaml", "application/schema+json", "application/json"})
      types[type] = json::object{{"schema", json::object{{"type", "string"}}}};
  } else {
    const bool list = pattern == "/flows" || pattern == "/bulletins";
    ok["content"] = content("application/json", {{"type", list ? "array" : "object"}});
  }
  return ok;
}

json::object operation(const Route& route) {
  const bool control =
      route.method == "POST" && (route.pattern.ends_with("/start") || route.pattern.ends_with("/stop") ||
                                 route.pattern.ends_with("/run-once") || route.pattern.ends_with("/terminate"));
  json::object responses{{control ? "202" : "200", answer(route)}};
  responses["default"] =
      json::object{{"description", "What is wrong"},
                   {"content", content("application/json", {{"$ref", "#/components/schemas/Error"}})}};
  json::object out{{"summary", route.help}, {"parameters", parameters(route)}, {"responses", std::move(responses)}};
  if (route.method == "POST") {
    out["requestBody"] =
        json::object{{"required", true}, {"content", content("application/json", {{"type", "object"}})}};
  }
  return out;
}

}  // namespace

json::object openapi(const Router& router, const std::string& version) {
  json::object paths;
  for (const auto& route : router.routes()) {
    auto method = route.method;
    std::transform(method.begin(), method.end(), method.begin(), [](char c) { return static_cast<char>(c | 0x20); });
    auto& path = paths[std::string(Router::kRoot) + route.pattern];
    if (!path.is_object()) path = json::object();
    path.as_object()[method] = operation(route);
  }
  const json::object error{{"type", "object"},
                           {"properties", json::object{{"error", json::object{{"type", "string"}}}}},
                           {"required", json::array{"error"}}};
  return {{"openapi", "3.1.0"},
          {"info", json::object{{"title", "Weir"},
                                {"version", version},
                                {"summary", "Status and control of running dataflows"},
                                {"license", json::object{{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
          {"paths", std::move(paths)},
          {"components", json::object{{"schemas", json::object{{"Error", error}}}}}};
}

}  // namespace weir::api
