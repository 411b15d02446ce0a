#include "catalogue/yaml_text.h"

#include <algorithm>
#include <string_view>

namespace weir::catalogue {

namespace {

namespace json = boost::json;

/// Letters first, and nothing that YAML gives a meaning: the rest is quoted.
bool plain(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (text.empty() || text.size() > 120 || !letter(text.front()) || text.back() == ' ') return false;
  for (const auto* word :
       {"true", "false", "null", "yes", "no", "on",   "off",   "y",    "n",   "True", "False", "Null", "Yes",
        "No",   "On",    "Off",  "Y",   "N",  "TRUE", "FALSE", "NULL", "YES", "NO",   "ON",    "OFF"}) {
    if (text == word) return false;
  }
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == '/' || c == ' ' ||
           c == '(' || c == ')' || c == ';';
  });
}

std::string scalar(const json::value& value) {
  if (value.is_string() && plain(value.as_string())) return std::string(value.as_string());
  return json::serialize(value);
}

void append(std::string& to, const json::value& value, std::size_t depth);

/// What stands behind a key, or a dash.
void append_member(std::string& to, const json::value& value, std::size_t depth) {
  const bool block =
      (value.is_object() && !value.as_object().empty()) || (value.is_array() && !value.as_array().empty());
  if (!block) {
    to += ' ' + scalar(value) + '\n';
    return;
  }
  to += '\n';
  append(to, value, depth);
}

void append(std::string& to, const json::value& value, std::size_t depth) {
  const std::string indent(2 * depth, ' ');
  if (const auto* object = value.if_object()) {
    for (const auto& [key, member] : *object) {
      to += indent + scalar(json::string(key)) + ':';
      append_member(to, member, depth + 1);
    }
  } else if (const auto* list = value.if_array()) {
    for (const auto& item : *list) {
      if (!item.is_object() || item.as_object().empty()) {
        to += indent + '-';
        append_member(to, item, depth + 1);
        continue;
      }
      std::string block;
      append(block, item, depth + 1);
      block.replace(2 * depth, 2, "- ");  // the first member stands beside the dash
      to += block;
    }
  } else {
    to += indent + scalar(value) + '\n';
  }
}

}  // namespace

std::string yaml_text(const json::value& value) {
  std::string text;
  append(text, value, 0);
  return text;
}

}  // namespace weir::catalogue
