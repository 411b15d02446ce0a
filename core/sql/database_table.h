#pragma once
// A reference table of a database: read when it is first asked for, then again and again in the background, on a thread
// of its own. Whoever joins with it always sees all of one reading.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sql/table_snapshot.h"
#include "weir/abi.h"

namespace weir::sql {

struct DatabaseTableOptions {
  SnapshotOptions snapshot;
  std::chrono::nanoseconds refresh{0};  ///< 0: it is read once
  std::chrono::nanoseconds max_age{0};  ///< 0: any age will do
  TableRead read;
};

/// Where a table tells how it fares; called from its thread.
struct TableReports {
  std::function<void(abi::Level, std::string_view)> bulletin = [](abi::Level, std::string_view) {};
  std::function<abi::Metric*(const std::string& name, const std::string& help, bool counter)> metric =
      [](const std::string&, const std::string&, bool) { return nullptr; };
};

/// Thread-safe.
class DatabaseTable {
 public:
  DatabaseTable(DatabaseTableOptions options, TableReports reports);
  /// Waits a moment for a reading under way; one that takes longer ends by itself, and nobody hears of it.
  ~DatabaseTable();
  DatabaseTable(const DatabaseTable&) = delete;
  DatabaseTable& operator=(const DatabaseTable&) = delete;

  /// The table as it was last read. As long as it never was, this reads it and waits for some seconds. Throws
  /// Unavailable if it is not there yet or too old, Misconfigured if it cannot be read as the flow has it.
  std::shared_ptr<const TableSnapshot> current();

  /// From now on it has an index on the column, if that can be. Throws Misconfigured if it is too large then.
  void index(const std::string& column);

 private:
  struct State;
  static void run(const std::shared_ptr<State>& state);

  std::shared_ptr<State> state_;
};

/// The tables of one processor. A table is kept as long as a statement uses it. Thread-safe.
class DatabaseTables {
 public:
  DatabaseTables() = default;
  DatabaseTables(std::vector<DatabaseTableOptions> options, TableReports reports)
      : options_(std::move(options)), reports_(std::move(reports)) {}

  /// The table of this name, once it was read. Throws as DatabaseTable::current().
  std::shared_ptr<DatabaseTable> open(const std::string& name);

 private:
  std::mutex mutex_;
  std::vector<DatabaseTableOptions> options_;
  TableReports reports_;
  std::map<std::string, std::weak_ptr<DatabaseTable>> open_;
  std::map<std::string, std::shared_ptr<DatabaseTable>> pending_;  ///< not read yet
};

}  // namespace weir::sql
