#include "line_cutter.h"

namespace weir::file {

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
