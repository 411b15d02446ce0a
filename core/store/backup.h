#pragma once
// `weir backup`: a copy of a data directory as of one durable epoch, from the read side, while Weir runs or not.
//
// A read transaction of SQLite is the epoch; the content files that it names are opened at once, and an open file stays
// readable when the running Weir removes it. So nothing has to be agreed upon with the owner, and nothing waits for the
// copy: the write-ahead log alone grows while the database itself is copied.

#include <atomic>
#include <cstdint>
#include <filesystem>

namespace weir::store {

struct BackupOptions {
  std::filesystem::path from;
  std::filesystem::path to;                 ///< must not be there, or be an empty folder
  std::uint64_t bytes_per_second = 0;       ///< 0: as fast as the disk is
  const std::atomic<bool>* stop = nullptr;  ///< true: give up
};

struct BackupResult {
  std::uint64_t epoch = 0;
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
};

/// Makes the copy beside its place, as TO.part, and gives it its name when all of it is on the disk: what is there
/// under that name is whole. Its database has its name only then, too, so a TO.part that a kill leaves is no data
/// directory. The next try takes its place. Throws CannotOpen, IoError, DiskFull, std::runtime_error; then nothing is
/// left.
BackupResult back_up(const BackupOptions& options);

}  // namespace weir::store
