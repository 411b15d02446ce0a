#pragma once
// The segment files of content.h: who writes which, which are named by durable rows, and when one may go.
//
// A segment is a sequence of pieces (piece.h). External::offset points past a piece's header. A piece that was
// abandoned is cut off again.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/content.h"
#include "store/files.h"
#include "store/packing.h"

namespace weir::store {

/// Opens a segment's file for reading, wherever it is.
std::shared_ptr<ContentFile> open_segment(Files& files, const std::filesystem::path& path, std::uint64_t segment);

/// Every function is thread-safe. Writers may outlive nothing of it: they hold a reference.
class ContentFiles : public std::enable_shared_from_this<ContentFiles> {
 public:
  ContentFiles(std::filesystem::path folder, Files& files, std::uint64_t segment_size);

  /// Takes over what is on disk: `uses` are named by durable rows, everything else is removed. Throws CannotOpen if a
  /// named segment is missing or too short.
  void recover(const std::map<std::uint64_t, SegmentUse>& uses);

  std::unique_ptr<ContentWriter> writer();
  /// Writes pieces of one caller and syncs them together.
  std::vector<External> write(std::span<const std::string_view> pieces);
  std::shared_ptr<ContentFile> open(std::uint64_t segment);
  bool exists(std::uint64_t segment);

  /// A durable row names, or no longer names, a segment.
  void retain(std::uint64_t segment);
  void release(std::uint64_t segment);
  /// Removes segments that no durable row names, nobody has open and nobody writes.
  void remove_unnamed();

  bool failed() const { return failed_.load(); }  ///< a sync failed

 private:
  friend class PieceWriter;
  struct Segment {
    std::shared_ptr<File> file;  ///< while it may be written
    std::uint64_t end = 0;
    std::uint64_t named = 0;  ///< durable rows
    bool writing = false;
    bool in_directory = false;  ///< its directory entry is synced
    std::weak_ptr<ContentFile> open;
  };
  std::filesystem::path path(std::uint64_t segment) const;
  std::uint64_t begin_writing(std::shared_ptr<File>& file, std::uint64_t& end, std::shared_ptr<ContentFile>& open);
  void end_writing(std::uint64_t segment, std::uint64_t end);
  void sync(std::uint64_t segment, File& file);

  const std::filesystem::path folder_;
  Files& files_;
  const std::uint64_t segment_size_;
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::map<std::uint64_t, Segment> segments_;
  std::uint64_t last_ = 0;
};

/// What checking a segment's pieces found: empty if nothing. `end`: how far pieces are well.
struct SegmentCheck {
  std::string problem;
  std::uint64_t end = 0;
  std::map<std::uint64_t, std::uint64_t> pieces;  ///< offset of the content to its size
};
SegmentCheck check_segment(Files& files, const std::filesystem::path& path, std::uint64_t needed_end);

/// "content/0000000000000001.seg" to 1; 0 for any other name.
std::uint64_t segment_of(const std::filesystem::path& file);
std::string segment_name(std::uint64_t segment);

}  // namespace weir::store
