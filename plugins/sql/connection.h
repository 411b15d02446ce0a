#pragma once
// One small interface to the databases: what SqlSink and SqlSource need of SQLite, PostgreSQL and MariaDB.
//
// Whatever is called here throws Unavailable where waiting may help (the server is down, the connection was cut) and
// Misconfigured where it does not (a wrong password, no such table); RowError says that a row is to blame.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "address.h"
#include "weir/errors.h"
#include "weir/sql.h"

namespace weir::db {

/// A value or a constraint of the table: this row is bad, others may be good.
class RowError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The server took the transaction back because of others (a deadlock, a serialization failure): the same again may
/// get through at once.
class TakenBack : public Unavailable {
 public:
  using Unavailable::Unavailable;
};

enum class Dialect { sqlite, postgresql, mariadb };

/// What a column that Weir makes is to hold.
enum class Content { any, integer, boolean, number, text, time, json };

struct Column {
  std::string name;
  std::string type = {};  ///< as the database calls it
  bool not_null = false;
  bool key = false;  ///< part of the primary key
  bool operator==(const Column&) const = default;
};

/// A column of a table to be made.
struct NewColumn {
  std::string name;
  Content content = Content::any;
  bool not_null = false;
};

/// A record that the database does not take.
struct Refusal {
  std::uint32_t file = 0;    ///< as it was added
  std::uint32_t record = 0;  ///< its index in the FlowFile
  std::string message;
};

/// Rows on their way into a table, or into a statement of the author's own.
class Inserter {
 public:
  virtual ~Inserter() = default;
  /// One row, with a value for each column. Returns why it does not fit; nothing: it is written by finish() at the
  /// latest, which may still refuse it.
  virtual std::string add(const Value* values, std::uint32_t file, std::uint32_t record) = 0;
  /// Writes what was added. What the database refuses is appended to `refused`, all else is in the transaction.
  virtual void finish(std::vector<Refusal>& refused) = 0;
  /// Forgets what was added and not written.
  virtual void clear() noexcept = 0;
  /// How each column's value is to be read from the record.
  virtual std::vector<As> reads() const = 0;
};

/// The rows of one SELECT, as they come; however many they are, few are in memory.
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual const std::vector<std::string>& names() const = 0;
  virtual bool next() = 0;
  virtual bool is_null(std::size_t column) const = 0;
  /// Appends the value of the present row as JSON, with all its digits.
  virtual void append_json(std::size_t column, std::string& to) const = 0;
  /// The value, which is not NULL, as it stands in SQL: where a later Selection goes on.
  virtual std::string literal(std::size_t column) const = 0;
};

/// What one page of a SELECT reads.
struct Selection {
  std::string from;                     ///< a table as it stands in SQL, or a query in parentheses
  std::vector<std::string> order;       ///< columns that tell rows apart, in ascending order; none: as they come
  std::vector<std::string> after = {};  ///< literals for those columns, or the first of them: only rows behind them
  std::uint64_t limit = 0;              ///< 0: all
  std::chrono::nanoseconds delay{0};    ///< rows whose first `order` column is younger stay for later
};

using Texts = std::vector<std::optional<std::string>>;

/// One connection with at most one transaction. Used by one thread at a time, under lock().
class Connection {
 public:
  /// Connects, or says why not. A SQLite file and its directory are made, unless it is only read.
  static std::unique_ptr<Connection> open(const Address& address, const Login& login);
  virtual ~Connection() = default;

  virtual Dialect dialect() const = 0;
  /// Where it is, as a URL, without user and password.
  virtual const std::string& url() const = 0;
  [[nodiscard]] virtual std::unique_lock<std::mutex> lock() { return {}; }

  /// @name The transaction
  /// @{
  /// Begins one if none is under way; its number, from 1. Connects again where the connection was lost.
  virtual std::uint64_t begin() = 0;
  /// Ends the one under way; nothing happens if there is none. If it throws, it counts as lost.
  virtual void commit() = 0;
  virtual void roll_back() noexcept = 0;
  /// False if that transaction was lost, or may have been.
  virtual bool holds(std::uint64_t transaction) const = 0;
  /// What `work` writes becomes part of the transaction as a whole, or not at all, perhaps with all before it.
  virtual void as_a_whole(const std::function<void(std::uint64_t transaction)>& work) = 0;
  /// @}

  /// @name Tables
  /// @{
  /// The columns that can be written, in their order; nothing if there is no such table. Throws Misconfigured where
  /// its rows are not part of a transaction.
  virtual std::optional<std::vector<Column>> describe(const std::string& table) = 0;
  /// CREATE TABLE; with a key, it is the primary key. Not in a transaction.
  virtual void create(const std::string& table, const std::vector<NewColumn>& columns,
                      const std::vector<std::string>& key) = 0;
  /// A table's name as it stands in SQL.
  virtual std::string table_name(const std::string& table) const = 0;
  /// @}

  /// @name Statements
  /// @{
  /// With a key, a row that has it already is updated; with a version, one of those columns, only if the row's is not
  /// higher.
  virtual std::unique_ptr<Inserter> inserter(const std::string& table, const std::vector<Column>& columns,
                                             const std::vector<std::string>& key, const std::string& version) = 0;
  /// The author's own statement; `:name` takes the value of that name, and values come in the order of `names`.
  virtual std::unique_ptr<Inserter> statement(const std::string& sql, const std::vector<std::string>& names) = 0;
  /// The rows of a selection, while nothing else is done on this connection.
  virtual std::unique_ptr<Cursor> select(const Selection& selection) = 0;
  virtual void execute(const std::string& sql) = 0;
  /// A small statement; each ? takes a text.
  virtual std::vector<Texts> query(const std::string& sql, const std::vector<std::string>& parameters) = 0;
  /// @}
};

/// Makes a table of Weir's own, also where others make it at the same moment. Who may not create tables can be given
/// it: one that is there is left as it is.
void make_if_missing(Connection& connection, const std::string& table, const std::string& definition);

}  // namespace weir::db
