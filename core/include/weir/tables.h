#pragma once
// Reference tables, as an author writes them under `tables:` of a processor whose SQL joins with them:
//
//   struct Settings { std::vector<std::pair<std::string, weir::ReferenceTable>> tables; … };
//   for (const auto& [name, table] : settings.tables) weir::add_table(query, name, table);
//
// A property called `tables` of this shape is all that the host needs to know: it checks the SQL against them, and
// reads those of databases by the plugin that knows the database (table_reader.h), on a schedule and in the background.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "weir/errors.h"
#include "weir/spec.h"
#include "weir/sql.h"

namespace weir {

/// TLS with a database.
struct TableTls {
  std::string ca;
  std::string cert;
  std::string key;
  bool verify = true;

  static const Fields<TableTls>& fields() {
    static const auto fields =
        Fields<TableTls>()
            .property(
                "ca", &TableTls::ca,
                {.help = "PEM file of the authorities to trust; by default the system's.", .example = "certs/ca.pem"})
            .property("cert", &TableTls::cert,
                      {.help = "PEM file of this client's certificate.", .example = "certs/weir.pem"})
            .property("key", &TableTls::key,
                      {.help = "PEM file of this client's private key.", .example = "certs/weir.key"})
            .property("verify", &TableTls::verify,
                      {.help = "Check the server's certificate and that it is for the URL's host."});
    return fields;
  }
};

struct ReferenceTable {
  std::string format;
  std::string path;
  std::string table;
  /// @name Of a database
  /// @{
  std::string database;
  std::string password;
  std::optional<TableTls> tls;
  std::string query;
  std::vector<std::string> columns;
  Duration refresh = std::chrono::minutes(5);
  Duration max_age{0};
  Duration timeout = std::chrono::seconds(60);
  std::uint64_t max_rows = 1'000'000;
  std::uint64_t max_bytes = 64 * MiB;
  /// @}

  bool of_database() const { return !database.empty(); }

  static const Fields<ReferenceTable>& fields() {
    using T = ReferenceTable;
    static const auto fields =
        Fields<T>()
            .property("format", &T::format, {.help = "What the file is.", .choices = {"csv", "json", "sqlite"}})
            .property("path", &T::path,
                      {.help = "The file. It is read again when it changes.", .example = "sensors.csv"})
            .property("table", &T::table,
                      {.help = "Of a database, or of a file of `format: sqlite`: the table or view, if it has another "
                               "name than here; one in a schema is SCHEMA.TABLE.",
                       .example = "fleet.units"})
            .property("database", &T::database,
                      {.help = "In place of `format` and `path`: a database as SqlSource knows it, "
                               "`postgresql://USER@HOST:PORT/DATABASE`, `mariadb://` or `mysql://`, or the path of a "
                               "SQLite file. The table is read whole, every `refresh`.",
                       .example = "postgresql://weir@db.example/fleet"})
            .property("password", &T::password,
                      {.help = "The database user's.", .example = "${secret:FLEET_PASSWORD}", .secret = true})
            .property("tls", &T::tls,
                      {.help = "Speak TLS with the database, with these settings; `{}` checks the server by the "
                               "system's authorities."})
            .property("query", &T::query,
                      {.help = "Of a database: a SELECT of your own, in its own SQL, instead of `table`.",
                       .example = "SELECT id, kind FROM units WHERE active"})
            .property(
                "columns", &T::columns,
                {.help = "Of a database: the columns that the table has, so that the statement is checked without "
                         "it. Others that are there are not read. By default all.",
                 .example = "[id, kind]"})
            .property("refresh", &T::refresh,
                      {.help = "Of a database: how often it is read anew, in the background. Until all of it is there, "
                               "and when it cannot be had, the flow goes on with what was read before.",
                       .min = 1e8})
            .property("max_age", &T::max_age,
                      {.help = "Of a database: records wait, instead of being joined with a table that was read longer "
                               "ago than this. 0: any age will do.",
                       .min = 0})
            .property("timeout", &T::timeout,
                      {.help = "Of a database: a server from which nothing comes for this long counts as down: longer "
                               "than the query needs for its first row.",
                       .min = 1e9})
            .property("max_rows", &T::max_rows, {.help = "Of a database: a table of more rows is refused.", .min = 1})
            .property("max_bytes", &T::max_bytes,
                      {.help = "Of a database: a table that takes more memory than this, with its indexes, is refused. "
                               "While it is read anew, there are two of it.",
                       .unit = Unit::bytes,
                       .min = 65536});
    return fields;
  }
};

/// Throws Misconfigured for settings of a table that do not go together.
inline void check_table(const std::string& name, const ReferenceTable& table) {
  const auto bad = [&](const std::string& what) { throw Misconfigured("tables." + name + ": " + what); };
  if (table.of_database()) {
    if (!table.path.empty() || !table.format.empty())
      bad("a table is of a database or of a file: leave out `database`, or `format` and `path`");
    if (!table.table.empty() && !table.query.empty()) bad("say what to read with either `table` or `query`");
    if (table.max_age.count() != 0 && table.max_age <= table.refresh)
      bad("max_age has to be longer than refresh (" + format_duration(table.refresh) +
          "), else records would wait before the table is read anew");
    return;
  }
  if (table.path.empty() || table.format.empty())
    bad("where the table is, is missing: `format` and `path` of a file, or `database`");
  if (table.format != "sqlite" && !table.table.empty()) bad("`table` belongs to a database, or to format: sqlite");
  const ReferenceTable none;
  if (!table.password.empty() || table.tls || !table.query.empty() || !table.columns.empty() ||
      table.refresh != none.refresh || table.max_age != none.max_age || table.timeout != none.timeout ||
      table.max_rows != none.max_rows || table.max_bytes != none.max_bytes)
    bad("password, tls, query, columns, refresh, max_age, timeout, max_rows and max_bytes belong to a `database`");
}

/// Lets the query's SQL join with the table.
inline void add_table(Query& query, const std::string& name, const ReferenceTable& table) {
  query.table(name, table.of_database() ? "database" : table.format, table.path, table.table);
}

}  // namespace weir
