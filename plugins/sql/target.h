#pragma once
// A database that sinks write to: one connection and one transaction a file, shared by all sinks of this process.
//
// SQLite lets one connection write at a time. Two sinks with a transaction each would wait for one another; so they
// share one, and whoever has to be durable first commits for both. What a sink wrote is safe if the transaction it was
// written in is; transactions are numbered for that.

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "database.h"

namespace weir::sqlite {

class Target {
 public:
  /// The target of this file, opened if nobody has it open; missing directories are made. Throws Unavailable and
  /// Misconfigured.
  static std::shared_ptr<Target> open(const std::string& path);

  /// A target of its own, of a file that exists and is left as it is.
  static std::shared_ptr<Target> open_to_read(const std::string& path);

  explicit Target(std::string path, bool read_only = false);

  const std::string& path() const { return path_; }  ///< absolute

  /// Whoever uses what follows, or prepared statements, holds this lock.
  [[nodiscard]] std::unique_lock<std::mutex> lock() { return std::unique_lock(mutex_); }

  Database& database() { return database_; }
  /// Whether one is under way.
  bool under_way() const { return open_; }
  /// Begins a transaction if none is under way; its number, from 1. Throws Error.
  std::uint64_t begin();
  /// Ends the one under way; nothing happens if there is none. If it throws Error, the transaction is lost.
  void commit();
  /// Takes back what is not committed.
  void roll_back();
  /// After an error: notes it if SQLite has ended the transaction.
  void check();
  /// False if that transaction was lost.
  bool holds(std::uint64_t transaction) const { return !lost_.contains(transaction); }

 private:
  const std::string path_;
  std::mutex mutex_;
  Database database_;
  std::uint64_t last_ = 0;  ///< number of the last transaction begun
  bool open_ = false;
  std::set<std::uint64_t> lost_;
};

}  // namespace weir::sqlite
