#include "server_values.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "weir/json.h"
#include "weir/spec.h"

namespace weir::db {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_number(std::string_view token) {
  return !token.empty() && (token[0] == '-' || is_digit(token[0]));
}

/// A number of JSON, with nothing around it.
bool is_json_number(std::string_view text) {
  detail::JsonWalker walker(text);
  return is_number(text) && walker.value() && walker.at_end();
}

std::string shortest(double value) {
  std::array<char, 32> buffer{};
  return {buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr};
}

std::string shown(const Value& value) {
  const auto raw = view(value.raw);
  if (!raw.empty()) return std::string(raw);
  if (value.type == ValueType::real) return shortest(value.real);
  return value.type == ValueType::integer ? std::to_string(value.integer) : std::string(view(value.text));
}

std::string to_integer(const Value& value, const ServerType& type, std::string& to) {
  const auto beyond = [&] {
    return shown(value) + " is beyond the column's " + std::to_string(type.bits) + " bits" +
           (type.is_unsigned ? ", which know no sign" : "");
  };
  if (value.type == ValueType::text) {
    const auto raw = view(value.raw);
    if (!is_number(raw)) return "text where the column holds whole numbers";
    std::uint64_t number = 0;  // beyond 64 bits with a sign, it came as text
    const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), number);
    if (!type.is_unsigned || type.bits < 64 || error != std::errc{} || end != raw.data() + raw.size()) return beyond();
    to += raw;
    return {};
  }
  if (value.type == ValueType::json) return "an object or array where the column holds whole numbers";
  auto number = value.integer;
  if (value.type == ValueType::real) {
    if (std::trunc(value.real) != value.real) return shown(value) + " is no whole number";
    if (std::abs(value.real) >= 9.2e18) return beyond();
    number = static_cast<std::int64_t>(value.real);
  }
  if (type.is_unsigned) {
    if (number < 0 || (type.bits < 64 && number >= std::int64_t{1} << type.bits)) return beyond();
  } else if (type.bits < 64) {
    const auto limit = std::int64_t{1} << (type.bits - 1);
    if (number < -limit || number >= limit) return beyond();
  }
  to += std::to_string(number);
  return {};
}

std::string to_boolean(const Value& value, std::string& to) {
  if (value.type != ValueType::integer || (value.integer != 0 && value.integer != 1))
    return shown(value) + " is neither true nor false";
  to += value.integer != 0 ? 't' : 'f';
  return {};
}

std::string to_number(const Value& value, bool decimal, std::string& to) {
  if (value.type == ValueType::json) return "an object or array where the column holds numbers";
  if (value.type == ValueType::text) {
    const auto raw = view(value.raw);
    if (is_number(raw)) return to += raw, std::string();
    // Many write decimals as text, so that nobody rounds them on the way.
    if (!decimal || !is_json_number(view(value.text))) return "text where the column holds numbers";
    to += view(value.text);
    return {};
  }
  const auto raw = view(value.raw);
  if (is_number(raw)) {
    to += raw;  // with the digits that it has
  } else if (value.type == ValueType::integer) {
    to += std::to_string(value.integer);
  } else {
    to += shortest(value.real);
  }
  return {};
}

std::string to_text(const Value& value, std::string& to) {
  const auto text =
      value.type == ValueType::text || value.type == ValueType::json ? std::string(view(value.text)) : shown(value);
  if (text.find('\0') != std::string::npos) return "the text has a NUL character, which the database does not take";
  to += text;
  return {};
}

std::string to_date(const Value& value, std::string& to) {
  const auto text = view(value.text);
  const bool date = value.type == ValueType::text && text.size() >= 10 && text[4] == '-' && text[7] == '-';
  if (!date || (text.size() > 10 && text.back() != 'Z'))
    return shown(value) + " is no date: expected YYYY-MM-DD, or a time in UTC";
  to += text.substr(0, 10);
  return {};
}

std::string to_json(const Value& value, std::string& to) {
  const auto raw = view(value.raw);
  if (!raw.empty()) {
    to += raw;
  } else if (value.type == ValueType::text) {
    append_json_string(view(value.text), to);
  } else {
    to += shown(value);
  }
  return {};
}

}  // namespace

std::string convert(const Value& value, const ServerType& type, std::string& to) {
  switch (type.category) {
    case Category::integer:
      return to_integer(value, type, to);
    case Category::boolean:
      return to_boolean(value, to);
    case Category::real:
      return to_number(value, false, to);
    case Category::decimal:
      return to_number(value, true, to);
    case Category::time:
      if (value.type != ValueType::integer) return shown(value) + " is no time";
      to += format_time(value.integer);
      if (type.zone) to += "+00";
      return {};
    case Category::date:
      return to_date(value, to);
    case Category::json:
      return to_json(value, to);
    case Category::bytes:
      if (value.type != ValueType::text || !append_unbase64(view(value.text), to))
        return "no base64, which a column of bytes takes";
      return {};
    case Category::parameter:
      if (value.type != ValueType::integer) return to_text(value, to);
      to += std::to_string(value.integer);
      return {};
    case Category::text:
    case Category::other:
      return to_text(value, to);
  }
  return {};
}

std::string format_time(std::int64_t nanoseconds) {
  using namespace std::chrono;
  const sys_time<std::chrono::nanoseconds> time{std::chrono::nanoseconds(nanoseconds)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<microseconds>(time - day));
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02u %02d:%02d:%02d.%06d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text.data();
}

void append_base64(std::string_view bytes, std::string& to) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto at = [&](std::size_t i) {
    return i < bytes.size() ? static_cast<unsigned>(static_cast<unsigned char>(bytes[i])) : 0U;
  };
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto word = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    to += kDigits[word >> 18];
    to += kDigits[word >> 12 & 63];
    to += i + 1 < bytes.size() ? kDigits[word >> 6 & 63] : '=';
    to += i + 2 < bytes.size() ? kDigits[word & 63] : '=';
  }
}

bool append_unbase64(std::string_view text, std::string& to) {
  const auto digit = [](char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (is_digit(c)) return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
  };
  if (text.size() % 4 != 0) return false;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const int padding = !last || text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
    unsigned word = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      const int value = static_cast<int>(j) >= 4 - padding ? 0 : digit(text[i + j]);
      if (value < 0) return false;
      word = word << 6 | static_cast<unsigned>(value);
    }
    to += static_cast<char>(word >> 16);
    if (padding < 2) to += static_cast<char>(word >> 8 & 0xff);
    if (padding < 1) to += static_cast<char>(word & 0xff);
  }
  return true;
}

void append_json_string(std::string_view text, std::string& to) {
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  to += '"';
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x80) {
      const auto size = c >= 0xf0 ? 4U : c >= 0xe0 ? 3U : 2U;
      // The walker knows the well-formed sequences; it is shown this one as a string of its own.
      const auto quoted = '"' + std::string(text.substr(i, size)) + '"';
      detail::JsonWalker walker(quoted);
      if (text.size() - i >= size && walker.string() && walker.at_end()) {
        to += text.substr(i, size);
        i += size;
      } else {
        to += kReplacement;
        ++i;
      }
      continue;
    }
    ++i;
    if (c == '"' || c == '\\') {
      to += '\\';
      to += static_cast<char>(c);
    } else if (c >= 0x20) {
      to += static_cast<char>(c);
    } else if (c == '\n') {
      to += "\\n";
    } else if (c == '\t') {
      to += "\\t";
    } else if (c == '\r') {
      to += "\\r";
    } else {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04x", c);
      to += escape.data();
    }
  }
  to += '"';
}

void append_json_number(std::string_view text, std::string& to) {
  if (is_json_number(text)) {
    to += text;
    return;
  }
  auto digits = text;
  std::string number;
  if (digits.starts_with('-') || digits.starts_with('+')) {
    if (digits[0] == '-') number = "-";
    digits.remove_prefix(1);
  }
  while (digits.size() > 1 && digits[0] == '0' && is_digit(digits[1])) digits.remove_prefix(1);  // ZEROFILL
  if (digits.starts_with('.')) number += '0';
  number += digits;
  if (is_json_number(number)) {
    to += number;
  } else {
    append_json_string(text, to);  // NaN, Infinity
  }
}

void append_json_text(std::string_view json, std::string& to) {
  for (const char c : json) to += c == '\n' || c == '\r' ? ' ' : c;  // in a string they cannot stand as they are
}

void append_json_time(std::string_view text, std::string& to) {
  const bool time = text.size() >= 19 && is_digit(text[0]) && text[4] == '-' && text[10] == ' ' && text[13] == ':' &&
                    text.find("BC") == std::string_view::npos && text.substr(0, 10) != "0000-00-00";
  if (!time) return append_json_string(text, to);
  if (text.ends_with("+00")) text.remove_suffix(3);
  to += '"';
  to += text.substr(0, 10);
  to += 'T';
  to += text.substr(11);
  to += "Z\"";
}

}  // namespace weir::db
