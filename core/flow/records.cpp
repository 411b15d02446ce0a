#include "flow/records.h"

#include <fmt/core.h>

#include <array>

#include "plugin/nearest.h"

namespace weir::flow {

namespace {

constexpr std::array<std::pair<std::string_view, sql::FieldType>, 7> kTypes{{{"any", sql::FieldType::any},
                                                                             {"text", sql::FieldType::text},
                                                                             {"integer", sql::FieldType::integer},
                                                                             {"number", sql::FieldType::number},
                                                                             {"boolean", sql::FieldType::boolean},
                                                                             {"time", sql::FieldType::time},
                                                                             {"json", sql::FieldType::json}}};
const std::vector<std::string> kTypeNames{"any", "text", "integer", "number", "boolean", "time", "json"};
const std::vector<std::string> kOptions{"type", "required", "format", "unit", "description"};
const std::vector<std::string> kFormats{"unix_s", "unix_ms", "unix_us", "unix_ns", "rfc3339"};

class RecordReader {
 public:
  RecordReader(const Reporter& report, const Parameters& parameters) : report_(report), parameters_(parameters) {}

  sql::Field field(const std::string& name, const Node& node) const {
    sql::Field field;
    field.name = name;
    if (node.is_scalar()) {  // the short form: `status: text`
      field.type = type(node);
      return field;
    }
    if (!node.is_map()) {
      report_.error(node, fmt::format("the field '{}' is {}", name, describe(node)),
                    "a type, or a map such as {type: number, required: true}");
      return field;
    }
    for (const auto& [key, value] : node.members) option(field, key, value);
    if (const auto* format = node.find("format"); format != nullptr && field.type != sql::FieldType::time)
      report_.error(*format, fmt::format("'format' is for times, and '{}' is none", name), "type: time");
    return field;
  }

 private:
  std::string text(const Node& node, std::string_view what) const {
    if (!node.is_scalar()) {
      report_.error(node, fmt::format("'{}' is {}", what, describe(node)), "text");
      return {};
    }
    const auto text = parameters_.text(node);
    return text ? text->value : std::string();
  }

  sql::FieldType type(const Node& node) const {
    const auto name = text(node, "type");
    for (const auto& [known, type] : kTypes) {
      if (name == known) return type;
    }
    auto near = nearest(name, kTypeNames);
    if (name == "string" || name == "str") near = "text";
    if (name == "float" || name == "double" || name == "real") near = "number";
    if (name == "int" || name == "long") near = "integer";
    if (name == "timestamp" || name == "datetime") near = "time";
    report_.error(node, fmt::format("'{}' is no type of a field", name),
                  "any, text, integer, number, boolean, time or json", near);
    return sql::FieldType::any;
  }

  void option(sql::Field& field, const Node& key, const Node& value) const {
    if (key.text == "type") {
      field.type = type(value);
    } else if (key.text == "required") {
      const auto written = text(value, "required");
      if (written != "true" && written != "false")
        report_.error(value, fmt::format("'required' is {}", describe(value)), "true or false");
      field.required = written == "true";
    } else if (key.text == "format") {
      field.format = text(value, "format");
      check_format(field.format, value);
    } else if (key.text == "unit") {
      field.unit = text(value, "unit");
    } else if (key.text == "description") {
      field.description = text(value, "description");
    } else {
      report_.error(key, fmt::format("a field has no option '{}'", key.text),
                    "type, required, format, unit or description", nearest(key.text, kOptions));
    }
  }

  /// A strptime format without a zone would be read in whatever zone the machine has.
  void check_format(const std::string& format, const Node& at) const {
    for (const auto& known : kFormats) {
      if (format == known) return;
    }
    constexpr auto kExpected =
        "unix_s, unix_ms, unix_us, unix_ns, rfc3339, or a strptime format with a zone (%z or a literal Z)";
    if (format.find('%') == std::string::npos) {
      report_.error(at, fmt::format("'{}' is no format of a time", format), kExpected, nearest(format, kFormats));
    } else if (format.find("%z") == std::string::npos && format.find("%Z") == std::string::npos &&
               format.find("%Ez") == std::string::npos && format.find("%s") == std::string::npos &&
               !format.ends_with('Z') && !format.ends_with("UTC")) {
      report_.error(at, fmt::format("the format '{}' says nothing of the zone", format), kExpected);
    }
  }

  const Reporter& report_;
  const Parameters& parameters_;
};

}  // namespace

std::shared_ptr<const sql::Declaration> read_record(const std::string& name, const Node& node, const Reporter& report,
                                                    const Parameters& parameters) {
  auto record = std::make_shared<sql::Declaration>();
  record->name = name;
  if (!node.is_map()) {
    report.error(node, fmt::format("the record '{}' is {}", name, describe(node)),
                 "a map of its fields, such as {sensor_id: {type: text}}");
    return record;
  }
  const RecordReader reader(report, parameters);
  for (const auto& [key, value] : node.members) {
    const bool policy = key.text == "extra" && value.is_scalar() && (value.text == "keep" || value.text == "fail");
    if (policy) {
      record->extra_allowed = value.text == "keep";
    } else if (key.text.empty()) {
      report.error(key, "a field needs a name");
    } else {
      record->fields.push_back(reader.field(key.text, value));
    }
  }
  if (record->fields.empty()) report.error(node, fmt::format("the record '{}' declares no field", name));
  return record;
}

std::shared_ptr<const sql::Declaration> common_record(const std::shared_ptr<const sql::Declaration>& a,
                                                      const std::shared_ptr<const sql::Declaration>& b,
                                                      std::vector<std::string>& lost) {
  if (!a || !b || a == b) return a == b ? a : nullptr;
  auto common = std::make_shared<sql::Declaration>();
  common->name = a->name == b->name ? a->name : a->name + " or " + b->name;
  // What one side declares and the other does not may come all the same.
  common->extra_allowed = true;
  // A field that only one side declares, or that they declare differently, may be named, but nothing is known of it.
  const auto add_unknown = [&](const std::string& name) {
    sql::Field field;
    field.name = name;
    common->fields.push_back(std::move(field));
    lost.push_back(name);
  };
  for (const auto& field : a->fields) {
    const auto* other = b->find(field.name);
    if (other != nullptr && other->type == field.type && other->format == field.format) {
      common->fields.push_back(field);
      common->fields.back().required = field.required && other->required;
    } else {
      add_unknown(field.name);
    }
  }
  for (const auto& field : b->fields) {
    if (a->find(field.name) == nullptr) add_unknown(field.name);
  }
  if (lost.empty()) common->extra_allowed = a->extra_allowed && b->extra_allowed;
  return common;
}

}  // namespace weir::flow
