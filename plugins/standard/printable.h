#pragma once
// Bytes from outside in a line for people: nothing in them may end the line, or pretend to be another.

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::standard {

namespace detail {

/// Length of the well-formed UTF-8 sequence at the start of `text`, 0 if there is none (Unicode 15, table 3-7).
inline std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
    return byte(i) >= low && byte(i) <= high;
  };
  const auto lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return follows(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef)
    return follows(1, lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf) && follows(2) ? 3 : 0;
  if (lead >= 0xf0 && lead <= 0xf4)
    return follows(1, lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf) && follows(2) && follows(3) ? 4 : 0;
  return 0;
}

}  // namespace detail

/// Appends `text` with line ends as \n and \r, other control characters (C0, DEL, C1, and the line and paragraph
/// separators) and what is no UTF-8 as \xNN a byte, and a backslash doubled.
inline void append_printable(std::string& to, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  while (!text.empty()) {
    const auto length = detail::utf8_length(text);
    const auto lead = static_cast<unsigned char>(text[0]);
    const bool control = (length == 1 && (lead < 0x20 || lead == 0x7f)) ||
                         (length == 2 && lead == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0) ||
                         text.starts_with("\u2028") || text.starts_with("\u2029");
    if (length == 1 && lead == '\n') {
      to += "\\n";
    } else if (length == 1 && lead == '\r') {
      to += "\\r";
    } else if (length == 1 && lead == '\t') {
      to += "\\t";
    } else if (length == 1 && lead == '\\') {
      to += "\\\\";
    } else if (length == 0 || control) {
      for (std::size_t i = 0; i < (length == 0 ? 1 : length); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        to += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
      }
    } else {
      to += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
}

}  // namespace weir::standard
