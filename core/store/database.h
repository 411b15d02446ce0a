#pragma once
// SQLite's handles as C++ objects: errors become exceptions, everything is closed by its destructor.

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace weir::store {

/// What SQLite answered. The store turns it into DiskFull, IoError or CannotOpen at its boundary.
class DatabaseError : public std::runtime_error {
 public:
  DatabaseError(const std::string& what, int code, int system_error)
      : std::runtime_error(what), code_(code), system_error_(system_error) {}
  int code() const { return code_; }  ///< SQLite's extended result code
  bool disk_full() const;
  bool damaged() const;  ///< SQLITE_CORRUPT, SQLITE_NOTADB

 private:
  int code_;
  int system_error_;
};

/// A connection. Not thread-safe: one thread at a time.
class Database {
 public:
  /// `write`: the one connection that writes and checkpoints; creates the file. `read`: never writes, and leaves
  /// checkpoints alone, also when it is the last to close.
  enum class Access { write, read };

  Database(const std::filesystem::path& file, Access access, const std::string& vfs = {});
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void execute(const std::string& sql);
  std::int64_t number(const std::string& sql);  ///< first column of the first row; 0 without one
  bool in_transaction() const;
  std::int64_t last_row() const;
  sqlite3* handle() const { return handle_; }

 private:
  sqlite3* handle_ = nullptr;
};

/// A prepared statement. What is bound is not copied: it must live until the statement has run.
class Statement {
 public:
  Statement(Database& database, std::string_view sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::uint64_t value) { return bind(index, static_cast<std::int64_t>(value)); }
  Statement& bind(int index, std::uint32_t value) { return bind(index, static_cast<std::int64_t>(value)); }
  Statement& bind_text(int index, std::string_view text);
  Statement& bind_blob(int index, std::string_view bytes);
  Statement& bind_null(int index);

  bool step();  ///< true: a row. At the end, and on an error, the statement is reset
  void run();   ///< to the end
  void reset();

  std::int64_t integer(int column) const;
  std::uint64_t unsigned_integer(int column) const { return static_cast<std::uint64_t>(integer(column)); }
  std::uint32_t small_integer(int column) const { return static_cast<std::uint32_t>(integer(column)); }
  std::string_view text(int column) const;  ///< valid until the next step
  std::string_view blob(int column) const;  ///< valid until the next step
  bool is_null(int column) const;

 private:
  sqlite3* database_;
  sqlite3_stmt* handle_ = nullptr;
};

/// Resets a statement at the end of a scope, so that it ends its read transaction.
class ResetAtEnd {
 public:
  explicit ResetAtEnd(Statement& statement) : statement_(statement) {}
  ~ResetAtEnd() { statement_.reset(); }
  ResetAtEnd(const ResetAtEnd&) = delete;
  ResetAtEnd& operator=(const ResetAtEnd&) = delete;

 private:
  Statement& statement_;
};

}  // namespace weir::store
