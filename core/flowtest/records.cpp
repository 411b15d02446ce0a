#include "flowtest/records.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/stream_parser.hpp>

namespace weir::flowtest {

namespace {

constexpr std::string_view kSpace = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

}  // namespace

std::optional<std::vector<boost::json::value>> records_of(std::string_view content) {
  const auto text = trimmed(content);
  std::vector<boost::json::value> records;
  boost::system::error_code error;
  if (text.starts_with('[')) {
    const auto array = boost::json::parse(text, error);
    if (error) return std::nullopt;
    for (const auto& record : array.as_array()) records.push_back(record);
    return records;
  }
  boost::json::stream_parser parser;
  for (std::size_t at = 0; at < text.size();) {
    parser.reset();
    at += parser.write_some(text.data() + at, text.size() - at, error);
    if (error) return std::nullopt;
    if (!parser.done()) {  // text that ends in the middle of a value
      parser.finish(error);
      if (error) return std::nullopt;
    }
    auto value = parser.release();
    if (!value.is_object()) return std::nullopt;
    records.push_back(std::move(value));
    at = std::min(text.find_first_not_of(kSpace, at), text.size());
  }
  return records;
}

std::string with_records(std::string_view content, const std::vector<boost::json::value>& records) {
  const auto text = trimmed(content);
  if (text.starts_with('[')) return to_text(boost::json::array(records.begin(), records.end()));
  const bool lines = content.ends_with('\n') || records.size() != 1;
  std::string result;
  for (const auto& record : records) result += to_text(record) + (lines ? "\n" : "");
  return result;
}

std::string to_text(const boost::json::value& value) {
  std::string text;
  switch (value.kind()) {
    case boost::json::kind::object:
      for (const auto& [name, member] : value.get_object())
        text += (text.empty() ? "" : ",") + boost::json::serialize(name) + ":" + to_text(member);
      return "{" + text + "}";
    case boost::json::kind::array:
      for (const auto& item : value.get_array()) text += (text.empty() ? "" : ",") + to_text(item);
      return "[" + text + "]";
    case boost::json::kind::double_:
      return fmt::format("{}", value.get_double());
    default:
      return boost::json::serialize(value);
  }
}

}  // namespace weir::flowtest
