#include "api/catalogue_sample.h"

#include <memory>

#include "api/json.h"
#include "sql/engine.h"
#include "sql/input_session.h"
#include "weir/spec.h"

namespace weir::api {

namespace json = boost::json;

namespace {

constexpr std::size_t kMostText = 200;
constexpr std::size_t kMostMembers = 200;

struct Silent final : abi::Report {
  void message(abi::Text) override {}
};

struct Rows final : abi::Rows {
  explicit Rows(std::size_t wanted) : most(wanted) {}
  bool row(const abi::Row& row) override {
    boost::system::error_code error;
    if (row.error.size == 0) {
      auto value = json::parse(view(row.output), error);
      if (!error) records.push_back(std::move(value));
    }
    return records.size() < most;
  }
  std::size_t most;
  std::vector<json::value> records;
};

/// Whole lines, or an array or object as it is.
std::vector<json::value> records_in(std::string_view content, std::size_t most) {
  std::vector<json::value> records;
  boost::system::error_code error;
  const auto begin = content.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return records;
  if (content[begin] == '[' || content.find('\n') == std::string_view::npos) {
    const auto value = json::parse(content, error);
    if (error) return records;
    if (const auto* list = value.if_array()) {
      for (const auto& item : *list) {
        if (records.size() < most && item.is_object()) records.push_back(item);
      }
    } else if (value.is_object()) {
      records.push_back(value);
    }
    return records;
  }
  for (auto rest = content; !rest.empty() && records.size() < most;) {
    const auto end = std::min(rest.find('\n'), rest.size());
    auto value = json::parse(rest.substr(0, end), error);
    if (!error && value.is_object()) records.push_back(std::move(value));
    error = {};
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (records.empty()) {  // one object over several lines
    auto value = json::parse(content, error);
    if (!error && value.is_object()) records.push_back(std::move(value));
  }
  return records;
}

std::string name_in_sql(const std::string& name) {
  std::string result = "\"";
  for (const char c : name) result += c == '"' ? "\"\"" : std::string(1, c);
  return result + "\"";
}

/// The records with the sink's columns instead of their fields.
std::vector<json::value> projected(const catalogue::Dataset& dataset, const std::vector<json::value>& records,
                                   const std::map<std::string, std::string>& attributes, std::size_t most) {
  std::string content, select = "SELECT ";
  for (const auto& record : records) content += json::serialize(record) + "\n";
  for (const auto& [name, sql] : dataset.columns)
    select += (select.size() > 7 ? ", " : "") + sql + "\nAS " + name_in_sql(name);
  select += " FROM record";
  const auto engine = sql::make_sql(dataset.input, [] { return std::int64_t{0}; });
  abi::Query query{};
  query.select = to_text(select);
  Silent report;
  abi::Statement* raw = nullptr;
  if (engine->prepare(&query, &raw, &report) != abi::Status::ok) return {};
  const std::unique_ptr<abi::Statement, void (*)(abi::Statement*)> statement(raw,
                                                                             [](abi::Statement* s) { s->release(); });
  sql::InputSession session(content, attributes, 0);
  Rows rows(most);
  static_cast<void>(statement->run(&session, 0, 1, &rows, &report));
  return std::move(rows.records);
}

json::value shortened(const json::value& value, int depth) {
  if (const auto* text = value.if_string()) {
    if (text->size() <= kMostText) return value;
    return json::string(utf8(std::string_view(*text).substr(0, kMostText)) + "…");
  }
  if (depth == 0 && (value.is_object() || value.is_array())) return json::string("…");
  if (const auto* object = value.if_object()) {
    json::object result;
    for (const auto& [name, member] : *object) {
      if (result.size() >= kMostMembers) break;
      result[name] = shortened(member, depth - 1);
    }
    return result;
  }
  if (const auto* list = value.if_array()) {
    json::array result;
    for (std::size_t i = 0; i < list->size() && i < 10; ++i) result.push_back(shortened((*list)[i], depth - 1));
    return result;
  }
  return value;
}

}  // namespace

std::vector<json::value> sample_of(const catalogue::Dataset& dataset, const std::string& content,
                                   const std::map<std::string, std::string>& attributes, std::size_t most) {
  auto records = records_in(content, most);
  if (dataset.columns.empty() || records.empty()) return records;
  return projected(dataset, records, attributes, most);
}

json::value shown_record(const catalogue::Dataset& dataset, const json::value& record) {
  auto shown = shortened(record, 4);
  for (const auto& field : dataset.sensitive) {
    auto* object = shown.if_object();
    if (object != nullptr && object->contains(field)) (*object)[field] = "***";
  }
  return shown;
}

}  // namespace weir::api
