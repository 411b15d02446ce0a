#pragma once
// Values: what a raw JSON token means by its field's declaration, and how SQL values become JSON again.
//
// The rules: declared numbers read as REAL and integers as INTEGER, and another type fails the record; undeclared
// values keep JSON's type; booleans are 1 and 0; an integer beyond 64 bits reads as text, its own digits; a declared
// time reads as ISO 8601 text in UTC; objects and arrays read as JSON text; missing and null are NULL.

#include <cstdint>
#include <string>
#include <string_view>

#include "sql/declaration.h"
#include "sql/time_format.h"
#include "sql/token.h"
#include "weir/abi.h"

namespace weir::sql {

using abi::Value;
using abi::ValueType;

inline std::string_view view(abi::Text text) {
  return {text.data, text.size};
}
inline abi::Text to_text(std::string_view text) {
  return {text.data(), text.size()};
}

inline Value null_value() {
  return {ValueType::null, 0, 0, {}, {}};
}
inline Value integer_value(std::int64_t value) {
  return {ValueType::integer, value, static_cast<double>(value), {}, {}};
}
inline Value real_value(double value) {
  return {ValueType::real, 0, value, {}, {}};
}
inline Value text_value(std::string_view value) {
  return {ValueType::text, 0, 0, to_text(value), {}};
}

/// One field as a statement reads it.
class FieldReader {
 public:
  /// `declared` may be null. Throws std::invalid_argument for a time format that makes no sense.
  FieldReader(std::string name, const Field* declared);

  const std::string& name() const { return name_; }
  FieldType type() const { return type_; }

  /// What SQL sees. `raw` is empty if the field is missing. Text lives in `raw` or in the arena. False: the value is
  /// not of the declared type or not JSON; `error` says how.
  bool read(std::string_view raw, Arena& arena, Value& value, std::string& error) const;

  /// Nanoseconds since 1970; null stays null. Undeclared: RFC 3339 text, or Unix time by its size.
  bool read_time(std::string_view raw, Arena& arena, Value& value, std::string& error) const;

  /// Text; numbers and booleans keep their own characters.
  bool read_text(std::string_view raw, Arena& arena, Value& value, std::string& error) const;

 private:
  bool read_any(std::string_view raw, Arena& arena, Value& value, std::string& error) const;
  bool wrong_type(std::string_view raw, const char* expected, std::string& error) const;
  bool time_of(std::string_view raw, Arena& arena, std::int64_t& nanoseconds, std::string& error) const;

  std::string name_;
  FieldType type_ = FieldType::any;
  bool required_ = false;
  TimeFormat time_;
};

/// Turns a computed value into what the column asks for (abi::As). False: it cannot be; `error` says why.
bool convert(abi::As as, Arena& arena, Value& value, std::string& error);

/// Appends a value as JSON. `boolean`: the expression is a comparison or logic, its 1 and 0 are true and false. False:
/// the value is infinite.
bool append_json(std::string& to, const Value& value, bool boolean);

/// SQLite's order of values, without collation or affinity: numbers before text. Neither may be null.
int compare(const Value& a, const Value& b);

}  // namespace weir::sql
