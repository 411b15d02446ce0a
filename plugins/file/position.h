#pragma once
// How far a file has been read, and how the same file is known again: by device and inode while it is only renamed,
// and by a fingerprint of its first bytes where an inode was reused or the file was truncated and written anew.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "plugins/common/posix_file.h"

namespace weir::file {

/// A hash (FNV-1a, 64 bits) over the first `length` bytes of a file.
struct Fingerprint {
  static constexpr std::uint32_t kLength = 1024;  ///< as many bytes as are taken, where the file has them

  std::uint32_t length = 0;
  std::uint64_t hash = 0;

  bool operator==(const Fingerprint&) const = default;
};

/// Over the first `length` bytes, or as many as there are.
Fingerprint fingerprint(const Fd& fd, const std::string& path, std::uint32_t length = Fingerprint::kLength);

/// What FileSource keeps in its state for each file, under the file's path.
struct Position {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  Fingerprint start;
  std::uint64_t offset = 0;   ///< bytes given out; of a compressed file, bytes of what it holds
  std::uint64_t size = 0;     ///< of the file when it was last looked at
  std::int64_t modified = 0;  ///< nanoseconds since 1970
  std::uint64_t line = 0;     ///< lines or records given out
  bool done = false;          ///< read to its end

  bool same_inode(const struct stat& s) const { return device == s.st_dev && inode == s.st_ino; }
  /// The file has been neither written to nor replaced since.
  bool unchanged(const struct stat& s) const {
    return same_inode(s) && size == static_cast<std::uint64_t>(s.st_size) && modified == file::modified(s);
  }
  /// Text of decimal numbers, versioned.
  std::string encode() const;
  static std::optional<Position> decode(std::string_view text);
};

/// What a look at a file says about the position kept for its path.
enum class Verdict {
  unchanged,  ///< nothing to do if it was done, else to be read on
  grown,      ///< the same file, with more behind the position
  rewritten,  ///< the same file, but truncated or written anew
  replaced,   ///< another file now has this path
};

/// `start` is the fingerprint of the file as it is now, over position.start.length bytes.
Verdict judge(const Position& position, const struct stat& status, const Fingerprint& start);

}  // namespace weir::file
