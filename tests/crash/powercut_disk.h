#pragma once
// A disk that remembers what was synced: everything the store writes goes through it, to real files and into a list.
// From the list, the disk as a power cut would leave it is made for any moment.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "store/files.h"

namespace weir::store::test {

struct DiskWrite {
  enum class Kind { create, write, truncate, sync, sync_directory, remove };
  Kind kind;
  std::string file;  ///< relative to the directory; of sync_directory, the directory
  std::uint64_t offset = 0;
  std::string bytes;
};

/// What one call shall fail with, for tests of errors: nothing, or an error as errno has it.
using DiskFault = std::function<int(DiskWrite::Kind kind, std::string_view file)>;

/// Records below one directory: SQLite's files through its VFS "powercut", content files as Files. One at a time.
class RecordingDisk {
 public:
  explicit RecordingDisk(std::filesystem::path directory);
  ~RecordingDisk();
  RecordingDisk(const RecordingDisk&) = delete;
  RecordingDisk& operator=(const RecordingDisk&) = delete;

  static constexpr const char* kVfs = "powercut";
  Files& files() { return *files_; }
  const std::vector<DiskWrite>& writes() const { return writes_; }
  DiskFault fault;

  /// For the VFS and the files: 0, or what the call fails with.
  int record(DiskWrite::Kind kind, const std::filesystem::path& path, std::uint64_t offset = 0,
             std::string_view bytes = {});

 private:
  std::filesystem::path directory_;
  std::unique_ptr<Files> files_;
  std::mutex mutex_;
  std::vector<DiskWrite> writes_;
};

/// Replays a record write by write, and lays out what is on the platter.
class Platter {
 public:
  void apply(const DiskWrite& write);
  /// All that was not synced is gone.
  void lay_out_synced(const std::filesystem::path& directory) const;
  /// Of what was not synced, any 4 KiB pages, sizes and directory entries survive.
  void lay_out_some(const std::filesystem::path& directory, std::mt19937& random) const;

 private:
  struct Image {
    std::string synced;
    std::vector<DiskWrite> unsynced;
    bool entry_synced = false;  ///< the directory names it
    bool removed = false;       ///< the directory names it still, until it is synced
  };
  std::map<std::string, Image> files_;
};

}  // namespace weir::store::test
