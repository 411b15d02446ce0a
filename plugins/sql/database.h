#pragma once
// SQLite's handles as C++ objects, for the database that a sink writes to.

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace weir::sqlite {

/// What SQLite answered, before it is known what that means for the sink.
class Error : public std::runtime_error {
 public:
  Error(int code, const std::string& message) : std::runtime_error(message), code_(code) {}
  int code() const { return code_ & 0xff; }
  int extended_code() const { return code_; }
  /// A constraint of the table, or a value that it does not take: this row is bad, others may be good.
  bool about_the_row() const;

 private:
  int code_;
};

/// Throws what an Error means for a sink: Unavailable where waiting may help, Misconfigured where it does not.
[[noreturn]] void raise(const Error& error, const std::string& path);

class Database {
 public:
  /// Opens or creates, in WAL mode, so that others read while this writes; to read only, opens it as it is. Throws
  /// Error.
  explicit Database(const std::string& path, bool read_only = false);

  void execute(const std::string& sql);
  /// False after SQLite has rolled a transaction back by itself, too.
  bool in_transaction() const;
  /// True if the file is no longer where it was opened: what is written now would be lost with it.
  bool moved() const;
  sqlite3* handle() const { return handle_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  std::unique_ptr<sqlite3, Close> handle_;
};

/// A prepared statement. Texts are not copied when bound: they live until step() has returned.
class Statement {
 public:
  Statement() = default;
  Statement(Database& database, const std::string& sql);

  void bind(int index, std::int64_t value);
  void bind(int index, double value);
  void bind(int index, std::string_view text);
  void bind_null(int index);
  /// True: there is a row. Ends the execution otherwise, or when it throws.
  bool step();
  void reset();
  int columns() const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string_view text(int column) const;
  std::string_view blob(int column) const;
  /// How the value is stored: SQLITE_INTEGER and so on.
  int type(int column) const;
  std::string_view name(int column) const;
  /// The type that its column was declared with; nothing for an expression.
  std::string_view declared_type(int column) const;
  explicit operator bool() const { return statement_ != nullptr; }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// A name as it stands in SQL.
std::string quoted(std::string_view name);

}  // namespace weir::sqlite
