#include "line_cutter.h"

namespace weir::file {

std::uint64_t count_line_ends(std::string_view text) {
  // Steps of one length, counted in a byte, are what GCC makes vector instructions of: std::count takes ten times as
  // long.
  constexpr std::size_t kStep = 128;
  std::uint64_t count = 0;
  for (; text.size() >= kStep; text.remove_prefix(kStep)) {
    std::uint8_t here = 0;
    for (std::size_t i = 0; i < kStep; ++i) here = static_cast<std::uint8_t>(here + (text[i] == '\n' ? 1 : 0));
    count += here;
  }
  for (const char c : text) count += c == '\n' ? 1 : 0;
  return count;
}

Lines count_lines(char* block, std::size_t size, bool drop_blank) {
  Lines lines{0, 0, 0};
  for (std::string_view rest(block, size); !rest.empty();) {
    const auto line = first_line(rest);
    rest.remove_prefix(line.size());
    ++lines.seen;
    if (drop_blank && line.size() <= 2 && is_blank(line)) continue;
    if (line.data() != block + lines.size) std::memmove(block + lines.size, line.data(), line.size());
    lines.size += line.size();
    ++lines.count;
  }
  return lines;
}

}  // namespace weir::file
