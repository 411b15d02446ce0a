#pragma once
// A record's values as a database server reads them: text in the form that a column's type takes.

#include <cstdint>
#include <string>
#include <string_view>

#include "weir/sql.h"

namespace weir::db {

enum class Category {
  boolean,
  integer,
  real,
  decimal,
  text,
  time,  ///< date and time of day: as YYYY-MM-DD HH:MM:SS.ffffff, in UTC
  date,
  json,
  bytes,      ///< base64 in JSON
  other,      ///< the server reads the text
  parameter,  ///< of an unknown type: text, and 1 or 0 for true and false
};

struct ServerType {
  Category category = Category::other;
  int bits = 64;  ///< of an integer
  bool is_unsigned = false;
  bool zone = false;  ///< a time with a zone: +00 is written behind it
};

/// Appends what the server is sent, or returns why the value, which is not NULL, does not fit.
std::string convert(const Value& value, const ServerType& type, std::string& to);

/// YYYY-MM-DD HH:MM:SS.ffffff, in UTC.
std::string format_time(std::int64_t nanoseconds);

void append_base64(std::string_view bytes, std::string& to);
/// False if it is none.
bool append_unbase64(std::string_view text, std::string& to);

/// Appends a JSON string; bytes that are no UTF-8 become U+FFFD.
void append_json_string(std::string_view text, std::string& to);
/// A number's JSON token as the database writes it: 007 and .5 are none in JSON.
void append_json_number(std::string_view text, std::string& to);
/// JSON text on one line.
void append_json_text(std::string_view json, std::string& to);
/// 2024-05-01 10:00:00.5+00 as 2024-05-01T10:00:00.5Z; what is no such time (infinity, years BC) as a string.
void append_json_time(std::string_view text, std::string& to);

}  // namespace weir::db
