#include "store/database.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cerrno>

namespace weir::store {

namespace {

/// The errno behind the connection's last error. A failed write to the write-ahead log leaves it only with that file.
int system_error(sqlite3* database) {
  if (sqlite3_extended_errcode(database) != SQLITE_IOERR_WRITE) return sqlite3_system_errno(database);
  int error = 0;
  sqlite3_file* log = nullptr;
  if (sqlite3_file_control(database, nullptr, SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK && log != nullptr &&
      log->pMethods != nullptr) {
    log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &error);
  }
  return error;
}

[[noreturn]] void fail(sqlite3* database, std::string_view doing) {
  const auto code = sqlite3_extended_errcode(database);
  throw DatabaseError(fmt::format("{}: {} (SQLite {})", doing, sqlite3_errmsg(database), code), code,
                      system_error(database));
}

}  // namespace

bool DatabaseError::disk_full() const {
  if ((code_ & 0xff) == SQLITE_FULL) return true;
  // A failed fsync stays an I/O error whatever its errno: what was written before it is unknown.
  if (code_ == SQLITE_IOERR_FSYNC || code_ == SQLITE_IOERR_DIR_FSYNC) return false;
  return (code_ & 0xff) == SQLITE_IOERR &&
         (system_error_ == ENOSPC || system_error_ == EDQUOT || system_error_ == EFBIG);
}

bool DatabaseError::damaged() const {
  return (code_ & 0xff) == SQLITE_CORRUPT || (code_ & 0xff) == SQLITE_NOTADB;
}

Database::Database(const std::filesystem::path& file, Access access, const std::string& vfs) {
  const auto flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                     (access == Access::write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
  const auto code = sqlite3_open_v2(file.c_str(), &handle_, flags, vfs.empty() ? nullptr : vfs.c_str());
  if (code != SQLITE_OK) {
    const auto error = DatabaseError(
        fmt::format("opening {}: {}", file.string(), handle_ ? sqlite3_errmsg(handle_) : sqlite3_errstr(code)), code,
        handle_ ? sqlite3_system_errno(handle_) : 0);
    sqlite3_close(handle_);
    throw error;
  }
  sqlite3_busy_timeout(handle_, 10'000);
  // A damaged schema must not be able to run anything.
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, access == Access::read ? 1 : 0, nullptr);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  if (access == Access::read) {
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    sqlite3_exec(handle_, "PRAGMA query_only=1; PRAGMA cache_size=-1024", nullptr, nullptr, nullptr);
  }
}

Database::~Database() {
  sqlite3_close_v2(handle_);
}

void Database::execute(const std::string& sql) {
  if (sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) fail(handle_, sql.substr(0, 60));
}

std::int64_t Database::number(const std::string& sql) {
  Statement statement(*this, sql);
  return statement.step() ? statement.integer(0) : 0;
}

bool Database::in_transaction() const {
  return sqlite3_get_autocommit(handle_) == 0;
}

std::int64_t Database::last_row() const {
  return sqlite3_last_insert_rowid(handle_);
}

Statement::Statement(Database& database, std::string_view sql) : database_(database.handle()) {
  if (sqlite3_prepare_v3(database_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &handle_,
                         nullptr) != SQLITE_OK) {
    fail(database_, sql.substr(0, 60));
  }
}

Statement::~Statement() {
  sqlite3_finalize(handle_);
}

Statement& Statement::bind(int index, std::int64_t value) {
  sqlite3_bind_int64(handle_, index, value);
  return *this;
}

Statement& Statement::bind_text(int index, std::string_view text) {
  const auto* data = text.data() == nullptr ? "" : text.data();
  if (sqlite3_bind_text64(handle_, index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8) != SQLITE_OK) {
    fail(database_, "binding a text");
  }
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
  const auto* data = bytes.data() == nullptr ? "" : bytes.data();
  if (sqlite3_bind_blob64(handle_, index, data, bytes.size(), SQLITE_STATIC) != SQLITE_OK) {
    fail(database_, "binding a blob");
  }
  return *this;
}

Statement& Statement::bind_null(int index) {
  sqlite3_bind_null(handle_, index);
  return *this;
}

bool Statement::step() {
  const auto code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    sqlite3_reset(handle_);
    return false;
  }
  const auto error =
      DatabaseError(fmt::format("{:.60}: {} (SQLite {})", sqlite3_sql(handle_), sqlite3_errmsg(database_), code),
                    sqlite3_extended_errcode(database_), system_error(database_));
  sqlite3_reset(handle_);
  throw error;
}

void Statement::run() {
  while (step()) {
  }
}

void Statement::reset() {
  sqlite3_reset(handle_);
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(handle_, column);
}

std::string_view Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(handle_, column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
}

std::string_view Statement::blob(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(handle_, column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_, column) == SQLITE_NULL;
}

}  // namespace weir::store
