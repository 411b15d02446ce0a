#include "store/directory_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "store/schema.h"
#include "store/store.h"

namespace weir::store {

DirectoryLock::DirectoryLock(const std::filesystem::path& directory) {
  const auto path = directory / kLockName;
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (descriptor_ < 0) {
    throw CannotOpen(fmt::format("{}: {}: the data directory must be writable", path.string(), std::strerror(errno)));
  }
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const auto error = errno;
    char owner[32] = {};
    const auto size = ::pread(descriptor_, owner, sizeof owner - 1, 0);
    ::close(descriptor_);
    if (error != EWOULDBLOCK) {
      throw CannotOpen(fmt::format("{}: cannot be locked: {}", path.string(), std::strerror(error)));
    }
    auto pid = std::string(owner, size > 0 ? static_cast<std::size_t>(size) : 0);
    pid.erase(pid.find_last_not_of(" \n") + 1);
    throw InUse(fmt::format("{} is in use by process {}: stop it, or name another data directory", directory.string(),
                            pid.empty() ? "(unknown)" : pid));
  }
  // Padded, not truncated: a reader never finds it empty. Only for people to read: an error does no harm.
  const auto pid = fmt::format("{:<12}\n", ::getpid());
  if (::pwrite(descriptor_, pid.data(), pid.size(), 0) < 0) return;
}

DirectoryLock::~DirectoryLock() {
  ::close(descriptor_);
}

}  // namespace weir::store
