#pragma once
// The few system calls that content files need, as an interface, so that the power-cut test can put a disk in between
// that forgets what was not synced.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

namespace weir::store {

/// An open file. Reading is thread-safe; writing is for one thread at a time. Throws DiskFull or IoError.
class File {
 public:
  virtual ~File() = default;
  virtual void write(std::uint64_t offset, std::string_view bytes) = 0;
  virtual std::uint64_t read(std::uint64_t offset, char* to, std::uint64_t size) const = 0;
  virtual std::uint64_t size() const = 0;
  virtual void truncate(std::uint64_t size) = 0;
  virtual void sync() = 0;             ///< data and size; IoError is final
  virtual int descriptor() const = 0;  ///< for mmap
};

class Files {
 public:
  virtual ~Files() = default;
  virtual std::unique_ptr<File> create(const std::filesystem::path& path) = 0;  ///< must not exist
  virtual std::unique_ptr<File> open(const std::filesystem::path& path) = 0;    ///< for reading
  virtual std::unique_ptr<File> modify(const std::filesystem::path& path) = 0;  ///< for reading and writing
  virtual void remove(const std::filesystem::path& path) = 0;                   ///< no error if it is gone
  virtual void sync_directory(const std::filesystem::path& path) = 0;

  static Files& of_the_system();
};

}  // namespace weir::store
