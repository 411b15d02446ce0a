#include "sql_source.h"

namespace weir::db {

const Spec<SqlSourceSettings>& sql_source_spec() {
  using S = SqlSourceSettings;
  static const auto spec =
      Spec<S>("SqlSource", "Reads rows of a table or query in PostgreSQL, MariaDB, MySQL or SQLite as JSON records.")
          .description(
              "Every `interval` it looks for rows, as `mode` says:\n\n"
              "- `all`: every row, every time. With a `key` (of a table: by default its primary key) it reads in pages "
              "and goes on after a restart where it was. Without one, a single query is read as fast as the flow "
              "takes it, and one that a restart interrupts begins anew: rows come again.\n"
              "- `incrementing`: rows whose `column` is greater than any before: a serial number of rows that are "
              "never "
              "changed. Numbers can become visible out of their order when transactions overlap; a row that comes "
              "after a higher one was read is missed. `timestamp` with a `delay`, or `changes`, miss none.\n"
              "- `timestamp`: rows whose `column`, a time that every change of the row sets anew, is later than any "
              "before, or as late and of a higher `key`. Rows younger than `delay` wait: choose it longer than the "
              "longest transaction that writes, and none is missed.\n"
              "- `changes`: reads all rows, and passes on those that are new, changed or gone since the last time: "
              "the attribute `sql.change` is `insert`, `update` or `delete` (then the record is the key alone). For "
              "each key, a hash of its row is kept in the state: for tables of up to a few million rows.\n\n"
              "Rows whose `column` or `key` is NULL are not read, but for `changes`. How far it is, is part of the "
              "flow's durable state, together with what was emitted: after a crash nothing is missing and nothing "
              "comes "
              "twice, except where `all` says so. Rows are read as they come over the line: however large the table, "
              "few are in memory. Nothing is written to the database.\n\n"
              "**Values** keep all they have: numbers their digits (also `numeric`, `decimal` and 64-bit integers), "
              "times are RFC 3339 (those without a zone are taken for UTC), dates `YYYY-MM-DD`, bytes base64, `json` "
              "is embedded, PostgreSQL's arrays of common types are arrays, all else is text as the database writes "
              "it. A NaN, an infinity or a date that JSON or RFC 3339 cannot say is text. NULL is null. In SQLite, "
              "columns declared BOOLEAN give true and false, those declared JSON are embedded; text that is no UTF-8 "
              "has U+FFFD for its bad bytes.")
          .example(
              "type: SqlSource\ndatabase: postgresql://weir@db.example/shop\npassword: ${secret:SHOP_PASSWORD}\n"
              "tls: {}\ntable: orders\nmode: timestamp\ncolumn: changed_at\ndelay: 30s\ninterval: 1m\n")
          .property("database", &S::database,
                    {.help = "`postgresql://USER@HOST:PORT/DATABASE` (with libpq's options behind a `?`), "
                             "`mariadb://USER@HOST:PORT/DATABASE` or `mysql://` (with `?socket=PATH` for a unix "
                             "socket), or the path of a SQLite file, which is only read.",
                     .example = "postgresql://weir@db.example/shop",
                     .required = true})
          .property("password", &S::password,
                    {.help = "The user's password.", .example = "${secret:SHOP_PASSWORD}", .secret = true})
          .property("tls", &S::tls,
                    {.help = "Speak TLS, with these settings; `{}` checks the server by the system's authorities. "
                             "Without it, PostgreSQL is spoken to as the URL's `sslmode` says (by default TLS where "
                             "the server offers it, unchecked), MariaDB without TLS."})
          .property("timeout", &S::timeout,
                    {.help = "A server from which nothing comes for this long counts as down: longer than the query "
                             "needs for its first row.",
                     .min = 1e9})
          .property("table", &S::table,
                    {.help = "The table or view to read; one in a schema is SCHEMA.TABLE.", .example = "orders"})
          .property("query", &S::query,
                    {.help = "A SELECT of your own, instead of `table`, in the database's own SQL.",
                     .example = "SELECT o.id, o.total, c.name FROM orders o JOIN customers c ON c.id = o.customer"})
          .property("mode", &S::mode,
                    {.help = "Which rows: see above.", .choices = {"all", "incrementing", "timestamp", "changes"}})
          .property("column", &S::column,
                    {.help = "Of `incrementing` and `timestamp`: the column that grows. An index on it (with the key "
                             "behind it) makes it quick.",
                     .example = "changed_at"})
          .property(
              "key", &S::key,
              {.help = "The columns that tell rows apart. Of a table: by default its primary key.", .example = "[id]"})
          .property("start_after", &S::start_after,
                    {.help = "Of `incrementing` and `timestamp`: begin behind this value, instead of with the first "
                             "row. Counts only as long as nothing was read.",
                     .example = "2024-01-01"})
          .property("delay", &S::delay,
                    {.help = "Of `timestamp`: leave rows alone until they are this old by the server's clock; times "
                             "without a zone are taken for UTC. Not for SQLite.",
                     .example = "30s",
                     .min = 0})
          .property("interval", &S::interval,
                    {.help = "How often to look. With a `schedule`, that says it.", .above = 0})
          .property("batch", &S::batch,
                    {.help = "Rows of a page: the most that one query, and one session, reads.", .min = 1, .max = 1e6})
          .property("emit", &S::emit,
                    {.help = "`chunk`: FlowFiles of many rows, as lines of JSON, which is fast. `each`: one a row.",
                     .choices = {"chunk", "each"}})
          .property("chunk_size", &S::chunk_size,
                    {.help = "Bytes of rows in a chunk, about.",
                     .unit = Unit::bytes,
                     .min = 1,
                     .max = 8.0 * static_cast<double>(MiB)})
          .relationship({"success", "The rows."})
          .writes("sql.table", "The table, if it is one.")
          .writes("sql.pass",
                  "With `mode: all`: when this reading of all rows began, in nanoseconds since 1970; of a later one it "
                  "is higher. FileSink's `generation` makes of it a file of the rows that there are.")
          .writes("sql.change", "With `mode: changes`: `insert`, `update` or `delete`.")
          .state("The greatest values read, or for each key a hash of its row.")
          .source()
          .blocking();
  return spec;
}

}  // namespace weir::db
