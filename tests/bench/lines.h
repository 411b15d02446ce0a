// Reading and writing files of lines as fast as one thread can: what the floors share.
#pragma once

#include <fcntl.h>
#include <simdjson.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace weir::bench {

/// An open file; closed when it goes.
class File {
 public:
  File(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), path);
  }
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  /// Up to `size` bytes; 0 at the end of the file.
  std::size_t read(char* data, std::size_t size) {
    const auto got = ::read(fd_, data, size);
    if (got < 0) throw std::system_error(errno, std::generic_category(), "read");
    return static_cast<std::size_t>(got);
  }

  void write(std::string_view data) {
    while (!data.empty()) {
      const auto put = ::write(fd_, data.data(), data.size());
      if (put < 0) throw std::system_error(errno, std::generic_category(), "write");
      data.remove_prefix(static_cast<std::size_t>(put));
    }
  }

 private:
  int fd_;
};

/// A file as a sequence of chunks of whole lines, each followed by the padding that simdjson reads into.
class LineChunks {
 public:
  explicit LineChunks(const std::string& path) : file_(path, O_RDONLY) {}

  /// The next chunk, valid until the next call; empty at the end. A last line without a newline counts as a line.
  std::string_view next() {
    std::memmove(buffer_.get(), buffer_.get() + chunk_, filled_ - chunk_);
    filled_ -= chunk_;
    while (filled_ < size) {
      const auto got = file_.read(buffer_.get() + filled_, size - filled_);
      if (got == 0) break;
      filled_ += got;
    }
    const auto newline = std::string_view(buffer_.get(), filled_).rfind('\n');
    if (newline == std::string_view::npos && filled_ == size) throw std::runtime_error("a line is longer than a chunk");
    chunk_ = filled_ < size || newline == std::string_view::npos ? filled_ : newline + 1;
    return {buffer_.get(), chunk_};
  }

 private:
  /// Small enough to stay in the second-level cache between reading and parsing.
  static constexpr std::size_t size = 256 * 1024;

  File file_;
  std::unique_ptr<char[]> buffer_ = std::make_unique<char[]>(size + simdjson::SIMDJSON_PADDING);
  std::size_t filled_ = 0;
  std::size_t chunk_ = 0;
};

/// Collects output and writes it in large pieces. Call `flush` at the end.
class LineWriter {
 public:
  explicit LineWriter(const std::string& path) : file_(path, O_WRONLY | O_CREAT | O_TRUNC) {
    buffer_.reserve(2 * size);
  }

  void write(std::string_view bytes) {
    buffer_ += bytes;
    if (buffer_.size() >= size) flush();
  }

  void flush() {
    file_.write(buffer_);
    buffer_.clear();
  }

 private:
  static constexpr std::size_t size = 256 * 1024;

  File file_;
  std::string buffer_;
};

/// Calls `visit(document, line)` for every line of `path`, where `line` includes its newline, and returns how many
/// there were. The whole chunk is indexed at once, on this thread.
template <typename Visit>
std::uint64_t for_each_line(const std::string& path, Visit visit) {
  simdjson::ondemand::parser parser;
#ifdef SIMDJSON_THREADS_ENABLED
  parser.threaded = false;
#endif
  LineChunks chunks(path);
  std::uint64_t lines = 0;
  for (auto chunk = chunks.next(); !chunk.empty(); chunk = chunks.next()) {
    simdjson::ondemand::document_stream documents = parser.iterate_many(chunk.data(), chunk.size(), chunk.size());
    for (auto document = documents.begin(); document != documents.end(); ++document) {
      const auto* begin = chunk.data() + document.current_index();
      const auto rest = static_cast<std::size_t>(chunk.data() + chunk.size() - begin);
      const auto* newline = static_cast<const char*>(std::memchr(begin, '\n', rest));
      visit(*document, std::string_view(begin, newline ? static_cast<std::size_t>(newline - begin) + 1 : rest));
      ++lines;
    }
  }
  return lines;
}

}  // namespace weir::bench
