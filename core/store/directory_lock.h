#pragma once

#include <filesystem>

#include "store/store.h"

namespace weir::store {

/// A process has the data directory.
class InUse : public CannotOpen {
 public:
  using CannotOpen::CannotOpen;
};

/// The one owner of a data directory: an flock on <directory>/lock, in which our process id stands. It ends with the
/// process, however that ends.
class DirectoryLock {
 public:
  /// Throws InUse, naming the process that has it, or CannotOpen.
  explicit DirectoryLock(const std::filesystem::path& directory);
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace weir::store
