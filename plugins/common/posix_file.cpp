#include "posix_file.h"

#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "weir/errors.h"

namespace weir::file {

void Fd::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void fail(std::string_view what, const std::string& path, int error) {
  std::string message = "cannot " + std::string(what) + " " + path + ": " + std::generic_category().message(error);
  if (error == EACCES || error == EPERM)
    message += " (the user that runs Weir, id " + std::to_string(::geteuid()) + ", needs the right to)";
  if (error == EROFS) message += " (choose a path on a file system that can be written)";
  if (error == ENOSPC || error == EDQUOT) message += " (work goes on by itself once there is space)";
  if (error == EFBIG)
    message += " (the file system or `ulimit -f` allows no larger file; roll_size can keep it smaller)";
  if (error == EMFILE || error == ENFILE) message += " (raise `ulimit -n`, or lower max_open)";
  throw Unavailable(message);
}

Fd open_file(const std::string& path, int flags, unsigned mode) {
  Fd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) fail((flags & O_ACCMODE) == O_RDONLY ? "read" : "write", path, errno);
  return fd;
}

std::size_t read_fully(const Fd& fd, char* to, std::size_t size, const std::string& path) {
  std::size_t done = 0;
  while (done < size) {
    const auto n = ::read(fd.get(), to + done, size - done);
    if (n == 0) break;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", path, errno);
    done += static_cast<std::size_t>(n);
  }
  return done;
}

std::size_t read_at(const Fd& fd, char* to, std::size_t size, std::uint64_t offset, const std::string& path) {
  std::size_t done = 0;
  while (done < size) {
    const auto n = ::pread(fd.get(), to + done, size - done, static_cast<off_t>(offset + done));
    if (n == 0) break;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", path, errno);
    done += static_cast<std::size_t>(n);
  }
  return done;
}

void write_at(const Fd& fd, std::string_view bytes, std::uint64_t offset, const std::string& path) {
  while (!bytes.empty()) {
    const auto n = ::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write to", path, errno);
    if (n == 0) fail("write to", path, ENOSPC);
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

void write_back(const Fd& fd, std::uint64_t offset, std::uint64_t size) {
  // No error is lost by not looking: one of writing shows at sync_data().
  ::sync_file_range(fd.get(), static_cast<off64_t>(offset), static_cast<off64_t>(size), SYNC_FILE_RANGE_WRITE);
}

void sync_data(const Fd& fd, const std::string& path) {
  if (::fdatasync(fd.get()) != 0) fail("make durable", path, errno);
}

void sync_file_system(const Fd& fd, const std::string& path) {
  if (::syncfs(fd.get()) != 0) fail("make durable the file system of", path, errno);
}

bool sync_file_system_reports_errors() {
  static const bool reports = [] {
    struct utsname system{};
    int major = 0;
    int minor = 0;
    return ::uname(&system) == 0 && std::sscanf(system.release, "%d.%d", &major, &minor) == 2 &&
           (major > 5 || (major == 5 && minor >= 8));
  }();
  return reports;
}

void sync_directory(const std::string& directory) {
  const auto fd = open_file(directory, O_RDONLY | O_DIRECTORY);
  // Some network file systems know no fsync of a directory, and say so by EINVAL: there the server orders renames.
  if (::fsync(fd.get()) != 0 && errno != EINVAL) fail("make durable the directory", directory, errno);
}

void make_directories(const std::string& directory) {
  struct stat s{};
  if (::stat(directory.c_str(), &s) == 0) {
    if (!S_ISDIR(s.st_mode)) fail("create the directory", directory, ENOTDIR);
    return;
  }
  if (errno != ENOENT) fail("create the directory", directory, errno);
  const auto parent = directory_of(directory);
  if (parent != directory) make_directories(parent);
  if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) fail("create the directory", directory, errno);
  sync_directory(parent);
}

void truncate_file(const Fd& fd, std::uint64_t size, const std::string& path) {
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) fail("truncate", path, errno);
}

struct stat status(const Fd& fd, const std::string& path) {
  struct stat s{};
  if (::fstat(fd.get(), &s) != 0) fail("look at", path, errno);
  return s;
}

bool status(const std::string& path, struct stat& s) {
  if (::stat(path.c_str(), &s) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  fail("look at", path, errno);
}

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

std::string absolute(const std::string& path) {
  std::error_code error;
  auto result = std::filesystem::absolute(path, error).lexically_normal().string();
  if (error) throw Unavailable("cannot find the current directory: " + error.message());
  while (result.size() > 1 && result.back() == '/') result.pop_back();
  return result;
}

std::string file_uri(const std::string& path) {
  constexpr std::string_view kPlain = "-._~/=+,@:!$&'()*;";
  constexpr const char* kHex = "0123456789ABCDEF";
  std::string uri = "file://";
  for (const char c : absolute(path)) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
        kPlain.find(c) != std::string_view::npos) {
      uri += c;
    } else {
      uri += '%';
      uri += kHex[byte >> 4];
      uri += kHex[byte & 15];
    }
  }
  return uri;
}

}  // namespace weir::file
