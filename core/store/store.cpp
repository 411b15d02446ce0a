#include "store/store.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>

#include "store/content_files.h"
#include "store/database.h"
#include "store/directory_lock.h"
#include "store/epoch_writer.h"
#include "store/queue_index.h"
#include "store/reader.h"
#include "store/retained_content.h"
#include "store/schema.h"

namespace weir::store {

namespace {

constexpr std::int64_t kPageSize = 4096;
constexpr std::uint64_t kPatience = 8;  ///< times as many: write() checkpoints by itself
constexpr std::int64_t kLogSizeLimit = 16 << 20;

std::string key_of(std::string_view table) {
  return fmt::format("SELECT coalesce(max(number), 0) FROM {}", table);
}

class SqliteStore final : public Store {
 public:
  explicit SqliteStore(const Options& options)
      : options_(options),
        lock_(options.directory),
        file_(options.directory / kDatabaseName),
        database_(file_, Database::Access::write, options.vfs) {
    bool is_new = false;
    check_format(database_, file_, is_new);
    // One page size for every file system; secure_delete is on in some builds and would write what is deleted.
    if (is_new) database_.execute(fmt::format("PRAGMA page_size={}; PRAGMA auto_vacuum=NONE", kPageSize));
    database_.execute("PRAGMA journal_mode=WAL");
    database_.execute(
        fmt::format("PRAGMA synchronous={}; PRAGMA wal_autocheckpoint=0; PRAGMA secure_delete=0;"
                    "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-1024; PRAGMA journal_size_limit={}",
                    options.synchronous_full ? "FULL" : "NORMAL", kLogSizeLimit));
    sqlite3_wal_hook(database_.handle(), &SqliteStore::count_log_pages, this);
    if (is_new) check_nothing_lost(options.directory);
    is_new ? create_schema(database_) : upgrade_schema(database_);
    auto& files = options.files != nullptr ? *options.files : Files::of_the_system();
    content_ = std::make_shared<ContentFiles>(options.directory / kContentFolder, files, options.segment_size);
    recover();
    retained_.emplace(database_, options.directory / kRetainedFolder, files, [this] { return room() > 0; });
    writer_.emplace(database_, *content_, *retained_, options, index_, mutex_);
    reader_.emplace(file_, options.vfs, *content_, index_, mutex_);
  }

  const std::string& id() const override { return id_; }
  std::uint64_t last_epoch() const override { return last_epoch_.load(); }

  std::uint32_t connection_number(const std::string& id) override {
    const std::lock_guard lock(mutex_);
    const auto [entry, is_new] = connection_numbers_.try_emplace(id, last_connection_ + 1);
    if (is_new) {
      last_connection_ = checked(entry->second);
      index_[entry->second].id = id;
      names_.connections[entry->second] = id;
    }
    return entry->second;
  }

  std::uint32_t processor_number(const std::string& name) override {
    const std::lock_guard lock(mutex_);
    const auto [entry, is_new] = processor_numbers_.try_emplace(name, last_processor_ + 1);
    if (is_new) {
      last_processor_ = checked(entry->second);
      names_.processors[entry->second] = name;
    }
    return entry->second;
  }

  void rename_connection(const std::string& from, const std::string& to) override {
    const std::lock_guard lock(mutex_);
    if (const auto number = rename(connection_numbers_, from, to); number != 0) {
      index_[number].id = to;
      names_.connections[number] = to;
    }
  }

  void rename_processor(const std::string& from, const std::string& to) override {
    const std::lock_guard lock(mutex_);
    if (const auto number = rename(processor_numbers_, from, to); number != 0) names_.processors[number] = to;
  }

  std::vector<RecoveredConnection> connections() override {
    const std::lock_guard lock(mutex_);
    std::vector<RecoveredConnection> result;
    for (const auto& [number, connection] : index_) {
      auto& recovered = result.emplace_back(RecoveredConnection{number,
                                                                connection.id,
                                                                connection.next,
                                                                connection.cursor,
                                                                connection.cursor_offset,
                                                                connection.held,
                                                                connection.retry,
                                                                {}});
      recovered.segments.reserve(connection.rows.size());
      for (const auto& [first, row] : connection.rows) {
        recovered.segments.push_back({first, row.count, row.bytes, row.records});
      }
    }
    return result;
  }

  std::map<std::string, std::string> state(std::uint32_t processor) override { return reader_->state(processor); }

  void write(const Epoch& epoch) override;
  void maintain() override;

  BatchRef read(std::uint32_t connection, std::uint64_t first, std::uint32_t count) override {
    return reader_->read(connection, first, count);
  }

  void retain(std::uint32_t processor, const Retention& retention) override { retained_->retain(processor, retention); }

  BatchRef retained(std::uint32_t connection, std::uint64_t sequence) override;

  std::uint64_t retained_bytes() const override { return retained_->bytes(); }

  std::unique_ptr<ContentWriter> write_content() override { return content_->writer(); }

  std::uint64_t room() const override {
    const auto free = free_bytes();
    return free > options_.reserve ? free - options_.reserve : 0;
  }

 private:
  static int count_log_pages(void* self, sqlite3*, const char*, int pages) {
    static_cast<SqliteStore*>(self)->log_pages_ = pages;
    return SQLITE_OK;
  }

  static std::uint32_t checked(std::uint32_t number) {
    if (number > kLargestName) throw std::length_error("more names than a data directory can hold");
    return number;
  }

  static std::uint32_t rename(std::map<std::string, std::uint32_t>& numbers, const std::string& from,
                              const std::string& to) {
    // If both exist, the renaming happened at an earlier start, and `from` is another one.
    if (from == to || numbers.contains(to)) return 0;
    auto node = numbers.extract(from);
    if (node.empty()) return 0;
    node.key() = to;
    const auto number = node.mapped();
    numbers.insert(std::move(node));
    return number;
  }

  void recover();
  void make_room(const Epoch& epoch);
  void checkpoint();
  [[noreturn]] void fail(const std::string& what);

  std::uint64_t log_bytes() const { return static_cast<std::uint64_t>(log_pages_) * kPageSize; }

  std::uint64_t free_bytes() const {
    struct statvfs status{};
    if (::statvfs(options_.directory.c_str(), &status) != 0) return 0;
    return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
  }

  const Options options_;
  const DirectoryLock lock_;
  const std::filesystem::path file_;
  Database database_;  ///< the committer's
  std::shared_ptr<ContentFiles> content_;
  std::string id_;
  std::atomic<std::uint64_t> last_epoch_{0};
  int log_pages_ = 0;    ///< in the write-ahead log; committer only
  bool failed_ = false;  ///< committer only
  std::string failure_;

  std::mutex mutex_;  ///< guards what follows; the committer alone changes the index
  QueueIndex index_;
  std::map<std::string, std::uint32_t> connection_numbers_;
  std::map<std::string, std::uint32_t> processor_numbers_;
  std::uint32_t last_connection_ = 0;
  std::uint32_t last_processor_ = 0;
  NameChanges names_;

  std::optional<RetainedContent> retained_;
  std::optional<EpochWriter> writer_;
  std::optional<Reader> reader_;
};

void SqliteStore::recover() {
  const auto folder = options_.directory / kContentFolder;
  if (std::filesystem::create_directory(folder)) {
    auto& files = options_.files != nullptr ? *options_.files : Files::of_the_system();
    files.sync_directory(options_.directory);
  }
  Statement header(database_, "SELECT store, epoch FROM header");
  if (!header.step()) throw Malformed("it has no header");
  id_ = header.text(0);
  last_epoch_ = header.unsigned_integer(1);
  header.reset();
  index_ = read_queue_index(database_);
  std::map<std::uint64_t, SegmentUse> uses;
  for (const auto& [number, connection] : index_) {
    connection_numbers_[connection.id] = number;
    if (const auto problem = inconsistency(connection); !problem.empty()) {
      throw Malformed(fmt::format("connection {}: {}", connection.id, problem));
    }
    for (const auto& [first, row] : connection.rows) {
      for (const auto& use : row.segments) {
        auto& known = uses.try_emplace(use.segment, use).first->second;
        known.end = std::max(known.end, use.end);
      }
    }
  }
  content_->recover(uses);
  for (const auto& [number, connection] : index_) {
    for (const auto& [first, row] : connection.rows) {
      for (const auto& use : row.segments) content_->retain(use.segment);
    }
  }
  Statement processors(database_, "SELECT number, name FROM processors");
  while (processors.step()) processor_numbers_[std::string(processors.text(1))] = processors.small_integer(0);
  last_connection_ = static_cast<std::uint32_t>(database_.number(key_of("connections")));
  last_processor_ = static_cast<std::uint32_t>(database_.number(key_of("processors")));
}

void SqliteStore::fail(const std::string& what) {
  failed_ = true;
  failure_ = what;
  // Closing would checkpoint and sync: after a failure that may take what is good on disk with it.
  sqlite3_db_config(database_.handle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  throw IoError(what);
}

void SqliteStore::make_room(const Epoch& epoch) {
  std::uint64_t bytes = 0;
  for (const auto& change : epoch.connections) {
    for (const auto& segment : change.appended) {
      for (std::uint32_t i = 0; i < segment.count; ++i) {
        const auto& item = segment.batch->items[segment.offset + i];
        if ((item.flags & abi::kExternal) == 0) bytes += item.size;
      }
    }
  }
  // Sources pause when the reserve is reached (room()); what is under way may use it, but for the last eighth, which
  // the write-ahead log needs so that queues can be emptied.
  if (bytes == 0) return;
  const auto short_of_room = [&] { return free_bytes() < options_.reserve / 8 + bytes; };
  while (short_of_room() && retained_->give_up_oldest()) {
  }
  if (short_of_room()) {
    throw DiskFull(fmt::format("{}: {} bytes are free, {} are needed beyond the reserve: free some space",
                               options_.directory.string(), free_bytes(), bytes));
  }
}

void SqliteStore::write(const Epoch& epoch) {
  if (failed_) throw IoError(failure_);
  if (content_->failed()) fail("syncing content failed before: what is durable is unknown: restart");
  if (epoch.empty()) return;
  if (epoch.number <= last_epoch_) throw std::logic_error("epochs are numbered upwards");
  make_room(epoch);
  NameChanges names;
  {
    const std::lock_guard lock(mutex_);
    names = names_;
  }
  try {
    writer_->write(epoch, names, failpoint);
    last_epoch_ = epoch.number;
    content_->remove_unnamed();
    if (log_bytes() > options_.checkpoint_bytes * kPatience) checkpoint();
  } catch (const DatabaseError& error) {
    if (error.disk_full()) {
      retained_->give_up_oldest();
      throw DiskFull(fmt::format("{}: {}", file_.string(), error.what()));
    }
    fail(fmt::format("{}: {}: what is durable is unknown: restart", file_.string(), error.what()));
  } catch (const Malformed& error) {
    fail(fmt::format("{}: {}: run `weir check`", file_.string(), error.what()));
  } catch (const IoError& error) {
    fail(error.what());
  }
  const std::lock_guard lock(mutex_);
  for (const auto& [number, name] : names.connections) {
    if (names_.connections[number] == name) names_.connections.erase(number);
  }
  for (const auto& [number, name] : names.processors) {
    if (names_.processors[number] == name) names_.processors.erase(number);
  }
}

BatchRef SqliteStore::retained(std::uint32_t connection, std::uint64_t sequence) {
  std::string name;
  std::uint64_t next = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto known = index_.find(connection);
    if (known == index_.end()) throw std::invalid_argument(fmt::format("there is no connection {}", connection));
    name = known->second.id;
    next = known->second.next;
  }
  if (sequence >= next) {
    throw NotRetained(
        fmt::format("there is no FlowFile {}:{} yet: {}", name, sequence,
                    next == 0 ? "nothing has come by this connection" : fmt::format("the last one was {}", next - 1)));
  }
  return retained_->read(connection, sequence, name, *content_);
}

void SqliteStore::maintain() {
  if (failed_) return;
  try {
    content_->remove_unnamed();
    if (log_bytes() > options_.checkpoint_bytes) checkpoint();
  } catch (const IoError& error) {
    fail(error.what());
  }
}

void SqliteStore::checkpoint() {
  int left = 0;
  const auto code = sqlite3_wal_checkpoint_v2(database_.handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, &left);
  const DatabaseError error(sqlite3_errmsg(database_.handle()), code, sqlite3_system_errno(database_.handle()));
  // Epochs stay durable in the log: without room, or while somebody reads, it is tried again after a later epoch.
  if (code == SQLITE_OK) log_pages_ = 0;
  if (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED || error.disk_full()) return;
  fail(fmt::format("{}: checkpointing: {}: restart", file_.string(), error.what()));
}

}  // namespace

std::unique_ptr<Store> Store::open_existing(const Options& options) {
  if (!std::filesystem::exists(options.directory / kDatabaseName)) {
    throw CannotOpen(
        fmt::format("{} is no data directory of Weir's: it has no {}", options.directory.string(), kDatabaseName));
  }
  return open(options);
}

std::unique_ptr<Store> Store::open(const Options& options) {
  const auto file = (options.directory / kDatabaseName).string();
  try {
    check_directory(options.directory);
    std::filesystem::create_directories(options.directory);
    return std::make_unique<SqliteStore>(options);
  } catch (const DatabaseError& error) {
    if (error.code() == SQLITE_NOTADB) {
      throw CannotOpen(fmt::format("{} is no SQLite database: {}: run `weir check`", file, error.what()));
    }
    throw CannotOpen(
        fmt::format("{}: {}{}", file, error.what(), error.disk_full() ? ": free some space" : ": run `weir check`"));
  } catch (const Malformed& error) {
    throw CannotOpen(fmt::format("{} is damaged: {}: run `weir check`", file, error.what()));
  } catch (const IoError& error) {
    throw CannotOpen(error.what());
  } catch (const DiskFull& error) {
    throw CannotOpen(fmt::format("{}: free some space", error.what()));
  } catch (const std::filesystem::filesystem_error& error) {
    throw CannotOpen(fmt::format("{} cannot be the data directory: {}: name one that can be made and written",
                                 options.directory.string(), error.code().message()));
  }
}

}  // namespace weir::store
