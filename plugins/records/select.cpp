#include "records/select.h"

#include "records/statements.h"
#include "weir/split.h"

namespace weir::records {

namespace {

constexpr std::uint32_t kSuccess = 0;

/// What becomes of a FlowFile without a row.
void end_without_row(FlowFile file, Session& session, bool keep_empty) {
  if (!keep_empty) return session.drop(file, "no row of the SELECT comes from it");
  RecordWriter writer(session, session.create(file), Form::array);  // nothing at all would be no records, but a bad one
  writer.finish();
  session.transfer(writer.file(), kSuccess);
}

/// Each record by itself: a bad one fails alone.
void select_records(Statement& statement, Batch batch, Session& session, bool keep_empty) {
  RecordSplit split(session, batch, [&](FlowFile file) { end_without_row(file, session, keep_empty); });
  std::uint32_t input = abi::kNone;
  std::uint32_t record = 0;
  statement.run(session, batch, [&](const Row& row) {
    const bool again = row.input == input && row.record == record;  // a join may make several of one record
    input = row.input;
    record = row.record;
    split.begin(row);
    if (row.error.size != 0) return split.reject(view(row.error));
    if (!again && view(row.output) == view(row.json)) return split.route(kSuccess);
    split.route(kSuccess, view(row.output));
  });
  split.end();
}

/// All records of a FlowFile at once. If the statement itself fails, the whole FlowFile does.
void select_flowfile(Statement& statement, FlowFile file, Session& session, bool keep_empty) {
  std::vector<std::string> outputs;
  std::vector<std::pair<std::string, std::string>> failures;  // record, message
  std::string failed;
  Form form = Form::lines;
  const auto content = file.content();
  statement.run(session, file, [&](const Row& row) {
    form = row.form;
    if (row.error.size == 0) {
      outputs.emplace_back(view(row.output));
    } else if (row.json.data == content.data() && row.json.size == content.size()) {
      failed = view(row.error);
    } else {
      failures.emplace_back(view(row.json), view(row.error));
    }
  });
  if (!failed.empty()) return session.reject(file, failed);
  if (outputs.empty() && failures.empty()) return end_without_row(file, session, keep_empty);
  const auto write = [&](const auto& records, auto&& text) {
    RecordWriter writer(session, session.create(file), form);
    for (const auto& one : records) writer.write(text(one));
    writer.finish();
    return writer.file();
  };
  if (!outputs.empty()) {
    session.transfer(write(outputs, [](const std::string& s) -> std::string_view { return s; }), kSuccess);
  }
  if (!failures.empty()) {
    const auto bad = write(failures, [](const auto& f) -> std::string_view { return f.first; });
    session.reject(bad, failures.front().second);
  }
}

}  // namespace

const Spec<SelectSettings>& select_spec() {
  static const auto spec =
      Spec<SelectSettings>{"Select",
                           "Makes records by SQL: other fields, computed fields, joins with reference tables."}
          .description(
              "Each row of `select` is a record. A bare field passes on its JSON as it stands (80.10 stays 80.10); "
              "`SELECT *` is the original object, and later columns replace its members or follow them. With `per: "
              "record` each row comes from one record, and a record without a row ends here; with `per: flowfile` the "
              "statement runs over all records of a FlowFile, with aggregates, ORDER BY, DISTINCT and LIMIT.\n\n"
              "**Reference tables** are CSV, JSON and SQLite files, which are read again when they change, and tables "
              "or queries of PostgreSQL, MariaDB, MySQL and SQLite databases, which are read anew every `refresh`, in "
              "the background and whole: a batch is never joined with half a table. Until the first reading is there, "
              "records wait; later, a database that cannot be read leaves the table as it was (a bulletin says so), "
              "for as long as `max_age` allows. Values are as SqlSource reads them, and columns those that the table "
              "had at start.\n\n"
              "Records that cannot be read or computed go to `failure` with their original bytes; the rest proceed.")
          .example(
              "select: SELECT r.*, s.room FROM record r LEFT JOIN sensors s ON s.id = r.sensor_id\n"
              "tables:\n  sensors: {format: csv, path: sensors.csv}\n  # or, of a database:\n  # sensors: {database: "
              "postgresql://weir@db.example/plant, password: \"${secret:PLANT}\", refresh: 5m}")
          .property("select", &SelectSettings::select,
                    {.help = "SELECT … FROM record …",
                     .example = "SELECT sensor_id, temperature * 1.8 + 32 AS f FROM record",
                     .required = true,
                     .kind = Kind::select})
          .property("tables", &SelectSettings::tables,
                    {.help = "Reference tables that the statement joins with, by name."})
          .property("per", &SelectSettings::per,
                    {.help = "What the statement runs over.", .choices = {"record", "flowfile"}})
          .property("keep_empty", &SelectSettings::keep_empty,
                    {.help = "A FlowFile without a row goes on as an empty array, instead of ending here: for sinks "
                             "that replace what they have by what is delivered anew (`generation` of FileSink, "
                             "`partition` of SqlSink), even if that is nothing."})
          .relationship({"success", "The records that the statement makes."})
          .relationship({"failure", "Records that cannot be read or computed, with the reason in error.message."})
          .concurrent();
  return spec;
}

struct Select::State {
  StatementPool statements;
};

Select::Select(SelectSettings settings) : settings_(std::move(settings)), state_(std::make_unique<State>()) {
  for (const auto& [name, table] : settings_.tables) check_table(name, table);
}
Select::~Select() = default;

void Select::start(Context& context) {
  state_->statements.start([this, context]() mutable {
    Query query(context);
    query.select(settings_.select);
    for (const auto& [name, table] : settings_.tables) add_table(query, name, table);
    if (settings_.per == "flowfile") query.per_flowfile();
    return query.prepare();
  });
}

void Select::step(Batch batch, Session& session) {
  state_->statements.with([&](Statement& statement) {
    if (settings_.per == "record") return select_records(statement, batch, session, settings_.keep_empty);
    for (auto file : batch) select_flowfile(statement, file, session, settings_.keep_empty);
  });
}

}  // namespace weir::records
