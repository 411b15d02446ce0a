#include "store/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "store/store.h"

namespace weir::store {

namespace {

[[noreturn]] void fail(std::string_view doing, const std::filesystem::path& path) {
  const auto error = errno;
  const auto message = fmt::format("{} {}: {}", doing, path.string(), std::strerror(error));
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) throw DiskFull(message);
  throw IoError(message);
}

[[noreturn]] void fail_sync(const std::filesystem::path& path) {
  throw IoError(fmt::format("syncing {}: {}", path.string(), std::strerror(errno)));
}

class SystemFile final : public File {
 public:
  SystemFile(int descriptor, std::filesystem::path path) : descriptor_(descriptor), path_(std::move(path)) {}
  ~SystemFile() override { ::close(descriptor_); }

  void write(std::uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const auto written = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail("writing", path_);
      bytes.remove_prefix(static_cast<std::size_t>(written));
      offset += static_cast<std::uint64_t>(written);
    }
  }

  std::uint64_t read(std::uint64_t offset, char* to, std::uint64_t size) const override {
    std::uint64_t total = 0;
    while (total < size) {
      const auto got = ::pread(descriptor_, to + total, size - total, static_cast<off_t>(offset + total));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw IoError(fmt::format("reading {}: {}", path_.string(), std::strerror(errno)));
      if (got == 0) break;
      total += static_cast<std::uint64_t>(got);
    }
    return total;
  }

  std::uint64_t size() const override {
    struct stat status{};
    if (::fstat(descriptor_, &status) != 0) fail("looking at", path_);
    return static_cast<std::uint64_t>(status.st_size);
  }

  void truncate(std::uint64_t size) override {
    if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) fail("truncating", path_);
  }

  void sync() override {
    if (::fdatasync(descriptor_) != 0) fail_sync(path_);
  }

  int descriptor() const override { return descriptor_; }

 private:
  int descriptor_;
  std::filesystem::path path_;
};

class SystemFiles final : public Files {
 public:
  std::unique_ptr<File> create(const std::filesystem::path& path) override {
    const auto descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (descriptor < 0) fail("creating", path);
    return std::make_unique<SystemFile>(descriptor, path);
  }

  std::unique_ptr<File> open(const std::filesystem::path& path) override { return open_as(O_RDONLY, path); }
  std::unique_ptr<File> modify(const std::filesystem::path& path) override { return open_as(O_RDWR, path); }

  void remove(const std::filesystem::path& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail("removing", path);
  }

  void sync_directory(const std::filesystem::path& path) override {
    const auto descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) fail("opening", path);
    const auto result = ::fsync(descriptor);
    const auto error = errno;
    ::close(descriptor);
    errno = error;
    if (result != 0) fail_sync(path);
  }

 private:
  static std::unique_ptr<File> open_as(int flags, const std::filesystem::path& path) {
    const auto descriptor = ::open(path.c_str(), flags | O_CLOEXEC);
    if (descriptor < 0) fail("opening", path);
    return std::make_unique<SystemFile>(descriptor, path);
  }
};

}  // namespace

Files& Files::of_the_system() {
  static SystemFiles files;
  return files;
}

}  // namespace weir::store
