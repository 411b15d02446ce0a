#include "store/backup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "store/content_files.h"
#include "store/database.h"
#include "store/directory_lock.h"
#include "store/packing.h"
#include "store/retained_content.h"
#include "store/schema.h"
#include "store/store.h"

namespace weir::store {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kBuffer = 1 << 20;
constexpr int kPagesAStep = 256;
/// How often the epoch is taken anew because content went between reading its name and opening it.
constexpr int kTries = 20;
constexpr const char* kUnfinished = "weir.db.part";

class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags, ::mode_t mode = 0)
      : number_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  explicit operator bool() const { return number_ >= 0; }
  int number() const { return number_; }

 private:
  int number_;
};

[[noreturn]] void fail(const fs::path& path, const char* doing) {
  const auto what = fmt::format("{}: {}: {}", path.string(), doing, std::strerror(errno));
  if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) throw DiskFull(what);
  throw IoError(what);
}

void sync(const fs::path& path, int flags) {
  const Descriptor opened(path, flags);
  if (!opened || ::fsync(opened.number()) != 0) fail(path, "cannot be made durable");
}

/// A file that the epoch names, open: it stays readable when it is removed.
struct Held {
  fs::path name;  ///< below the data directory
  Descriptor file;
  std::uint64_t size;  ///< how much of it the epoch names
};

class Backup {
 public:
  explicit Backup(const BackupOptions& options)
      : options_(options), part_(options.to.string() + ".part"), begun_(Clock::now()) {
    if (!fs::exists(options.from / kDatabaseName)) {
      throw CannotOpen(
          fmt::format("{} is no data directory of Weir's: it has no {}", options.from.string(), kDatabaseName));
    }
    if (fs::exists(options.to) && !(fs::is_directory(options.to) && fs::is_empty(options.to)))
      throw CannotOpen(fmt::format("{} is there already: name a new folder for the backup", options.to.string()));
    const auto inside = fs::weakly_canonical(part_).lexically_relative(fs::weakly_canonical(options.from));
    if (!inside.empty() && *inside.begin() != "..")
      throw CannotOpen(fmt::format("{} lies in what is to be copied: name another place", options.to.string()));
    const bool was_there = fs::exists(part_);
    fs::create_directories(part_);
    lock_.emplace(part_);  // another backup to this place is under way, or nobody has it any more
    if (was_there) {
      for (const auto& entry : fs::directory_iterator(part_)) {
        if (entry.path().filename() != kLockName) fs::remove_all(entry.path());
      }
    }
  }

  BackupResult run() {
    // First what is no part of the epoch: an inbox may hold more than the epoch has taken from it, never less.
    copy_others(options_.from, part_);
    std::vector<Held> held;
    {
      Database database(options_.from / kDatabaseName, Database::Access::read);
      bool is_new = false;
      check_format(database, options_.from / kDatabaseName, is_new);
      if (is_new) throw CannotOpen(fmt::format("{} is empty: nothing has run with it", options_.from.string()));
      held = begin(database);
      copy_database(database);
    }
    for (const auto* folder : {kContentFolder, kRetainedFolder}) fs::create_directory(part_ / folder);
    for (const auto& file : held) copy(file.file, part_ / file.name, file.size, S_IRUSR | S_IWUSR | S_IRGRP);
    for (const auto* folder : {kContentFolder, kRetainedFolder}) sync(part_ / folder, O_RDONLY | O_DIRECTORY);
    fs::rename(part_ / kUnfinished, part_ / kDatabaseName);
    sync(part_, O_RDONLY | O_DIRECTORY);
    fs::rename(part_, options_.to);
    auto parent = fs::absolute(options_.to).parent_path();
    sync(parent, O_RDONLY | O_DIRECTORY);
    return result_;
  }

  void clear_away() noexcept {
    std::error_code ignored;
    fs::remove_all(part_, ignored);
  }

 private:
  /// Begins the read transaction, and opens what its epoch names. What went in between is looked up again in a later
  /// epoch, which no longer names it.
  std::vector<Held> begin(Database& database) {
    fs::path missing;
    for (int tries = 0; tries < kTries; ++tries) {
      database.execute("BEGIN");
      result_.epoch = static_cast<std::uint64_t>(database.number("SELECT epoch FROM header"));
      missing.clear();
      auto held = open_named(database, missing);
      if (missing.empty()) return held;
      database.execute("COMMIT");
    }
    throw CannotOpen(fmt::format("{}: content that is queued is missing: run `weir check`", missing.string()));
  }

  std::vector<Held> open_named(Database& database, fs::path& missing) {
    std::map<fs::path, std::uint64_t> named;
    Statement rows(database, "SELECT segments FROM entries WHERE length(segments) > 0");
    while (rows.step()) {
      for (const auto& use : unpack_segments(rows.blob(0))) {
        auto& end = named[fs::path(kContentFolder) / segment_name(use.segment)];
        end = std::max(end, use.end);
      }
    }
    if (has_retained(database.number("PRAGMA user_version"))) {
      for (const auto& [number, file] : read_retained_files(database))
        named[fs::path(kRetainedFolder) / retained_name(number)] = file.bytes;
    }
    std::vector<Held> held;
    for (const auto& [name, size] : named) {
      Descriptor file(options_.from / name, O_RDONLY);
      if (file) {
        held.push_back({name, std::move(file), size});
      } else if (errno != ENOENT) {
        fail(options_.from / name, "cannot be read");
      } else if (*name.begin() == kContentFolder) {  // without what is retained only replay is the poorer
        missing = options_.from / name;
        return {};
      }
    }
    return held;
  }

  void copy_database(Database& database) {
    const auto to = part_ / kUnfinished;
    {
      sqlite3* copy = nullptr;
      const auto opened =
          sqlite3_open_v2(to.c_str(), &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
      const std::unique_ptr<sqlite3, int (*)(sqlite3*)> closed(copy, sqlite3_close_v2);
      if (opened != SQLITE_OK) throw IoError(fmt::format("{}: {}", to.string(), sqlite3_errstr(opened)));
      // Synced once, at the end; a journal would only write it twice.
      sqlite3_exec(copy, "PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF", nullptr, nullptr, nullptr);
      auto* const backup = sqlite3_backup_init(copy, "main", database.handle(), "main");
      if (backup == nullptr) throw IoError(fmt::format("{}: {}", to.string(), sqlite3_errmsg(copy)));
      const std::unique_ptr<sqlite3_backup, int (*)(sqlite3_backup*)> finished(backup, sqlite3_backup_finish);
      int code = SQLITE_OK;
      for (int before = 0; code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED;) {
        code = sqlite3_backup_step(backup, kPagesAStep);
        const int done = sqlite3_backup_pagecount(backup) - sqlite3_backup_remaining(backup);
        pace(static_cast<std::uint64_t>(std::max(0, done - before)) * 4096);
        before = done;
      }
      if (code == SQLITE_FULL) throw DiskFull(fmt::format("{}: {}", to.string(), sqlite3_errstr(code)));
      if (code != SQLITE_DONE) throw IoError(fmt::format("{}: {}", to.string(), sqlite3_errstr(code)));
    }
    ++result_.files;
    sync(to, O_RDWR);
  }

  void copy_others(const fs::path& from, const fs::path& to) {
    for (const auto& entry : fs::directory_iterator(from)) {
      const auto name = entry.path().filename().string();
      const bool is_top = from == options_.from;
      if (is_top &&
          (name.starts_with(kDatabaseName) || name == kContentFolder || name == kRetainedFolder || name == kLockName))
        continue;
      std::error_code gone;
      const auto status = entry.symlink_status(gone);
      if (gone) continue;
      if (fs::is_directory(status)) {
        fs::create_directory(to / name);
        copy_others(entry.path(), to / name);
      } else if (fs::is_regular_file(status)) {
        const Descriptor file(entry.path(), O_RDONLY);
        if (!file && errno == ENOENT) continue;
        if (!file) fail(entry.path(), "cannot be read");
        copy(file, to / name, ~std::uint64_t{0}, static_cast<::mode_t>(status.permissions()));
      }
    }
    sync(to, O_RDONLY | O_DIRECTORY);
  }

  /// Copies the first `size` bytes, or as many as there are.
  void copy(const Descriptor& from, const fs::path& to, std::uint64_t size, ::mode_t mode) {
    const Descriptor file(to, O_WRONLY | O_CREAT | O_EXCL, mode & 0777U);
    if (!file) fail(to, "cannot be written");
    buffer_.resize(kBuffer);
    for (std::uint64_t done = 0; done < size;) {
      const auto got = ::pread(from.number(), buffer_.data(), std::min<std::uint64_t>(kBuffer, size - done),
                               static_cast<off_t>(done));
      if (got < 0) fail(to, "its original cannot be read");
      if (got == 0) break;
      for (::ssize_t put = 0; put < got;) {
        const auto wrote = ::write(file.number(), buffer_.data() + put, static_cast<std::size_t>(got - put));
        if (wrote < 0) fail(to, "cannot be written");
        put += wrote;
      }
      done += static_cast<std::uint64_t>(got);
      pace(static_cast<std::uint64_t>(got));
    }
    if (::fsync(file.number()) != 0) fail(to, "cannot be made durable");
    // The flow's own pages stay in memory, not these.
    ::posix_fadvise(file.number(), 0, 0, POSIX_FADV_DONTNEED);
    ++result_.files;
  }

  /// Waits as long as the copy is ahead of its rate.
  void pace(std::uint64_t bytes) {
    result_.bytes += bytes;
    const auto stopped = [this] { return options_.stop != nullptr && *options_.stop; };
    if (options_.bytes_per_second != 0) {
      const std::chrono::duration<double> wanted(static_cast<double>(result_.bytes) /
                                                 static_cast<double>(options_.bytes_per_second));
      const auto due = begun_ + std::chrono::duration_cast<Clock::duration>(wanted);
      while (Clock::now() < due && !stopped())
        std::this_thread::sleep_until(std::min(due, Clock::now() + std::chrono::milliseconds(100)));
    }
    if (stopped()) throw std::runtime_error("the backup was interrupted; nothing is left of it");
  }

  const BackupOptions& options_;
  const fs::path part_;
  const Clock::time_point begun_;
  std::optional<DirectoryLock> lock_;
  BackupResult result_;
  std::string buffer_;
};

}  // namespace

BackupResult back_up(const BackupOptions& options) {
  try {
    Backup backup(options);
    try {
      return backup.run();
    } catch (...) {
      backup.clear_away();
      throw;
    }
  } catch (const DatabaseError& error) {
    throw IoError(fmt::format("{}: {}", (options.from / kDatabaseName).string(), error.what()));
  } catch (const Malformed& error) {
    throw CannotOpen(fmt::format("{} is damaged: {}: run `weir check`", options.from.string(), error.what()));
  } catch (const fs::filesystem_error& error) {
    throw IoError(error.what());
  }
}

}  // namespace weir::store
