// What the plugin offers beside its processors: whether a database is there and lets this user in, and tables of
// databases for others.

#include <filesystem>

#include "connection.h"
#include "sql_sink.h"
#include "sql_source.h"
#include "table_reader.h"
#include "weir/check.h"

namespace weir::db {
namespace {

std::string read(const SqlSourceSettings& settings) {
  const Login login{settings.password, settings.tls, settings.timeout, true};
  const auto address = parse_address(settings.database);
  check(address, login);
  return Connection::open(address, login)->url();
}

/// The table is not looked for: a sink makes it.
std::string write(const SqlSinkSettings& settings) {
  const Login login{settings.password, settings.tls, settings.timeout, true};  // SQLite's files are not made for this
  const auto address = address_of(settings);
  check(address, login);
  if (address.kind == Address::Kind::sqlite && !std::filesystem::exists(address.path))
    return address.path + ", which it will make";
  return Connection::open(address, login)->url();
}

}  // namespace
}  // namespace weir::db

WEIR_CHECKS(weir::check(weir::db::sql_sink_spec(), weir::db::write),
            weir::check(weir::db::sql_source_spec(), weir::db::read))

WEIR_TABLES(weir::read_tables({"postgresql", "postgres", "mariadb", "mysql", "sqlite", "file"}, weir::db::read_table))
