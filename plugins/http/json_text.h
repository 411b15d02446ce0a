#pragma once
// Parts of JSON text, as they stand in it.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace weir::http {

/// Why the text is no JSON value with nothing but white space around it, and where; empty if it is one. What follows
/// takes only text that was checked.
std::string json_error(std::string_view text);

/// The token at a JSON Pointer (RFC 6901), without space around it; nothing if there is none.
std::optional<std::string_view> json_at(std::string_view text, std::string_view pointer);

/// Why it is no JSON Pointer; empty if it is one.
std::string pointer_error(std::string_view pointer);

/// Calls `visit` with each element of an array. False: the text is no array, and nothing was visited.
bool json_elements(std::string_view text, const std::function<void(std::string_view)>& visit);

/// A string's text, a number's or boolean's token. Nothing for null, objects and arrays.
std::optional<std::string> json_scalar(std::string_view token);

/// Appends the token on one line: without the line breaks (and what space there is around them) between its parts.
void append_on_one_line(std::string& to, std::string_view token);

/// `object` with the member `name` (text, not escaped) set to `value`; its other bytes stay as they are.
std::string with_member(std::string_view object, std::string_view name, std::string_view value);

/// Text as a JSON string, with its quotes.
std::string json_string(std::string_view text);

}  // namespace weir::http
