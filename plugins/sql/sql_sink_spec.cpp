#include "sql_sink.h"

namespace weir::sqlite {

const Spec<SqlSinkSettings>& sql_sink_spec() {
  static const auto spec =
      Spec<SqlSinkSettings>("SqlSink", "Writes records as rows of a table in a SQLite database.")
          .description(
              "Each record becomes a row. The database is kept in WAL mode: others read it at any time, up to the last "
              "commit, which comes with every epoch of the flow (about ten a second under load).\n\n"
              "**Columns.** `columns` says what goes where. Without it, the fields of the declared record do; without "
              "a "
              "declaration, those of the existing table, or else of the first record: a later record with a field "
              "that has no column goes to `failure`. A missing field is NULL.\n\n"
              "**The table** is made if it is missing: INTEGER for integers and booleans (1 and 0), REAL for numbers, "
              "TEXT for text, times (ISO 8601, UTC), objects and arrays (as JSON); `required` fields are NOT NULL, the "
              "`key` is the primary key. Of a table that exists the columns are checked; it is never changed.\n\n"
              "**Records that do not fit** go to `failure`, one by one, with the reason: text where a column holds "
              "numbers, a constraint of the table, JSON that is broken in any byte. The others of the FlowFile are "
              "written.\n\n"
              "**Delivery.** At least once: FlowFiles are finished when their transaction is committed with "
              "`synchronous=FULL`; after a crash between the two, rows are written again. `mode: upsert` makes that "
              "harmless. With `delivery: exactly_once` the table `weir_progress`, written in the same transaction, "
              "says how far each connection is, and what is there is not written again; `weir_rejected` holds what was "
              "rejected while that may have to be repeated. If data directory and database do not fit each other, "
              "because one was restored from a backup, the sink stops and says which.\n\n"
              "Several SqlSinks of one process may write to one file. While another program holds it locked, or the "
              "disk is full, the sink waits.")
          .example(
              "type: SqlSink\ndatabase: lake/history.db\ntable: readings\nmode: upsert\nkey: [sensor_id, timestamp]\n"
              "columns: {sensor_id: sensor_id, timestamp: timestamp, celsius: temperature}\ndelivery: exactly_once\n")
          .property(
              "database", &SqlSinkSettings::database,
              {.help = "The SQLite file. It and its directory are made if missing.", .example = "lake/history.db"})
          .property("url", &SqlSinkSettings::url,
                    {.help = "The same as a URL, instead of `database`.", .example = "sqlite:lake/history.db"})
          .property("table", &SqlSinkSettings::table, {.help = "The table.", .example = "readings", .required = true})
          .property("mode", &SqlSinkSettings::mode,
                    {.help = "`insert`: each record is a new row. `upsert`: a record whose key has a row replaces that "
                             "row's columns.",
                     .choices = {"insert", "upsert"}})
          .property("key", &SqlSinkSettings::key,
                    {.help = "Of an upsert: the columns that tell rows apart; never NULL. An existing table needs a "
                             "primary key or unique index on just these.",
                     .example = "[sensor_id, timestamp]"})
          .property("columns", &SqlSinkSettings::columns,
                    {.help = "Columns, and the SQL expression over the record that each gets.",
                     .example = "{sensor: sensor_id, fahrenheit: temperature * 1.8 + 32}",
                     .kind = Kind::field})
          .property("create", &SqlSinkSettings::create, {.help = "Make the table if it is missing."})
          .relationship({"failure", "Records that the table does not take, with the reason."})
          .blocking()
          .exactly_once();
  return spec;
}

}  // namespace weir::sqlite
