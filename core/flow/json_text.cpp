#include "flow/json_text.h"

#include <boost/json/serialize.hpp>

namespace weir::flow {

namespace {

void write(const boost::json::value& value, std::size_t depth, std::string& to) {
  const std::string indent(2 * depth + 2, ' ');
  const std::string outer(2 * depth, ' ');
  const char* separator = "\n";
  if (value.is_object() && !value.get_object().empty()) {
    to += '{';
    for (const auto& [key, child] : value.get_object()) {
      to += separator + indent + boost::json::serialize(key) + ": ";
      write(child, depth + 1, to);
      separator = ",\n";
    }
    to += "\n" + outer + '}';
  } else if (value.is_array() && !value.get_array().empty()) {
    to += '[';
    for (const auto& child : value.get_array()) {
      to += separator + indent;
      write(child, depth + 1, to);
      separator = ",\n";
    }
    to += "\n" + outer + ']';
  } else {
    to += boost::json::serialize(value);
  }
}

}  // namespace

std::string to_pretty(const boost::json::value& value) {
  std::string text;
  write(value, 0, text);
  return text + "\n";
}

}  // namespace weir::flow
