#pragma once
// A database's table as it was at one moment: an SQLite database in memory that never changes, which any number of
// statements, on any threads, attach without copying it.

#include <sqlite3.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weir::abi {
class TableRows;
}

namespace weir::sql {

/// Reads the table into `rows`. Throws Unavailable or Misconfigured.
using TableRead = std::function<void(bool columns_only, abi::TableRows& rows)>;

class TableSnapshot {
 public:
  using Time = std::chrono::steady_clock::time_point;
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };

  TableSnapshot(std::unique_ptr<sqlite3, Close> db, std::vector<std::string> columns, std::uint64_t rows, Time taken);

  const std::vector<std::string>& columns() const { return columns_; }
  std::uint64_t rows() const { return rows_; }
  std::uint64_t bytes() const { return size_; }
  /// When the reading began.
  Time taken() const { return taken_; }

  /// Shows it in `db` as a schema of this name, for as long as this lives. Throws std::runtime_error.
  void attach(sqlite3* db, const std::string& schema) const;

 private:
  std::unique_ptr<sqlite3, Close> db_;  ///< owns the bytes
  unsigned char* data_;
  std::uint64_t size_;
  std::vector<std::string> columns_;
  std::uint64_t rows_;
  Time taken_;
};

struct SnapshotOptions {
  std::string table;
  std::vector<std::string> columns;  ///< those that it must have, and no others; empty: all there are
  std::vector<std::string> indexes;  ///< columns
  std::uint64_t max_rows = 0;
  std::uint64_t max_bytes = 0;
  const std::atomic<bool>* unwanted = nullptr;  ///< once it is true, the reading ends, with Unavailable
};

/// Reads a table, all of it or nothing: throws what `read` does, and Misconfigured for a table that lacks a column, is
/// too large or holds what cannot be read.
std::shared_ptr<const TableSnapshot> take_snapshot(const SnapshotOptions& options, const TableRead& read);

/// The names of its columns.
std::vector<std::string> read_columns(const TableRead& read);

/// A copy with one more index; null if there can be none on that column. Throws Misconfigured if it is too large then.
std::shared_ptr<const TableSnapshot> with_index(const TableSnapshot& snapshot, const SnapshotOptions& options,
                                                const std::string& column);

}  // namespace weir::sql
