#pragma once
// Text that came from data, on its way to a terminal.

#include <string>
#include <string_view>

namespace weir::cli {

/// Control characters of a terminal are nothing for a terminal, when they come from data.
inline std::string shown(std::string_view text) {
  std::string result;
  for (const char c : text) result += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  return result;
}

}  // namespace weir::cli
