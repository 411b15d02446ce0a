#include "connection.h"

#include "mariadb.h"
#include "postgresql.h"
#include "sqlite_connection.h"

namespace weir::db {

std::unique_ptr<Connection> Connection::open(const Address& address, const Login& login) {
  switch (address.kind) {
    case Address::Kind::sqlite:
      return std::make_unique<sqlite::Connection>(address.path, login.read_only);
    case Address::Kind::postgresql:
      return std::make_unique<Postgresql>(address, login);
    case Address::Kind::mariadb:
      break;
  }
  return std::make_unique<Mariadb>(address, login);
}

void make_if_missing(Connection& connection, const std::string& table, const std::string& definition) {
  if (connection.describe(table)) return;
  try {
    connection.execute("CREATE TABLE IF NOT EXISTS " + table + " " + definition);
  } catch (const Unavailable&) {
    throw;
  } catch (const std::exception&) {
    if (!connection.describe(table)) throw;  // PostgreSQL refuses it where another makes it at the same moment
  }
}

}  // namespace weir::db
