#pragma once
// Where a database is, and how to get in.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "weir/spec.h"

namespace weir::db {

struct TlsSettings {
  std::string ca;
  std::string cert;
  std::string key;
  bool verify = true;
  static const Fields<TlsSettings>& fields();
};

struct Address {
  enum class Kind { sqlite, postgresql, mariadb } kind = Kind::sqlite;
  std::string path;     ///< of SQLite
  std::string url;      ///< as given
  std::string display;  ///< the URL without user, password and options
  /// @name Of MariaDB; libpq reads its URL itself
  /// @{
  std::string user;
  std::string host;
  std::uint16_t port = 0;
  std::string database;
  std::map<std::string, std::string> options;
  /// @}
};

/// A URL with a scheme known here, or else the path of a SQLite file. Throws Misconfigured; the message repeats no
/// password.
Address parse_address(const std::string& text);

struct Login {
  std::string password;
  std::optional<TlsSettings> tls;
  std::chrono::nanoseconds timeout = std::chrono::seconds(60);  ///< of one statement
  bool read_only = false;
};

/// Throws Misconfigured where the login does not suit the address, or names files that cannot be read.
void check(const Address& address, const Login& login);

}  // namespace weir::db
