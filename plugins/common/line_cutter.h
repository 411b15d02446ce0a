#pragma once
// Lines in a block of bytes. A line includes its '\n', and a '\r' before that is part of it.

#include <cstdint>
#include <cstring>
#include <string_view>

namespace weir::file {

/// Bytes up to and including the last line's end; 0 if there is none.
inline std::size_t whole_lines(std::string_view block) {
  const auto* last = static_cast<const char*>(::memrchr(block.data(), '\n', block.size()));
  return last == nullptr ? 0 : static_cast<std::size_t>(last - block.data()) + 1;
}

/// "\n" and "\r\n".
inline bool is_blank(std::string_view line) {
  return line.empty() || line == "\n" || line == "\r\n" || line == "\r";
}

/// The first line of a block that is not empty, with its end; the last may have none.
inline std::string_view first_line(std::string_view block) {
  const auto* end = static_cast<const char*>(std::memchr(block.data(), '\n', block.size()));
  return end == nullptr ? block : block.substr(0, static_cast<std::size_t>(end - block.data()) + 1);
}

/// How many '\n' there are.
std::uint64_t count_line_ends(std::string_view text);

struct Lines {
  std::size_t size;     ///< bytes that are left
  std::uint64_t count;  ///< lines that are left
  std::uint64_t seen;   ///< lines there were
};

/// Counts the lines of a block and, if asked to, moves the others over its blank lines. Bytes move only behind a blank
/// line.
Lines count_lines(char* block, std::size_t size, bool drop_blank);

}  // namespace weir::file
