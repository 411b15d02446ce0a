#include "tests/crash/powercut_disk.h"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "store/store.h"

namespace weir::store::test {

namespace {

constexpr std::uint64_t kPage = 4096;
RecordingDisk* disk = nullptr;  // of the VFS, which is a C interface

struct WatchedFile {
  sqlite3_file base;
  std::filesystem::path* path;  ///< null: not recorded (temporary files)
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

WatchedFile* watched(sqlite3_file* file) {
  return reinterpret_cast<WatchedFile*>(file);
}
sqlite3_file* real(sqlite3_file* file) {
  return watched(file)->real();
}

int fault(WatchedFile* file, DiskWrite::Kind kind, std::uint64_t offset, std::string_view bytes, int error_code) {
  if (file->path == nullptr || disk == nullptr) return SQLITE_OK;
  const auto error = disk->record(kind, *file->path, offset, bytes);
  return error == 0 ? SQLITE_OK : error == ENOSPC ? SQLITE_FULL : error_code;
}

int close_file(sqlite3_file* file) {
  const auto result = real(file)->pMethods->xClose(real(file));
  delete watched(file)->path;
  return result;
}
int read_file(sqlite3_file* file, void* to, int size, sqlite3_int64 offset) {
  return real(file)->pMethods->xRead(real(file), to, size, offset);
}
int write_file(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
  const std::string_view bytes(static_cast<const char*>(from), static_cast<std::size_t>(size));
  const auto result =
      fault(watched(file), DiskWrite::Kind::write, static_cast<std::uint64_t>(offset), bytes, SQLITE_IOERR_WRITE);
  return result != SQLITE_OK ? result : real(file)->pMethods->xWrite(real(file), from, size, offset);
}
int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  const auto result =
      fault(watched(file), DiskWrite::Kind::truncate, static_cast<std::uint64_t>(size), {}, SQLITE_IOERR_TRUNCATE);
  return result != SQLITE_OK ? result : real(file)->pMethods->xTruncate(real(file), size);
}
int sync_file(sqlite3_file* file, int flags) {
  const auto result = fault(watched(file), DiskWrite::Kind::sync, 0, {}, SQLITE_IOERR_FSYNC);
  return result != SQLITE_OK ? result : real(file)->pMethods->xSync(real(file), flags);
}
int file_size(sqlite3_file* file, sqlite3_int64* size) {
  return real(file)->pMethods->xFileSize(real(file), size);
}
int lock_file(sqlite3_file* file, int lock) {
  return real(file)->pMethods->xLock(real(file), lock);
}
int unlock_file(sqlite3_file* file, int lock) {
  return real(file)->pMethods->xUnlock(real(file), lock);
}
int check_reserved(sqlite3_file* file, int* out) {
  return real(file)->pMethods->xCheckReservedLock(real(file), out);
}
int control(sqlite3_file* file, int operation, void* argument) {
  return real(file)->pMethods->xFileControl(real(file), operation, argument);
}
int sector_size(sqlite3_file* file) {
  return real(file)->pMethods->xSectorSize(real(file));
}
int characteristics(sqlite3_file* file) {
  // Without promises of the device, such as an atomic overwrite of pages.
  static_cast<void>(file);
  return 0;
}
int shm_map(sqlite3_file* file, int page, int size, int extend, void volatile** out) {
  return real(file)->pMethods->xShmMap(real(file), page, size, extend, out);
}
int shm_lock(sqlite3_file* file, int offset, int n, int flags) {
  return real(file)->pMethods->xShmLock(real(file), offset, n, flags);
}
void shm_barrier(sqlite3_file* file) {
  real(file)->pMethods->xShmBarrier(real(file));
}
int shm_unmap(sqlite3_file* file, int remove) {
  return real(file)->pMethods->xShmUnmap(real(file), remove);
}

const sqlite3_io_methods kMethods = {2,           close_file,  read_file,       write_file,  truncate_file,
                                     sync_file,   file_size,   lock_file,       unlock_file, check_reserved,
                                     control,     sector_size, characteristics, shm_map,     shm_lock,
                                     shm_barrier, shm_unmap,   nullptr,         nullptr};

sqlite3_vfs* system_vfs() {
  static auto* found = sqlite3_vfs_find("unix");
  return found;
}

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  auto* self = watched(file);
  self->path = nullptr;
  const auto is_new = name != nullptr && !std::filesystem::exists(name);
  const auto result = system_vfs()->xOpen(system_vfs(), name, self->real(), flags, out_flags);
  if (self->real()->pMethods == nullptr) {
    file->pMethods = nullptr;
    return result;
  }
  file->pMethods = &kMethods;
  if (result == SQLITE_OK && name != nullptr && disk != nullptr &&
      (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)) != 0 &&
      (flags & SQLITE_OPEN_READONLY) == 0) {
    self->path = new std::filesystem::path(name);
    if (is_new) disk->record(DiskWrite::Kind::create, name);
  }
  return result;
}

int delete_file(sqlite3_vfs*, const char* name, int sync_directory) {
  const auto result = system_vfs()->xDelete(system_vfs(), name, sync_directory);
  if (result == SQLITE_OK && disk != nullptr) {
    disk->record(DiskWrite::Kind::remove, name);
    if (sync_directory != 0) {
      disk->record(DiskWrite::Kind::sync_directory, std::filesystem::path(name).parent_path());
    }
  }
  return result;
}

void register_vfs() {
  static sqlite3_vfs vfs = *system_vfs();
  vfs.szOsFile = static_cast<int>(sizeof(WatchedFile)) + system_vfs()->szOsFile;
  vfs.zName = RecordingDisk::kVfs;
  vfs.xOpen = open_file;
  vfs.xDelete = delete_file;
  vfs.pNext = nullptr;
  sqlite3_vfs_register(&vfs, 0);
}

class RecordedFile final : public File {
 public:
  RecordedFile(std::unique_ptr<File> file, RecordingDisk& of, std::filesystem::path path)
      : file_(std::move(file)), disk_(of), path_(std::move(path)) {}
  void write(std::uint64_t offset, std::string_view bytes) override {
    check(disk_.record(DiskWrite::Kind::write, path_, offset, bytes));
    file_->write(offset, bytes);
  }
  std::uint64_t read(std::uint64_t offset, char* to, std::uint64_t size) const override {
    return file_->read(offset, to, size);
  }
  std::uint64_t size() const override { return file_->size(); }
  void truncate(std::uint64_t size) override {
    check(disk_.record(DiskWrite::Kind::truncate, path_, size));
    file_->truncate(size);
  }
  void sync() override {
    if (disk_.record(DiskWrite::Kind::sync, path_) != 0) throw IoError("syncing " + path_.string() + ": injected");
    file_->sync();
  }
  int descriptor() const override { return file_->descriptor(); }

 private:
  void check(int error) const {
    if (error == ENOSPC) throw DiskFull("writing " + path_.string() + ": injected");
    if (error != 0) throw IoError("writing " + path_.string() + ": injected");
  }
  std::unique_ptr<File> file_;
  RecordingDisk& disk_;
  std::filesystem::path path_;
};

class RecordedFiles final : public Files {
 public:
  explicit RecordedFiles(RecordingDisk& of) : disk_(of) {}
  std::unique_ptr<File> create(const std::filesystem::path& path) override {
    auto file = Files::of_the_system().create(path);
    disk_.record(DiskWrite::Kind::create, path);
    return std::make_unique<RecordedFile>(std::move(file), disk_, path);
  }
  std::unique_ptr<File> open(const std::filesystem::path& path) override { return Files::of_the_system().open(path); }
  std::unique_ptr<File> modify(const std::filesystem::path& path) override {
    return std::make_unique<RecordedFile>(Files::of_the_system().modify(path), disk_, path);
  }
  void remove(const std::filesystem::path& path) override {
    Files::of_the_system().remove(path);
    disk_.record(DiskWrite::Kind::remove, path);
  }
  void sync_directory(const std::filesystem::path& path) override {
    if (disk_.record(DiskWrite::Kind::sync_directory, path) != 0) throw IoError("syncing a directory: injected");
    Files::of_the_system().sync_directory(path);
  }

 private:
  RecordingDisk& disk_;
};

void apply_bytes(std::string& image, std::uint64_t offset, std::string_view bytes) {
  if (image.size() < offset + bytes.size()) image.resize(offset + bytes.size(), '\0');
  std::memcpy(image.data() + offset, bytes.data(), bytes.size());
}

void put(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace

RecordingDisk::RecordingDisk(std::filesystem::path directory)
    : directory_(std::move(directory)), files_(std::make_unique<RecordedFiles>(*this)) {
  static const bool registered = (register_vfs(), true);
  static_cast<void>(registered);
  disk = this;
}

RecordingDisk::~RecordingDisk() {
  disk = nullptr;
}

int RecordingDisk::record(DiskWrite::Kind kind, const std::filesystem::path& path, std::uint64_t offset,
                          std::string_view bytes) {
  const auto file = path.lexically_relative(directory_).string();
  const std::lock_guard lock(mutex_);
  if (fault) {
    if (const auto error = fault(kind, file); error != 0) return error;
  }
  writes_.push_back({kind, file, offset, std::string(bytes)});
  return 0;
}

void Platter::apply(const DiskWrite& write) {
  using Kind = DiskWrite::Kind;
  if (write.kind == Kind::sync_directory) {
    const auto folder = std::filesystem::path(write.file == "." ? "" : write.file);
    for (auto entry = files_.begin(); entry != files_.end();) {
      const auto is_here = std::filesystem::path(entry->first).parent_path() == folder;
      entry->second.entry_synced |= is_here;
      entry = is_here && entry->second.removed ? files_.erase(entry) : std::next(entry);
    }
    return;
  }
  if (write.kind == Kind::create) {
    files_[write.file] = Image{};  // one of the same name that was removed is gone with it
    return;
  }
  auto& image = files_[write.file];
  if (write.kind == Kind::remove) {
    image.removed = true;
    return;
  }
  if (write.kind != Kind::sync) {
    image.unsynced.push_back(write);
    return;
  }
  for (const auto& each : image.unsynced) {
    each.kind == Kind::write ? apply_bytes(image.synced, each.offset, each.bytes) : image.synced.resize(each.offset);
  }
  image.unsynced.clear();
  // SQLite's unix VFS syncs the directory with a new journal's first sync.
  if (write.file.ends_with("-wal") || write.file.ends_with("-journal")) {
    for (auto& [name, other] : files_) {
      if (name.find('/') == std::string::npos) other.entry_synced = true;
    }
  }
}

void Platter::lay_out_synced(const std::filesystem::path& directory) const {
  std::filesystem::create_directories(directory / "content");
  std::filesystem::create_directories(directory / "retained");
  for (const auto& [name, image] : files_) {
    if (image.entry_synced) put(directory / name, image.synced);
  }
}

void Platter::lay_out_some(const std::filesystem::path& directory, std::mt19937& random) const {
  std::filesystem::create_directories(directory / "content");
  std::filesystem::create_directories(directory / "retained");
  for (const auto& [name, image] : files_) {
    if ((!image.entry_synced || image.removed) && random() % 2 == 0) continue;
    auto bytes = image.synced;
    for (const auto& write : image.unsynced) {
      if (write.kind == DiskWrite::Kind::truncate) {
        if (random() % 2 == 0) bytes.resize(write.offset);
        continue;
      }
      for (std::uint64_t at = 0; at < write.bytes.size();) {
        const auto to_page_end = kPage - (write.offset + at) % kPage;
        const auto size = std::min<std::uint64_t>(to_page_end, write.bytes.size() - at);
        if (random() % 2 == 0) apply_bytes(bytes, write.offset + at, std::string_view(write.bytes).substr(at, size));
        at += size;
      }
    }
    put(directory / name, bytes);
  }
}

}  // namespace weir::store::test
