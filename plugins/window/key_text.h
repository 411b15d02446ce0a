#pragma once
// A key as JSON: the form in which it is kept, compared and written.

#include <string>
#include <string_view>

#include "weir/sql.h"

namespace weir::window {

/// The value as a JSON token, the same for values that SQL calls equal: "a" and "\u0061", 1 and 1.0. The result lives
/// in the value or in `buffer`. Not for null.
std::string_view key_text(const Value& value, std::string& buffer);

/// The name of the field that an expression is, e.g. `sensor_id` or field('limit'); empty if it is none.
std::string field_name(std::string_view expression);

/// Appends text as a JSON string. The text is valid UTF-8.
void append_json_string(std::string& to, std::string_view text);

}  // namespace weir::window
