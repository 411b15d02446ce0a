#pragma once
// One SQL statement over the virtual table `record` (or `seq`), in an SQLite of its own.
//
// The virtual table has exactly the columns that the statement names: it is prepared, SQLite's "no such column: x"
// is read, x is declared, and it is prepared again. With a declaration of the record all its fields are columns from
// the start, and other names are errors.

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sql/check.h"
#include "sql/database_table.h"
#include "sql/declaration.h"
#include "sql/functions.h"
#include "sql/rewrite.h"
#include "sql/tables.h"
#include "sql/value.h"

namespace weir::sql {

/// Where the virtual table gets its rows from.
class RowSource : public Surroundings {
 public:
  /// A scan begins. False: it may not, because another goes on.
  virtual bool rewind() = 0;
  /// To the next row; false at the end.
  virtual bool next() = 0;
  virtual const Value& field(std::uint32_t slot) const = 0;
  virtual bool has(std::uint32_t slot) const = 0;
  virtual std::string_view json() const = 0;
  virtual std::uint64_t number() const = 0;  ///< `seq`
  virtual bool values_outlive_row() const = 0;

 protected:
  ~RowSource() = default;
};

/// Gives a field its slot, the same for all expressions of a query.
class Slots {
 public:
  virtual std::uint32_t slot(const std::string& field) = 0;
  /// The slot's value is read, not only whether there is one.
  virtual void needs_value(std::uint32_t slot) = 0;

 protected:
  ~Slots() = default;
};

enum class QueryShape { expression, select };

struct QueryOptions {
  const Declaration* record = nullptr;
  QueryShape shape = QueryShape::expression;
  bool per_flowfile = false;
  bool generator = false;
  std::vector<TableSource> tables;
};

/// Marks scans of the record in SQLite's plan.
inline constexpr const char* kRecordScan = "of-the-record";

/// The column that stands for all others in a table of which nothing is known.
inline constexpr const char* kUnknownColumns = "weir:unknown";

class SqliteQuery {
 public:
  /// What a result column is.
  struct Result {
    std::string name;
    std::optional<std::uint32_t> field;  ///< slot of a bare field
    const Field* declared = nullptr;     ///< of a bare field
    bool whole = false;                  ///< the record itself
    bool unknown = false;                ///< stands for all columns of a table of which nothing is known
    bool boolean = false;
  };

  /// Throws SqlProblem (offset into `sql`), or std::runtime_error for a reference table that cannot be read; of a
  /// database's, as DatabaseTable::current().
  SqliteQuery(std::string_view sql, QueryOptions options, Slots& slots);
  ~SqliteQuery();
  SqliteQuery(const SqliteQuery&) = delete;
  SqliteQuery& operator=(const SqliteQuery&) = delete;

  const std::vector<Result>& results() const { return results_; }
  /// The fields that it reads, in the order of their first mention.
  const std::vector<std::string>& fields() const { return fields_; }

  /// Takes up reference tables that have changed. Throws as the constructor.
  void refresh();
  void attach(RowSource* source) { source_ = source; }
  /// SQLITE_ROW, SQLITE_DONE or an error.
  int step();
  void reset();
  /// Of the row that step() found. Text is valid until the next step.
  Value value(std::size_t column);
  /// What the last error says.
  std::string error() const;
  bool blob(std::size_t column) const;

  struct Table;  ///< sqlite_query.cpp's virtual table, and its cursor
  struct Cursor;

 private:
  struct Column {
    enum class Kind { field, has, whole, number };
    std::string name;
    Kind kind = Kind::field;
    std::string affinity;
    std::uint32_t slot = 0;
    bool used = false;
    const Field* declared = nullptr;
  };
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };

  void open();
  void open_table(std::size_t number);
  void compile();
  void declare_columns();
  void add_named_columns();
  bool add_missing_column(const std::string& message, int offset);
  bool means_table(const std::string& qualifier, const std::string& table) const;
  bool add_guessed_column(const std::string& qualifier, const std::string& name);
  void check_spelling() const;
  bool reads_record_as_it_may();
  bool index_tables();
  void describe_results();
  [[noreturn]] void refuse(const std::string& message, int offset) const;
  const Column* column(std::string_view name) const;
  static int authorize(void* self, int action, const char* a, const char* b, const char* c, const char* d);
  static int progress(void* self);

  std::string original_;
  QueryOptions options_;
  Slots& slots_;
  Rewritten rewritten_;
  bool record_first_ = false;  ///< the joins are written so that SQLite takes the record first, as the author does
  std::vector<Column> columns_;
  std::vector<Result> results_;
  std::vector<std::string> fields_;
  /// What each reference table was when it was opened.
  struct Opened {
    FileState file;                                 ///< of a file
    std::shared_ptr<const TableSnapshot> snapshot;  ///< of a database's table
    std::vector<std::string> guessed;               ///< columns of one of which nothing is known
  };
  std::vector<Opened> opened_;
  RowSource* source_ = nullptr;
  const Surroundings* surroundings_ = nullptr;
  std::string refused_;  ///< what the authorizer did not allow
  bool closed_ = false;  ///< the authorizer is on
  bool scanning_ = false;
  std::string scan_error_;
  std::uint64_t steps_ = 0;
  std::string record_name_;
  std::unique_ptr<sqlite3, Close> db_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  friend struct Table;
};

/// What SQLite makes of a literal; nothing if it is none.
std::optional<Value> evaluate_literal(const std::string& sql, Arena& arena);

}  // namespace weir::sql
