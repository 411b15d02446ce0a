#pragma once
// The text of a flow file: read with care, and able to say which line and column a byte is on.

#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "flow/definition.h"

namespace weir::flow {

/// Largest flow file that is read. What is larger was not written by hand; YAML takes many times its size in memory.
inline constexpr std::size_t kLargestFile = 4 << 20;

class Source {
 public:
  Source(std::string name, std::string text);

  /// Reads a file. Throws std::runtime_error with the reason, without the file's name.
  static Source read(const std::filesystem::path& path);

  const std::string& name() const { return name_; }
  const std::string& text() const { return text_; }

  /// The place of a byte. Columns count characters, not bytes.
  Mark mark(std::size_t offset) const;
  /// The offset of a line (from 0) and a column of bytes (from 0), as YAML's parser counts.
  std::size_t offset(int line, int column) const;
  /// The line a byte is on, without its end.
  std::string_view line_at(std::size_t offset) const;

 private:
  std::size_t line_index(std::size_t offset) const;

  std::string name_;
  std::string text_;
  std::vector<std::size_t> lines_;  // offsets of their first bytes
};

/// The offset of the first byte that is no UTF-8, or that no text has (NUL and other control characters but tab, line
/// feed and carriage return); npos if all is well.
std::size_t find_bad_byte(std::string_view text);

}  // namespace weir::flow
