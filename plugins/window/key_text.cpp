#include "key_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace weir::window {

namespace {

template <class Number>
std::string_view digits(Number number, std::string& buffer) {
  char text[40];
  buffer.assign(text, std::to_chars(text, text + sizeof text, number).ptr);
  return buffer;
}

}  // namespace

std::string_view key_text(const Value& value, std::string& buffer) {
  const auto raw = view(value.raw);
  const auto text = view(value.text);
  switch (value.type) {
    case ValueType::null:
      return "null";
    case ValueType::integer:
      if (raw == "true" || raw == "false") return raw;
      return digits(value.integer, buffer);
    case ValueType::real:
      if (std::trunc(value.real) == value.real && std::abs(value.real) < 0x1p63)
        return digits(static_cast<std::int64_t>(value.real), buffer);
      return digits(value.real, buffer);
    case ValueType::json:
      return text;
    case ValueType::text:
      break;
  }
  // A token without escapes has just its quotes more than its text. One without quotes is a number kept as text: an
  // integer beyond 64 bits, or a declared time.
  if (!raw.empty() && (raw[0] != '"' || raw.size() == text.size() + 2)) return raw;
  buffer.clear();
  append_json_string(buffer, text);
  return buffer;
}

std::string field_name(std::string_view expression) {
  constexpr std::string_view kField = "field('";
  if (expression.starts_with(kField) && expression.ends_with("')")) {
    expression.remove_prefix(kField.size());
    expression.remove_suffix(2);
    return expression.find('\'') == std::string_view::npos ? std::string(expression) : std::string();
  }
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (expression.empty() || !letter(expression[0])) return {};
  const bool name = std::all_of(expression.begin(), expression.end(), [&](char c) { return letter(c) || digit(c); });
  return name ? std::string(expression) : std::string();
}

void append_json_string(std::string& to, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  to += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      to += '\\';
      to += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      to += "\\u00";
      to += kHex[static_cast<unsigned char>(c) >> 4];
      to += kHex[c & 15];
    } else {
      to += c;
    }
  }
  to += '"';
}

}  // namespace weir::window
