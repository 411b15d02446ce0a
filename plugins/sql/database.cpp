#include "database.h"

#include <sqlite3.h>

#include "weir/errors.h"

namespace weir::sqlite {

namespace {

/// How long another program's transaction is waited for before the step is tried again later.
constexpr int kBusyMilliseconds = 1000;

void check(int code, sqlite3* handle) {
  if (code != SQLITE_OK) throw Error(sqlite3_extended_errcode(handle), sqlite3_errmsg(handle));
}

}  // namespace

bool Error::about_the_row() const {
  if (code() == SQLITE_CONSTRAINT || code() == SQLITE_TOOBIG || code() == SQLITE_MISMATCH) return true;
  // What a function of an author's statement does not take has the code of a missing table.
  const std::string_view said(what());
  const auto says = [&](const char* text) { return said.find(text) != std::string_view::npos; };
  return code() == SQLITE_ERROR && (says("malformed JSON") || says("JSON path") || says("integer overflow"));
}

void raise(const Error& error, const std::string& path) {
  const auto say = [&](const std::string& what) { return path + ": " + what + " (" + error.what() + ")"; };
  switch (error.code()) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw Unavailable(say("another program holds the database locked; it is tried again"));
    case SQLITE_FULL:
      throw Unavailable(say("there is no space left for the database; it goes on when there is"));
    case SQLITE_IOERR:
      throw Unavailable(say("the database cannot be read or written"));
    case SQLITE_NOMEM:
      throw Unavailable(say("out of memory"));
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      throw Misconfigured(say("the database cannot be opened: check that its directory exists and may be written"));
    case SQLITE_READONLY:
      if (error.extended_code() == SQLITE_READONLY_DBMOVED)
        throw Misconfigured(
            say("the database file was moved or deleted while it was in use: put it back, or start anew"));
      throw Misconfigured(say("the database may only be read: allow Weir to write the file and its directory"));
    case SQLITE_NOTADB:
      throw Misconfigured(say("the file is no SQLite database: name another file, or move this one away"));
    case SQLITE_CORRUPT:
      throw Misconfigured(say("the database is damaged: restore it from a backup, or move it away"));
    default:
      throw Misconfigured(say("SQLite refuses"));
  }
}

void Database::Close::operator()(sqlite3* handle) const {
  sqlite3_close_v2(handle);
}

Database::Database(const std::string& path, bool read_only) {
  sqlite3* handle = nullptr;
  const int access = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  const int code = sqlite3_open_v2(path.c_str(), &handle, access | SQLITE_OPEN_NOMUTEX, nullptr);
  handle_.reset(handle);
  if (handle == nullptr) throw Error(SQLITE_NOMEM, "out of memory");
  check(code, handle);
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, kBusyMilliseconds);
  if (read_only) return;
  Statement mode(*this, "PRAGMA journal_mode=WAL");
  mode.step();
  if (mode.text(0) != "wal") throw Error(SQLITE_CANTOPEN, "this file system does not allow WAL mode");
  execute("PRAGMA cache_size=-1024");  // the system's page cache has the rest
  execute("PRAGMA synchronous=FULL");  // what is committed stays, also over a power cut: the queue then forgets it
}

void Database::execute(const std::string& sql) {
  check(sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr), handle_.get());
}

bool Database::in_transaction() const {
  return sqlite3_get_autocommit(handle_.get()) == 0;
}

bool Database::moved() const {
  int moved = 0;
  return sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved != 0;
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Statement::Statement(Database& database, const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  check(sqlite3_prepare_v3(database.handle(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                           &statement, nullptr),
        database.handle());
  statement_.reset(statement);
}

void Statement::bind(int index, std::int64_t value) {
  check(sqlite3_bind_int64(statement_.get(), index, value), sqlite3_db_handle(statement_.get()));
}

void Statement::bind(int index, double value) {
  check(sqlite3_bind_double(statement_.get(), index, value), sqlite3_db_handle(statement_.get()));
}

void Statement::bind(int index, std::string_view text) {
  const auto* data = text.data() == nullptr ? "" : text.data();
  check(sqlite3_bind_text64(statement_.get(), index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8),
        sqlite3_db_handle(statement_.get()));
}

void Statement::bind_null(int index) {
  check(sqlite3_bind_null(statement_.get(), index), sqlite3_db_handle(statement_.get()));
}

bool Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    sqlite3_reset(statement_.get());
    return false;
  }
  auto* handle = sqlite3_db_handle(statement_.get());
  const Error error(sqlite3_extended_errcode(handle), sqlite3_errmsg(handle));
  sqlite3_reset(statement_.get());
  throw error;
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
}

int Statement::columns() const {
  return sqlite3_column_count(statement_.get());
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string_view Statement::text(int column) const {
  const auto* text = sqlite3_column_text(statement_.get(), column);
  if (text == nullptr) return {};
  return {reinterpret_cast<const char*>(text),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

double Statement::real(int column) const {
  return sqlite3_column_double(statement_.get(), column);
}

std::string_view Statement::blob(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  return {bytes == nullptr ? "" : bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

int Statement::type(int column) const {
  return sqlite3_column_type(statement_.get(), column);
}

std::string_view Statement::name(int column) const {
  const char* name = sqlite3_column_name(statement_.get(), column);
  return name == nullptr ? "" : name;
}

std::string_view Statement::declared_type(int column) const {
  const char* type = sqlite3_column_decltype(statement_.get(), column);
  return type == nullptr ? "" : type;
}

std::string quoted(std::string_view name) {
  std::string result = "\"";
  for (const char c : name) {
    if (c == '"') result += '"';
    result += c;
  }
  return result + '"';
}

}  // namespace weir::sqlite
