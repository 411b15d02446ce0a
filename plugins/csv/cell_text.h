#pragma once
// What stands in a cell, as UTF-8 and as JSON.

#include <string>
#include <string_view>

#include "row_parser.h"

namespace weir::csv {

enum class TextEncoding { utf_8, latin_1, windows_1252 };

/// The cell's text: doubled quotes once, other encodings as UTF-8. Bytes that are no UTF-8 are passed on as they are.
std::string cell_text(const Cell& cell, char quote, TextEncoding encoding);

/// Appends UTF-8 as a JSON string.
void append_json_string(std::string& to, std::string_view text);

/// True if no byte of it is outside of what UTF-8 allows.
bool is_utf8(std::string_view text);

/// The text for a message: its beginning, without what is not printable ASCII.
std::string excerpt(std::string_view text);

}  // namespace weir::csv
