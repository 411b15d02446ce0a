#include "flow/source.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>

namespace weir::flow {

namespace {

/// Bytes of the character that starts at `text`, or 0 if it is no valid UTF-8 (RFC 3629: no overlong forms, no
/// surrogates, nothing beyond U+10FFFF).
std::size_t character_size(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
  }
  const auto second = byte(1);
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
  if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
  return size;
}

}  // namespace

Source::Source(std::string name, std::string text) : name_(std::move(name)), text_(std::move(text)) {
  lines_.push_back(0);
  for (std::size_t i = 0; i < text_.size(); ++i) {
    if (text_[i] == '\n') lines_.push_back(i + 1);
  }
}

Source Source::read(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) throw std::runtime_error("there is no such file");
  if (error) throw std::runtime_error("cannot be read: " + error.message());
  if (std::filesystem::is_directory(status)) throw std::runtime_error("is a directory, not a flow file");
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error(fmt::format("cannot be read: {}", std::strerror(errno)));
  // Not by the file's size: a pipe (/dev/stdin) has none.
  std::string text(kLargestFile + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) throw std::runtime_error("cannot be read: the device reports an error");
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kLargestFile) throw std::runtime_error("is larger than 4 MiB, which no flow file is");
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  return {path.string(), std::move(text)};
}

std::size_t Source::line_index(std::size_t offset) const {
  return static_cast<std::size_t>(std::upper_bound(lines_.begin(), lines_.end(), offset) - lines_.begin()) - 1;
}

Mark Source::mark(std::size_t offset) const {
  offset = std::min(offset, text_.size());
  const auto line = line_index(offset);
  int column = 1;
  for (std::size_t i = lines_[line]; i < offset; ++i) {
    if ((static_cast<unsigned char>(text_[i]) & 0xC0U) != 0x80U) ++column;
  }
  return {name_, static_cast<int>(line) + 1, column};
}

std::size_t Source::offset(int line, int column) const {
  if (line < 0 || column < 0) return 0;
  if (static_cast<std::size_t>(line) >= lines_.size()) return text_.size();
  return std::min(lines_[static_cast<std::size_t>(line)] + static_cast<std::size_t>(column), text_.size());
}

std::string_view Source::line_at(std::size_t offset) const {
  const auto start = lines_[line_index(std::min(offset, text_.size()))];
  auto end = text_.find('\n', start);
  if (end == std::string::npos) end = text_.size();
  if (end > start && text_[end - 1] == '\r') --end;
  return std::string_view(text_).substr(start, end - start);
}

std::size_t find_bad_byte(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const auto size = character_size(text.substr(i));
    if (size == 0 || (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F) return i;
    i += size;
  }
  return std::string_view::npos;
}

}  // namespace weir::flow
