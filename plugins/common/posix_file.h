#pragma once
// Files as POSIX has them, with errors that name the path: what both FileSource and FileSink stand on.
//
// Every function throws Unavailable for what may pass (a full disk, a missing right, an I/O error), with the path and
// the system's own text.

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace weir::file {

/// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { close(); }
  void close();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// Throws Unavailable: "cannot <what> <path>: <text of error>", with a hint where the error alone says too little.
[[noreturn]] void fail(std::string_view what, const std::string& path, int error);

/// Opens with O_CLOEXEC.
Fd open_file(const std::string& path, int flags, unsigned mode = 0644);
/// Reads until `size` bytes or the end of the file; returns how many.
std::size_t read_fully(const Fd& fd, char* to, std::size_t size, const std::string& path);
/// The same from an offset, leaving the file's own position alone.
std::size_t read_at(const Fd& fd, char* to, std::size_t size, std::uint64_t offset, const std::string& path);
/// Writes all of it at `offset`.
void write_at(const Fd& fd, std::string_view bytes, std::uint64_t offset, const std::string& path);
/// Has the system begin to write these bytes to the disk, so that a later sync_data() has less to wait for.
void write_back(const Fd& fd, std::uint64_t offset, std::uint64_t size);
/// fdatasync.
void sync_data(const Fd& fd, const std::string& path);
/// syncfs: everything of the file system that the file is on.
void sync_file_system(const Fd& fd, const std::string& path);
/// Since Linux 5.8; before, a syncfs that failed to write said nothing.
bool sync_file_system_reports_errors();
/// fsync of a directory: what was created, renamed or removed in it survives a power cut.
void sync_directory(const std::string& directory);
/// Creates what is missing of a directory and its parents, each durable.
void make_directories(const std::string& directory);
void truncate_file(const Fd& fd, std::uint64_t size, const std::string& path);
struct stat status(const Fd& fd, const std::string& path);
/// False if there is no such file.
bool status(const std::string& path, struct stat& status);

/// "a/b/c" to "a/b" and "c"; the directory of a bare name is ".", of "/c" it is "/".
std::string directory_of(const std::string& path);
std::string name_of(const std::string& path);
/// Absolute, with neither "." nor ".." nor doubled slashes; symbolic links stay as they are.
std::string absolute(const std::string& path);
/// file:// and the absolute path, percent-encoded (RFC 8089).
std::string file_uri(const std::string& path);
inline std::int64_t modified(const struct stat& s) {
  return std::int64_t{s.st_mtim.tv_sec} * 1'000'000'000 + s.st_mtim.tv_nsec;
}

}  // namespace weir::file
