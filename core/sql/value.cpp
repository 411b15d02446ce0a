#include "sql/value.h"

#include <charconv>
#include <cmath>
#include <cstring>

namespace weir::sql {

namespace {

const char* kind_of(std::string_view raw) {
  switch (raw.empty() ? 'n' : raw[0]) {
    case '"':
      return "text";
    case '{':
      return "an object";
    case '[':
      return "an array";
    case 't':
    case 'f':
      return "a boolean";
    case 'n':
      return "null";
    default:
      return "a number";
  }
}

bool is_word(std::string_view raw) {
  return raw == "true" || raw == "false" || raw == "null";
}

/// Whether `raw` is a JSON string as a whole (structure.h found where it starts, not that nothing follows it).
bool is_string(std::string_view raw) {
  return raw.size() >= 2 && raw.front() == '"' && raw.back() == '"';
}

}  // namespace

FieldReader::FieldReader(std::string name, const Field* declared) : name_(std::move(name)) {
  if (declared == nullptr) return;
  type_ = declared->type;
  required_ = declared->required;
  if (type_ == FieldType::time) time_ = TimeFormat(declared->format);
}

bool FieldReader::wrong_type(std::string_view raw, const char* expected, std::string& error) const {
  const bool json = is_string(raw) || is_word(raw) || is_json(raw);
  error =
      "field '" + name_ + "' is " + (json ? kind_of(raw) : "no JSON value") + ", not " + expected + ": " + excerpt(raw);
  return false;
}

bool FieldReader::read(std::string_view raw, Arena& arena, Value& value, std::string& error) const {
  if (raw.empty() || raw == "null") {
    if (required_) {
      error = "field '" + name_ + "' is required, but " + (raw.empty() ? "missing" : "null");
      return false;
    }
    value = null_value();
    value.raw = to_text(raw);
    return true;
  }
  switch (type_) {
    case FieldType::any:
    case FieldType::json:
      return read_any(raw, arena, value, error);
    case FieldType::text: {
      std::string_view text;
      if (!is_string(raw)) return wrong_type(raw, "text", error);
      if (!unescape(raw.substr(1, raw.size() - 2), arena, text)) return wrong_type(raw, "valid text", error);
      value = text_value(text);
      break;
    }
    case FieldType::number:
    case FieldType::integer: {
      const auto number = parse_number(raw, value.integer, value.real);
      if (number == Number::invalid)
        return wrong_type(raw, type_ == FieldType::number ? "a number" : "an integer", error);
      if (number == Number::overflow) {
        error = "field '" + name_ + "' is beyond the range of a number: " + excerpt(raw);
        return false;
      }
      value.text = {};
      value.type = type_ == FieldType::number ? ValueType::real : ValueType::integer;
      if (type_ == FieldType::integer && number == Number::big) {
        value = text_value(raw);
      } else if (type_ == FieldType::integer && number == Number::real) {
        // 20.0 and 2e1 are integers too.
        if (value.real != std::trunc(value.real) || std::fabs(value.real) > 9007199254740992.0) {
          error = "field '" + name_ + "' is a number, not an integer: " + excerpt(raw);
          return false;
        }
        value.integer = static_cast<std::int64_t>(value.real);
      }
      break;
    }
    case FieldType::boolean:
      if (raw != "true" && raw != "false") return wrong_type(raw, "true or false", error);
      value = integer_value(raw == "true" ? 1 : 0);
      break;
    case FieldType::time: {
      std::int64_t nanoseconds = 0;
      if (!time_of(raw, arena, nanoseconds, error)) return false;
      char* to = arena.allocate(kIsoLength);
      format_iso(nanoseconds, to);
      value = text_value({to, kIsoLength});
      break;
    }
  }
  value.raw = to_text(raw);
  return true;
}

bool FieldReader::read_any(std::string_view raw, Arena& arena, Value& value, std::string& error) const {
  switch (raw[0]) {
    case '"': {
      std::string_view text;
      if (!is_string(raw) || !unescape(raw.substr(1, raw.size() - 2), arena, text)) {
        error = "field '" + name_ + "' is no valid JSON text: " + excerpt(raw);
        return false;
      }
      value = text_value(text);
      break;
    }
    case 't':
    case 'f':
      if (raw != "true" && raw != "false") return wrong_type(raw, "a JSON value", error);
      value = integer_value(raw[0] == 't' ? 1 : 0);
      break;
    case '{':
    case '[':
      if (!is_json(raw)) {
        error = "field '" + name_ + "' is no valid JSON: " + excerpt(raw);
        return false;
      }
      value = text_value(raw);
      value.type = ValueType::json;
      break;
    default:
      switch (parse_number(raw, value.integer, value.real)) {
        case Number::integer:
          value.type = ValueType::integer;
          value.text = {};
          break;
        case Number::real:
          value.type = ValueType::real;
          value.integer = 0;
          value.text = {};
          break;
        case Number::big:
          value = text_value(raw);
          break;
        case Number::overflow:
          error = "field '" + name_ + "' is beyond the range of a number: " + excerpt(raw);
          return false;
        case Number::invalid:
          error = "field '" + name_ + "' is no JSON value: " + excerpt(raw);
          return false;
      }
  }
  value.raw = to_text(raw);
  return true;
}

bool FieldReader::time_of(std::string_view raw, Arena& arena, std::int64_t& nanoseconds, std::string& error) const {
  const bool declared = type_ == FieldType::time;
  const auto fail = [&](const char* expected) {
    error = "field '" + name_ + "' is no time" +
            (declared ? " in the declared format " + time_.name() : std::string()) + " (" + expected +
            "): " + excerpt(raw);
    return false;
  };
  if (raw[0] == '"') {
    std::string_view text;
    if (declared && time_.is_unix()) return fail("a number was expected");
    if (!is_string(raw) || !unescape(raw.substr(1, raw.size() - 2), arena, text)) return fail("invalid text");
    const bool parsed = declared ? time_.parse(text, nanoseconds) : parse_rfc3339(text, nanoseconds);
    return parsed || fail(declared ? "as declared under records:" : "RFC 3339, or a Unix time");
  }
  if (declared && !time_.is_unix()) return fail("text was expected");
  std::int64_t integer = 0;
  double real = 0;
  switch (parse_number(raw, integer, real)) {
    case Number::integer:
      if (declared ? scale_time(integer, time_.unit(), nanoseconds) : unix_time(integer, nanoseconds)) return true;
      return fail("beyond the years 1677 to 2262");
    case Number::real:
      if (declared ? scale_time(real, time_.unit(), nanoseconds) : unix_time(real, nanoseconds)) return true;
      return fail("beyond the years 1677 to 2262");
    case Number::big:
    case Number::overflow:
      return fail("beyond the years 1677 to 2262");
    case Number::invalid:
      break;
  }
  return fail(declared ? "a number was expected" : "RFC 3339 text or a Unix time was expected");
}

bool FieldReader::read_time(std::string_view raw, Arena& arena, Value& value, std::string& error) const {
  if (raw.empty() || raw == "null") return read(raw, arena, value, error);
  std::int64_t nanoseconds = 0;
  if (!time_of(raw, arena, nanoseconds, error)) return false;
  value = integer_value(nanoseconds);
  value.raw = to_text(raw);
  return true;
}

bool FieldReader::read_text(std::string_view raw, Arena& arena, Value& value, std::string& error) const {
  if (!read(raw, arena, value, error)) return false;
  if (value.type == ValueType::integer || value.type == ValueType::real) {
    value.type = ValueType::text;
    value.text = value.raw;
  } else if (value.type == ValueType::json) {
    value.type = ValueType::text;
  }
  return true;
}

bool convert(abi::As as, Arena& arena, Value& value, std::string& error) {
  if (value.type == ValueType::real && !std::isfinite(value.real)) {
    error = "the result is infinite";
    return false;
  }
  if (as == abi::As::any || value.type == ValueType::null) return true;
  switch (as) {
    case abi::As::any:
      break;
    case abi::As::number:
      if (value.type == ValueType::integer) {
        value.type = ValueType::real;
      } else if (value.type != ValueType::real) {
        error = "the result is text, not a number: '" + excerpt(view(value.text)) + "'";
        return false;
      }
      break;
    case abi::As::time: {
      std::int64_t nanoseconds = 0;
      const bool parsed = value.type == ValueType::integer ? unix_time(value.integer, nanoseconds)
                          : value.type == ValueType::real  ? unix_time(value.real, nanoseconds)
                                                           : parse_rfc3339(view(value.text), nanoseconds);
      if (!parsed) {
        std::string text;
        append_json(text, value, false);
        error = "the result is no time (neither RFC 3339 nor a Unix time): " + excerpt(text);
        return false;
      }
      const auto raw = value.raw;
      value = integer_value(nanoseconds);
      value.raw = raw;
      break;
    }
    case abi::As::text:
      if (value.type == ValueType::integer || value.type == ValueType::real) {
        std::string text;
        if (value.type == ValueType::integer) {
          text = std::to_string(value.integer);
        } else {
          append_real(text, value.real);
        }
        value.text = value.raw.size != 0 ? value.raw : to_text(arena.keep(text));
      }
      value.type = ValueType::text;
      break;
  }
  return true;
}

bool append_json(std::string& to, const Value& value, bool boolean) {
  if (value.raw.size != 0) {
    to += view(value.raw);
    return true;
  }
  switch (value.type) {
    case ValueType::null:
      to += "null";
      return true;
    case ValueType::integer:
      if (boolean) {
        to += value.integer != 0 ? "true" : "false";
      } else {
        char buffer[24];
        to.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value.integer).ptr);
      }
      return true;
    case ValueType::real:
      if (!std::isfinite(value.real)) return false;
      append_real(to, value.real);
      return true;
    case ValueType::text:
      append_quoted(to, view(value.text));
      return true;
    case ValueType::json:
      to += view(value.text);
      return true;
  }
  return true;
}

int compare(const Value& a, const Value& b) {
  const auto sign = [](auto x, auto y) { return x < y ? -1 : x > y ? 1 : 0; };
  const bool a_integer = a.type == ValueType::integer;
  const bool b_integer = b.type == ValueType::integer;
  const bool a_text = a.type == ValueType::text || a.type == ValueType::json;
  const bool b_text = b.type == ValueType::text || b.type == ValueType::json;
  if (a_text || b_text) {
    if (a_text != b_text) return a_text ? 1 : -1;
    const auto common = std::min(a.text.size, b.text.size);
    const int order = common == 0 ? 0 : std::memcmp(a.text.data, b.text.data, common);
    return order != 0 ? order : sign(a.text.size, b.text.size);
  }
  if (a_integer && b_integer) return sign(a.integer, b.integer);
  // As SQLite does, in a long double, which holds every 64-bit integer exactly.
  if (a_integer) return sign(static_cast<long double>(a.integer), static_cast<long double>(b.real));
  if (b_integer) return sign(static_cast<long double>(a.real), static_cast<long double>(b.integer));
  return sign(a.real, b.real);
}

}  // namespace weir::sql
