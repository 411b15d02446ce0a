#include "identifiers.h"

#include <algorithm>

#include "weir/errors.h"

namespace weir::db {

void check_name(Dialect dialect, const std::string& property, std::string_view name) {
  constexpr std::ptrdiff_t kPostgresql = 63;  // bytes: NAMEDATALEN - 1, unless a server was built with another
  constexpr std::ptrdiff_t kMariadb = 64;     // characters
  const auto begins_one = [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; };
  if (dialect == Dialect::postgresql && std::ssize(name) > kPostgresql)
    throw Misconfigured(property + ": '" + std::string(name) + "' has " + std::to_string(name.size()) +
                        " bytes; PostgreSQL cuts names after 63");
  if (dialect == Dialect::mariadb && std::ranges::count_if(name, begins_one) > kMariadb)
    throw Misconfigured(property + ": '" + std::string(name) +
                        "' is longer than the 64 characters that names have in " + "MariaDB and MySQL");
}

void check_table_name(Dialect dialect, const std::string& property, std::string_view name) {
  const auto dot = dialect == Dialect::sqlite ? std::string_view::npos : name.find('.');
  check_name(dialect, property, name.substr(0, dot));
  if (dot != std::string_view::npos) check_name(dialect, property, name.substr(dot + 1));
}

}  // namespace weir::db
