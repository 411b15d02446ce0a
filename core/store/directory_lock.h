#pragma once

#include <filesystem>

namespace weir::store {

/// The one owner of a data directory: an flock on <directory>/lock, in which our process id stands. It ends with the
/// process, however that ends.
class DirectoryLock {
 public:
  /// Throws CannotOpen, naming the process that has it.
  explicit DirectoryLock(const std::filesystem::path& directory);
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace weir::store
