#include "sql/table_snapshot.h"

#include <algorithm>
#include <exception>
#include <stdexcept>

#include "sql/expression.h"
#include "sql/table_writer.h"
#include "weir/errors.h"
#include "weir/table_reader.h"

namespace weir::sql {

namespace {

constexpr std::size_t kChunk = 256 * 1024;  // of rows, before they are written
constexpr std::size_t kPadding = 64;        // what RecordReader may read behind the end
constexpr int kUnchanging = SQLITE_DESERIALIZE_READONLY;

using Database = std::unique_ptr<sqlite3, TableSnapshot::Close>;

/// An empty database whose bytes lie in one piece, and do not grow beyond the bound.
Database open(std::uint64_t max_bytes) {
  sqlite3* raw = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int opened = sqlite3_open_v2("table", &raw, flags, "memdb");
  Database db(raw);
  if (opened != SQLITE_OK) throw std::bad_alloc();
  auto limit = static_cast<sqlite3_int64>(max_bytes);
  sqlite3_file_control(raw, "main", SQLITE_FCNTL_SIZE_LIMIT, &limit);
  sqlite3_exec(raw, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY", nullptr, nullptr,
               nullptr);
  return db;
}

std::string place_of(const std::string& table) {
  return "reference table '" + table + "'";
}

/// Writes what comes into a database.
class Builder final : public abi::TableRows {
 public:
  explicit Builder(const SnapshotOptions& options)
      : options_(options), db_(open(options.max_bytes)), writer_(db_.get(), options.table, place_of(options.table)) {
    sqlite3_exec(db_.get(), "BEGIN", nullptr, nullptr, nullptr);
  }

  bool columns(const abi::Text* names, std::uint32_t count) override {
    return guarded([&] {
      for (std::uint32_t i = 0; i < count; ++i) columns_.emplace_back(view(names[i]));
      for (const auto& wanted : options_.columns) {
        if (std::find(columns_.begin(), columns_.end(), wanted) != columns_.end()) continue;
        std::string there;
        for (const auto& name : columns_) there += (there.empty() ? "" : ", ") + name;
        throw Misconfigured(place_of(options_.table) + " has no column '" + wanted + "'; it has " + there);
      }
      if (!options_.columns.empty()) columns_ = options_.columns;
      writer_.create(columns_);
    });
  }

  bool row(abi::Text json) override {
    return guarded([&] {
      if (options_.unwanted != nullptr && *options_.unwanted)
        throw Unavailable(place_of(options_.table) + " is not wanted any more");
      if (++rows_ > options_.max_rows)
        throw Misconfigured(place_of(options_.table) + " has more than " + std::to_string(options_.max_rows) +
                            " rows: read fewer with `query`, or raise `max_rows`");
      chunk_.append(json.data, json.size);
      chunk_ += '\n';
      if (chunk_.size() >= kChunk) write();
    });
  }

  std::shared_ptr<const TableSnapshot> finish(TableSnapshot::Time begun) {
    if (error_ == nullptr) {
      guarded([&] {
        if (columns_.empty()) throw Unavailable(place_of(options_.table) + ": nothing came");
        write();
        for (const auto& column : options_.indexes) writer_.index(column);
        if (sqlite3_exec(db_.get(), "COMMIT", nullptr, nullptr, nullptr) != SQLITE_OK) too_large();
      });
    }
    if (error_ != nullptr) std::rethrow_exception(error_);
    return std::make_shared<const TableSnapshot>(release(), columns_, rows_, begun);
  }

 private:
  template <class F>
  bool guarded(F&& work) {
    try {
      work();
      return true;
    } catch (const Misconfigured&) {
      error_ = std::current_exception();
    } catch (const Unavailable&) {
      error_ = std::current_exception();
    } catch (const std::exception& error) {
      if (sqlite3_errcode(db_.get()) == SQLITE_FULL) {
        error_ = std::make_exception_ptr(Misconfigured(too_large_message()));
      } else {
        error_ = std::make_exception_ptr(Misconfigured(error.what()));
      }
    }
    return false;
  }

  std::string too_large_message() const {
    return place_of(options_.table) + " takes more than " + format_bytes(options_.max_bytes) +
           " of memory: read fewer rows or columns with `query`, or raise `max_bytes`";
  }
  [[noreturn]] void too_large() const { throw Misconfigured(too_large_message()); }

  void write() {
    const auto size = chunk_.size();
    if (size == 0) return;
    chunk_.resize(size + kPadding);
    writer_.insert_records(std::string_view(chunk_.data(), size));
    chunk_.clear();
  }

  Database release() {
    writer_.close();
    return std::move(db_);
  }

  const SnapshotOptions& options_;
  Database db_;
  TableWriter writer_;
  std::vector<std::string> columns_;
  std::uint64_t rows_ = 0;
  std::string chunk_;
  std::exception_ptr error_;
};

}  // namespace

TableSnapshot::TableSnapshot(std::unique_ptr<sqlite3, Close> db, std::vector<std::string> columns, std::uint64_t rows,
                             Time taken)
    : db_(std::move(db)), columns_(std::move(columns)), rows_(rows), taken_(taken) {
  sqlite3_int64 size = 0;
  data_ = sqlite3_serialize(db_.get(), "main", &size, SQLITE_SERIALIZE_NOCOPY);
  size_ = static_cast<std::uint64_t>(size);
  if (data_ == nullptr) throw std::bad_alloc();
  sqlite3_db_release_memory(db_.get());  // its cache of pages
}

void TableSnapshot::attach(sqlite3* db, const std::string& schema) const {
  const auto sql = "ATTACH ':memory:' AS " + quoted_name(schema);
  const auto size = static_cast<sqlite3_int64>(size_);
  if (sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK ||
      sqlite3_deserialize(db, schema.c_str(), data_, size, size, kUnchanging) != SQLITE_OK)
    throw std::runtime_error(std::string("a reference table cannot be attached: ") + sqlite3_errmsg(db));
  // Pages are then read where they are, instead of into a cache.
  const auto in_place = "PRAGMA " + quoted_name(schema) + ".mmap_size = " + std::to_string(size_);
  sqlite3_exec(db, in_place.c_str(), nullptr, nullptr, nullptr);
}

std::shared_ptr<const TableSnapshot> take_snapshot(const SnapshotOptions& options, const TableRead& read) {
  const auto begun = std::chrono::steady_clock::now();
  Builder builder(options);
  read(false, builder);
  return builder.finish(begun);
}

std::vector<std::string> read_columns(const TableRead& read) {
  struct Names final : abi::TableRows {
    std::vector<std::string> names;
    bool columns(const abi::Text* texts, std::uint32_t count) override {
      for (std::uint32_t i = 0; i < count; ++i) names.emplace_back(view(texts[i]));
      return true;
    }
    bool row(abi::Text) override { return false; }
  } names;
  read(true, names);
  return std::move(names.names);
}

std::shared_ptr<const TableSnapshot> with_index(const TableSnapshot& snapshot, const SnapshotOptions& options,
                                                const std::string& column) {
  auto db = open(options.max_bytes);
  const auto from = open(0);
  snapshot.attach(from.get(), "old");
  sqlite3_backup* const copy = sqlite3_backup_init(db.get(), "main", from.get(), "old");
  if (copy == nullptr) throw std::runtime_error(sqlite3_errmsg(db.get()));
  sqlite3_backup_step(copy, -1);
  const int copied = sqlite3_backup_finish(copy);
  if (copied != SQLITE_OK) throw std::runtime_error(place_of(options.table) + ": " + sqlite3_errstr(copied));
  try {
    TableWriter(db.get(), options.table, place_of(options.table)).index(column);
  } catch (const std::runtime_error&) {
    if (sqlite3_errcode(db.get()) != SQLITE_FULL) return nullptr;
    throw Misconfigured(place_of(options.table) + " takes more than " + format_bytes(options.max_bytes) +
                        " of memory with an index on " + column + ": raise `max_bytes`");
  }
  return std::make_shared<const TableSnapshot>(std::move(db), snapshot.columns(), snapshot.rows(), snapshot.taken());
}

}  // namespace weir::sql
