#pragma once
// The bytes of a file, or of another stream, as they are meant: gzip and zstd, known by their first bytes, are unpacked
// on the way.

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "posix_file.h"

namespace weir::file {

/// A compressed file that cannot be unpacked any further; says where.
class Broken : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// Fills `to` with up to `size` bytes; less than `size` only at the end as the file stands now. Throws Broken where
  /// compressed data is damaged or ends too early, after all bytes before that place have been given.
  virtual std::size_t read(char* to, std::size_t size) = 0;
  virtual bool compressed() const = 0;
};

/// Unpacks what `packed` gives, if its first bytes are those of gzip or zstd, and skips to `offset` of the unpacked
/// bytes; null if it is neither. `path` is for messages. All members of a gzip stream and all frames of a zstd stream
/// are read.
std::unique_ptr<ByteStream> unpacked(std::unique_ptr<ByteStream> packed, const std::string& path, std::uint64_t offset);

/// Reads `fd` from `offset` on, which counts unpacked bytes: in a compressed file what lies before is unpacked and
/// skipped; without `unpack` every file is read as it is. See unpacked().
std::unique_ptr<ByteStream> open_stream(Fd fd, const std::string& path, std::uint64_t offset, bool unpack);

}  // namespace weir::file
