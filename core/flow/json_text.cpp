#include "flow/json_text.h"

#include <boost/json/parse.hpp>
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

std::string to_json(const Node& node) {
  std::string text;
  switch (node.type) {
    case Node::Type::null:
      return "null";
    case Node::Type::list:
      for (const auto& item : node.items) text += (text.empty() ? "" : ",") + to_json(item);
      return "[" + text + "]";
    case Node::Type::map:
      for (const auto& [key, value] : node.members)
        text += (text.empty() ? "" : ",") + boost::json::serialize(key.text) + ":" + to_json(value);
      return "{" + text + "}";
    case Node::Type::scalar:
      break;
  }
  if (node.plain) {
    boost::system::error_code error;
    const auto value = boost::json::parse(node.text, error);
    if (!error && !value.is_string() && !value.is_structured()) return node.text;
  }
  return boost::json::serialize(node.text);
}

std::string to_pretty(const boost::json::value& value) {
  std::string text;
  write(value, 0, text);
  return text + "\n";
}

}  // namespace weir::flow
