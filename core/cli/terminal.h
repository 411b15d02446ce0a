#pragma once
// Text that came from data, on its way to a terminal.

#include <fmt/core.h>

#include <string>
#include <string_view>

namespace weir::cli {

/// Control characters of a terminal, those of C1 too, are nothing for a terminal, when they come from data.
inline std::string shown(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool is_c1 = byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    result += byte < 0x20 || byte == 0x7f || is_c1 ? ' ' : text[i];
    if (is_c1) ++i;
  }
  return result;
}

/// JSON that says the same and has none of them: they stand in strings, where they can be written as escapes.
inline std::string shown_json(std::string_view json) {
  std::string result;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const auto byte = static_cast<unsigned char>(json[i]);
    const auto next = static_cast<unsigned char>(i + 1 < json.size() ? json[i + 1] : 0);
    if (byte == 0x7f) {
      result += "\\u007f";
    } else if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {
      result += fmt::format("\\u{:04x}", next);
      ++i;
    } else {
      result += json[i];
    }
  }
  return result;
}

}  // namespace weir::cli
