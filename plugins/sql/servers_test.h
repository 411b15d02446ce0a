#pragma once
// Real servers for the tests of SqlSink and SqlSource: one of each kind for the whole program, started when first used.

#include <memory>
#include <string>

#include "address.h"
#include "connection.h"
#include "tests/servers/mariadb.h"
#include "tests/servers/postgresql.h"

namespace weir::db {

/// A kind of server, and the one of its kind.
template <class Server>
struct Shared {
  static bool available() {
    static const bool available = Server::available();
    return available;
  }
  static Server& server() {
    static Server server;
    return server;
  }
  static std::unique_ptr<Connection> admin() { return Connection::open(parse_address(server().admin_url()), Login{}); }
  static std::string login() { return "database: \"" + server().url() + "\"\npassword: secret\n"; }
  /// All rows of a query, values joined by | and rows by newlines; NULL as nothing.
  static std::string rows(const std::string& sql) {
    const auto connection = admin();
    std::string text;
    for (const auto& row : connection->query(sql, {})) {
      if (!text.empty()) text += '\n';
      for (std::size_t i = 0; i < row.size(); ++i) text += (i == 0 ? "" : "|") + row[i].value_or("");
    }
    return text;
  }
  static void execute(const std::string& sql) { admin()->execute(sql); }
};

struct OnPostgresql : Shared<testing::PostgresqlServer> {
  static constexpr Dialect kDialect = Dialect::postgresql;
  /// A statement as the user weir, who then owns what it makes.
  static void own(const std::string& sql) { execute("SET ROLE weir; " + sql); }
};

struct OnMariadb : Shared<testing::MariadbServer> {
  static constexpr Dialect kDialect = Dialect::mariadb;
  static void own(const std::string& sql) { execute(sql); }
};

}  // namespace weir::db
