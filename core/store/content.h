#pragma once
// Content too large for memory and for SQLite: append-only segment files under <data>/content/.
//
// A segment is written once, by one ContentWriter at a time, and named by (segment, offset, size) in the packed queue
// entries. It is not reference-counted on disk: at start, segments that the recovered epoch does not name are removed;
// while running, a segment goes when the epoch that stops naming it is durable and nobody has it open.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

#include "store/batch.h"

namespace weir::store {

/// An open segment. Thread-safe for reading; shared by every External that points into it.
class ContentFile {
 public:
  virtual ~ContentFile() = default;
  virtual std::uint64_t segment() const = 0;
  /// Copies up to `size` bytes at `offset`; returns how many. Throws IoError.
  virtual std::uint64_t read(std::uint64_t offset, char* to, std::uint64_t size) const = 0;
  /// Maps a range for reading, readable 64 bytes past its end; unmapped when the result is released. Throws IoError.
  virtual std::shared_ptr<const char> map(std::uint64_t offset, std::uint64_t size) const = 0;
};

/// Appends one piece of content, from one thread. Obtained from Store::write_content.
class ContentWriter {
 public:
  virtual ~ContentWriter() = default;               ///< without finish(), what was written is abandoned
  virtual void append(std::string_view bytes) = 0;  ///< throws DiskFull, IoError
  virtual std::uint64_t size() const = 0;
  /// Syncs, and names the content. The writer is used up.
  virtual External finish() = 0;
};

}  // namespace weir::store
