#include "sql_sink.h"

namespace weir::db {

const Spec<SqlSinkSettings>& sql_sink_spec() {
  using S = SqlSinkSettings;
  static const auto spec =
      Spec<S>("SqlSink", "Writes records as rows of a table in PostgreSQL, MariaDB, MySQL or SQLite.")
          .description(
              "Each record becomes a row. Rows are committed with every epoch of the flow (about ten a second under "
              "load), many at once: by COPY or a pipeline into PostgreSQL, by inserts of many rows into MariaDB and "
              "MySQL. A SQLite file is kept in WAL mode, so that others read it at any time.\n\n"
              "**Columns.** `columns` says what goes where. Without it, the fields of the declared record do; without "
              "a declaration, those of the existing table, or else of the first record: a later record with a field "
              "that has no column goes to `failure`. A missing field is NULL.\n\n"
              "**Types** of a table that is made are those of the declared fields, and those that `CAST(… AS REAL)`, "
              "`TEXT` or `INTEGER` in `columns` say. For what neither says, all records of the first batch are looked "
              "at: whole numbers and others make a column for numbers, different kinds one for text. NULL in all of "
              "them makes one for text too, with a bulletin, or in SQLite one for anything. Later records do not "
              "change it.\n\n"
              "**The table** is made if it is missing; `required` fields are NOT NULL, the `key` is the primary key. "
              "Of a table that exists the columns are checked; it is never changed. A table in a schema (a database, "
              "in MariaDB) is SCHEMA.TABLE.\n\n"
              "| field | PostgreSQL | MariaDB, MySQL | SQLite |\n|---|---|---|---|\n"
              "| integer | bigint | BIGINT | INTEGER |\n"
              "| boolean | boolean | BOOLEAN (1 and 0) | INTEGER (1 and 0) |\n"
              "| number | double precision | DOUBLE | REAL |\n"
              "| text | text | LONGTEXT, VARCHAR(255) in a key | TEXT |\n"
              "| time | timestamptz | DATETIME(6), in UTC | TEXT (ISO 8601, UTC) |\n"
              "| object, array | jsonb | JSON | TEXT |\n\n"
              "Into other types of an existing table goes what they take: digits of numbers as they stand into "
              "`numeric` and `decimal` (also from text), times with a zone into time columns (into those without a "
              "zone, in UTC), `YYYY-MM-DD` into dates, base64 into bytes, and text into everything else.\n\n"
              "**Replacing.** An upsert replaces the rows that a delivery names, but a corrected file also corrects by "
              "what it leaves out. With `partition`, such as the day of an import, and `version`, such as when its "
              "file was written, the first record of a higher version deletes the partition's rows of lower ones, in "
              "the transaction that writes the new rows; records of a version that is lower than the table's are left "
              "out. A FlowFile without records (`[]`, as `keep_empty` of Select makes it) is a delivery too, of "
              "nothing, "
              "if attributes say its partition and version: the rows of lower versions go. Both are text or whole "
              "numbers, compared by the database; where there are many partitions, an index on their columns makes it "
              "quick.\n\n"
              "**Following tables.** What follows from the table, such as means of its rows, is kept up to date by "
              "`then`. After the rows of a batch are written, each statement in its turn is executed once for each "
              "different set of its values: `:name` takes what the column of that name gets, or the field. As it is "
              "in the transaction of the rows, nobody sees the one without the other, and as it computes from the "
              "table, a corrected or late row corrects all that follows from it.\n\n"
              "**Records that do not fit** go to `failure`, one by one, with the reason: text where a column holds "
              "numbers, a constraint of the table, JSON that is broken in any byte. The others of the FlowFile are "
              "written.\n\n"
              "**Delivery.** At least once: FlowFiles are finished when their transaction is committed; after a crash "
              "between the two, rows are written again. `mode: upsert` makes that harmless. With `delivery: "
              "exactly_once` the table `weir_progress`, written in the same transaction, says how far each connection "
              "is, and what is there is not written again, also where a commit got no answer; `weir_rejected` holds "
              "what was rejected while that may have to be repeated. If data directory and database do not fit each "
              "other, because one was restored from a backup, the sink stops and says which.\n\n"
              "**When the server is down**, restarts, or takes a transaction back (a deadlock), what was not committed "
              "is written again, for as long as it takes; input waits. The same goes for a SQLite file while another "
              "program holds it locked, or the disk is full. Several SqlSinks of one process may write to one file.")
          .example(
              "type: SqlSink\ndatabase: postgresql://weir@db.example/lake\npassword: ${secret:LAKE_PASSWORD}\n"
              "tls: {}\ntable: readings\nmode: upsert\nkey: [sensor_id, timestamp]\n"
              "columns: {sensor_id: sensor_id, timestamp: timestamp, celsius: temperature}\ndelivery: exactly_once\n")
          .property("database", &S::database,
                    {.help = "`postgresql://USER@HOST:PORT/DATABASE` (with libpq's options behind a `?`), "
                             "`mariadb://USER@HOST:PORT/DATABASE` or `mysql://` (with `?socket=PATH` for a unix "
                             "socket), or the path of a SQLite file; it and its directory are made if missing.",
                     .example = "postgresql://weir@db.example/lake"})
          .property("url", &S::url,
                    {.help = "The same, instead of `database`; a SQLite file is `sqlite:PATH`.",
                     .example = "sqlite:lake/history.db"})
          .property("password", &S::password,
                    {.help = "The user's password.", .example = "${secret:LAKE_PASSWORD}", .secret = true})
          .property("tls", &S::tls,
                    {.help = "Speak TLS, with these settings; `{}` checks the server by the system's authorities. "
                             "Without it, PostgreSQL is spoken to as the URL's `sslmode` says (by default TLS where "
                             "the server offers it, unchecked), MariaDB without TLS."})
          .property("timeout", &S::timeout,
                    {.help = "A server that does not answer for this long counts as down.", .min = 1e9})
          .property("table", &S::table, {.help = "The table. Not with `mode: statement`.", .example = "readings"})
          .property("mode", &S::mode,
                    {.help = "`insert`: each record is a new row. `upsert`: a record whose key has a row replaces that "
                             "row's columns. `statement`: `statement` is executed for each record.",
                     .choices = {"insert", "upsert", "statement"}})
          .property("key", &S::key,
                    {.help = "Of an upsert: the columns that tell rows apart; never NULL. An existing table needs a "
                             "primary key or unique index on just these (MariaDB and MySQL: on any columns, and that "
                             "is what decides).",
                     .example = "[sensor_id, timestamp]"})
          .property("version", &S::version,
                    {.help = "Of an upsert: a column. A row is only replaced by a record whose value there is not "
                             "lower, so what comes late, or again, changes nothing. See Replacing.",
                     .example = "changed_at"})
          .property("partition", &S::partition,
                    {.help = "With `version`: the columns that name what is delivered as a whole. See Replacing.",
                     .example = "[import_date]"})
          .property("columns", &S::columns,
                    {.help = "Columns, and the SQL expression over the record that each gets. With `mode: statement`: "
                             "names in the statement; those not listed take the field of their name.",
                     .example = "{sensor: sensor_id, fahrenheit: temperature * 1.8 + 32}",
                     .kind = Kind::field})
          .property(
              "statement", &S::statement,
              {.help = "Of `mode: statement`: the database's own SQL. `:name` takes a value of the record; values "
                       "are always parameters, never part of the SQL.",
               .example = "UPDATE units SET seen = :timestamp WHERE id = :unit"})
          .property("create", &S::create, {.help = "Make the table if it is missing."})
          .property("setup", &S::setup,
                    {.help = "Statements of the database's own SQL, executed at each start before the table is looked "
                             "at: they make what `create` does not, and have to bear repetition.",
                     .example = "[CREATE TABLE IF NOT EXISTS means (hour TEXT PRIMARY KEY, mean REAL)]"})
          .property("then", &S::then,
                    {.help = "Statements of the database's own SQL, executed in the same transaction after the rows "
                             "were written: they keep up to date what follows from the table. See Following tables.",
                     .example = "[\"UPDATE units SET seen = now() WHERE id = :unit\"]"})
          .relationship({"failure", "Records that the table does not take, with the reason."})
          .blocking()
          .exactly_once();
  return spec;
}

}  // namespace weir::db
