#pragma once
// Makes a reference table in an SQLite database and fills it.

#include <sqlite3.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sql/records.h"
#include "sql/value.h"

namespace weir::sql {

/// Whatever fails is thrown as std::runtime_error, with `place` before it.
class TableWriter {
 public:
  /// `place`: "reference table 'x', x.csv", for messages.
  TableWriter(sqlite3* db, std::string table, std::string place);

  /// Throws if there is no column, or one without a name, or with the name of another.
  void create(const std::vector<std::string>& columns);

  /// @name A row: its values, then insert()
  /// @{
  void bind(std::size_t column, const Value& value);
  void bind(std::size_t column, const sqlite3_value* value);
  void insert();
  /// @}

  /// Records, in content as RecordReader takes it: of each the members that are columns.
  void insert_records(std::string_view content);

  /// So that joins on the column need not look through the table.
  void index(const std::string& column);

  /// No more rows come.
  void close() { row_.reset(); }

 private:
  [[noreturn]] void fail(const std::string& message) const;
  [[noreturn]] void fail() const;

  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  sqlite3* db_;
  std::string table_;
  std::string place_;
  std::vector<std::string> columns_;
  std::unique_ptr<sqlite3_stmt, Finalize> row_;
  Arena arena_;
};

}  // namespace weir::sql
