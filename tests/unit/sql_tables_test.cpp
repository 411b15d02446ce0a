// Reference tables of databases: read in the background, whole or not at all. The database is a stand-in that a test
// holds back, breaks and changes; plugins/sql/table_reader_test.cpp has real ones.
#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "sql/check.h"
#include "sql/database_table.h"
#include "tests/sql/run_sql.h"
#include "weir/errors.h"
#include "weir/table_reader.h"

using namespace weir::sql;
using weir::Misconfigured;
using weir::Unavailable;
using namespace std::chrono_literals;

namespace {

/// A database with one table.
class Stand {
 public:
  void set(std::vector<std::string> columns, std::vector<std::string> rows) {
    const std::lock_guard lock(mutex_);
    columns_ = std::move(columns);
    rows_ = std::move(rows);
    down_.clear();
  }
  void go_down(const std::string& why) {
    const std::lock_guard lock(mutex_);
    down_ = why;
  }
  /// The same, and from now on a reading stops before its second row, until release().
  void set_and_hold(std::vector<std::string> rows) {
    const std::lock_guard lock(mutex_);
    rows_ = std::move(rows);
    held_ = true;
  }
  void release() {
    const std::lock_guard lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }
  /// Waits until so many readings have begun, and returns whether they have.
  bool begun(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [&] { return begun_ >= count; });
  }
  int begun() {
    const std::lock_guard lock(mutex_);
    return begun_;
  }
  TableRead read() {
    return [this](bool columns_only, weir::abi::TableRows& to) {
      std::unique_lock lock(mutex_);
      ++begun_;
      changed_.notify_all();
      if (!down_.empty()) throw Unavailable(down_);
      std::vector<weir::abi::Text> names;
      for (const auto& column : columns_) names.push_back(weir::to_text(column));
      if (!to.columns(names.data(), static_cast<std::uint32_t>(names.size())) || columns_only) return;
      for (std::size_t i = 0; i < rows_.size(); ++i) {
        if (i == 1) changed_.wait_for(lock, 20s, [&] { return !held_; });
        if (!down_.empty()) throw Unavailable(down_);
        if (!to.row(weir::to_text(rows_[i]))) return;
      }
    };
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> columns_;
  std::vector<std::string> rows_;
  std::string down_;
  bool held_ = false;
  int begun_ = 0;
};

DatabaseTableOptions options(Stand& stand, const std::string& name = "t") {
  DatabaseTableOptions options;
  options.snapshot.table = name;
  options.snapshot.max_rows = 1000;
  options.snapshot.max_bytes = 1024 * 1024;
  options.refresh = 5ms;
  options.read = stand.read();
  return options;
}

/// What a table told.
struct Told {
  std::mutex mutex;
  std::vector<std::string> bulletins;
  TableReports reports() {
    TableReports reports;
    reports.bulletin = [this](weir::abi::Level, std::string_view text) {
      const std::lock_guard lock(mutex);
      bulletins.emplace_back(text);
    };
    return reports;
  }
  std::vector<std::string> all() {
    const std::lock_guard lock(mutex);
    return bulletins;
  }
};

template <class F>
bool within(F&& condition) {
  for (int i = 0; i < 20'000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(1ms);
  }
  return false;
}

std::string joined(SqlRun& run) {
  std::string text;
  for (const auto& row : run.run()) text += (row.error.empty() ? row.output : "error: " + row.error) + "\n";
  return text;
}

SqlRun join_with(const std::shared_ptr<DatabaseTables>& tables, const std::string& select) {
  SqlRun run;
  run.databases = tables;
  run.tables = {{"t", "database", "", ""}};
  run.select = select;
  run.session.add("{\"id\":1}\n{\"id\":2}\n");
  return run;
}

std::shared_ptr<DatabaseTables> tables_of(DatabaseTableOptions options, TableReports reports = {}) {
  return std::make_shared<DatabaseTables>(std::vector<DatabaseTableOptions>{std::move(options)}, std::move(reports));
}

constexpr auto kJoin = "SELECT r.id, t.name FROM record r LEFT JOIN t ON t.id = r.id";

}  // namespace

TEST_CASE("a database's table joins by SQL, with the values' types") {
  Stand stand;
  stand.set(
      {"id", "name", "n", "x", "ok", "list", "none"},
      {R"({"id":1,"name":"o'ne; DROP TABLE t; --","n":9007199254740993,"x":0.5,"ok":true,"list":[1,2],"none":null})"});
  auto run = join_with(tables_of(options(stand)),
                       "SELECT r.id, t.name, n, x, ok, list, none, typeof(n) AS a, typeof(x) AS b, typeof(name) AS c "
                       "FROM record r JOIN t ON t.id = r.id");
  CHECK(joined(run) ==
        "{\"id\":1,\"name\":\"o'ne; DROP TABLE t; --\",\"n\":9007199254740993,\"x\":0.5,\"ok\":1,\"list\":\"[1,2]\","
        "\"none\":null,\"a\":\"integer\",\"b\":\"real\",\"c\":\"text\"}\n");
}

TEST_CASE("a table is seen as it was read last, and never half of it") {
  Stand stand;
  stand.set({"id", "name"}, {R"({"id":1,"name":"a"})", R"({"id":2,"name":"a"})"});
  auto run = join_with(tables_of(options(stand)), kJoin);
  const std::string before = "{\"id\":1,\"name\":\"a\"}\n{\"id\":2,\"name\":\"a\"}\n";
  const std::string after = "{\"id\":1,\"name\":\"b\"}\n{\"id\":2,\"name\":\"b\"}\n";
  CHECK(joined(run) == before);
  stand.set_and_hold({R"({"id":1,"name":"b"})", R"({"id":2,"name":"b"})"});
  REQUIRE(stand.begun(stand.begun() + 1));
  CHECK(joined(run) == before);  // the reading under way has only one row so far
  stand.release();
  CHECK(within([&] { return joined(run) == after; }));
}

TEST_CASE("a database that is down at start holds the processor back, and one that dies later leaves the table") {
  Stand stand;
  Told told;
  stand.go_down("db.example: connection refused");
  const auto tables = tables_of(options(stand), told.reports());
  auto run = join_with(tables, kJoin);
  CHECK(refusal([&] { run.prepare(); }) == "db.example: connection refused");
  CHECK_THROWS_AS(tables->open("t"), Unavailable);
  CHECK(told.all().empty());  // the processor says it
  stand.set({"id", "name"}, {R"({"id":1,"name":"a"})"});
  CHECK(joined(run) == "{\"id\":1,\"name\":\"a\"}\n{\"id\":2,\"name\":null}\n");
  stand.go_down("db.example: cut");
  REQUIRE(within([&] { return !told.all().empty(); }));
  REQUIRE(stand.begun(stand.begun() + 1));
  CHECK(joined(run) == "{\"id\":1,\"name\":\"a\"}\n{\"id\":2,\"name\":null}\n");
  CHECK(told.all() == std::vector<std::string>{"db.example: cut; records are joined with reference table 't' as it was "
                                               "read before, and it is tried again"});
  stand.set({"id", "name"}, {R"({"id":2,"name":"b"})"});
  CHECK(within([&] { return joined(run) == "{\"id\":1,\"name\":null}\n{\"id\":2,\"name\":\"b\"}\n"; }));
  CHECK(told.all().back() == "reference table 't' can be read again");
  CHECK(told.all().size() == 2);
}

TEST_CASE("records wait for a table that is older than max_age") {
  Stand stand;
  stand.set({"id", "name"}, {R"({"id":1,"name":"a"})"});
  auto old = options(stand);
  old.refresh = 1ms;
  old.max_age = 50ms;
  auto run = join_with(tables_of(old), kJoin);
  run.prepare();
  stand.go_down("db.example: cut");
  std::string why;
  REQUIRE(within([&] {
    why = refusal([&] { run.run(); });
    return !why.empty();
  }));
  CHECK(why.find("reference table 't' was read") != std::string::npos);
  CHECK(why.find("longer than max_age: 50ms; db.example: cut") != std::string::npos);
  stand.set({"id", "name"}, {R"({"id":1,"name":"b"})"});
  CHECK(within([&] { return refusal([&] { run.run(); }).empty(); }));
}

TEST_CASE("a table that is too large is refused, and says what to do") {
  Stand stand;
  std::vector<std::string> rows;
  for (int i = 0; i < 20; ++i)
    rows.push_back("{\"id\":" + std::to_string(i) + ",\"name\":\"" + std::string(10'000, 'x') + "\"}");
  stand.set({"id", "name"}, rows);
  auto few = options(stand);
  few.snapshot.max_rows = 19;
  CHECK_THROWS_WITH_AS(tables_of(few)->open("t"),
                       "reference table 't' has more than 19 rows: read fewer with `query`, or raise `max_rows`",
                       Misconfigured);
  auto small = options(stand);
  small.snapshot.max_bytes = 100'000;
  CHECK_THROWS_WITH_AS(
      tables_of(small)->open("t"),
      "reference table 't' takes more than 100000B of memory: read fewer rows or columns with `query`, "
      "or raise `max_bytes`",
      Misconfigured);
  few.snapshot.max_rows = 20;
  CHECK(tables_of(few)->open("t")->current()->rows() == 20);
}

TEST_CASE("a join finds its rows by an index, which the table keeps when it is read anew") {
  Stand stand;
  std::vector<std::string> rows;
  for (int i = 0; i < 1000; ++i) rows.push_back("{\"id\":" + std::to_string(i) + ",\"name\":\"n\"}");
  stand.set({"id", "name"}, rows);
  const auto tables = tables_of(options(stand));
  const auto table = tables->open("t");
  const auto bytes = table->current()->bytes();
  auto run = join_with(tables, kJoin);
  CHECK(joined(run) == "{\"id\":1,\"name\":\"n\"}\n{\"id\":2,\"name\":\"n\"}\n");
  const auto indexed = table->current()->bytes();
  CHECK(indexed > bytes);
  const auto taken = table->current()->taken();
  REQUIRE(within([&] { return table->current()->taken() != taken; }));
  CHECK(table->current()->bytes() == indexed);
}

TEST_CASE(
    "a table keeps the columns that it had at start: a new one takes no name away, a lost one is a failed reading") {
  Stand stand;
  Told told;
  stand.set({"id", "name"}, {R"({"id":1,"name":"a"})"});
  const auto tables = tables_of(options(stand), told.reports());
  auto run = join_with(tables, "SELECT r.id, name, extra FROM record r LEFT JOIN t ON t.id = r.id");
  CHECK(joined(run) == "{\"id\":1,\"name\":\"a\",\"extra\":null}\n{\"id\":2,\"name\":null,\"extra\":null}\n");
  stand.set({"id", "name", "extra"}, {R"({"id":1,"name":"b","extra":5})"});
  CHECK(within([&] {
    return joined(run) == "{\"id\":1,\"name\":\"b\",\"extra\":null}\n{\"id\":2,\"name\":null,\"extra\":null}\n";
  }));
  stand.set({"id"}, {R"({"id":1})"});
  REQUIRE(within([&] { return !told.all().empty(); }));
  CHECK(told.all()[0].starts_with("reference table 't' has no column 'name'; it has id"));
  CHECK(joined(run).starts_with("{\"id\":1,\"name\":\"b\""));
}

TEST_CASE("a table is read no more once no statement uses it") {
  Stand stand;
  stand.set({"id", "name"}, {R"({"id":1,"name":"a"})"});
  const auto tables = tables_of(options(stand));
  {
    auto run = join_with(tables, kJoin);
    joined(run);
    REQUIRE(stand.begun(3));
  }
  const auto begun = stand.begun();
  std::this_thread::sleep_for(30ms);  // six times what it would wait
  CHECK(stand.begun() == begun);
}

TEST_CASE("statements that join with a table that nobody has read are checked as far as is known") {
  const auto declared = std::make_shared<Declaration>();
  declared->name = "reading";
  declared->fields = {{"id", FieldType::integer, false, {}, {}, {}}};
  const auto problem = [&](const std::string& sql, std::vector<std::string> columns, const Declaration* record) {
    CheckOptions options;
    options.tables = {{"t", "database", "", "", std::move(columns)}};
    const auto result = check(weir::abi::Kind::select, sql, record, options);
    return result.error;
  };
  const std::string join = "SELECT r.id, s.name, s.* FROM record AS r LEFT JOIN t s ON s.key = r.id";
  CHECK(problem(join, {}, nullptr).empty());
  CHECK(problem(join, {}, declared.get()).empty());
  CHECK(problem("SELECT r.id, kind FROM record r JOIN t ON t.id = r.id", {}, declared.get()).empty());
  CHECK(problem("SELECT r.missing FROM record r JOIN t ON t.id = r.id", {}, declared.get()) ==
        "no field 'missing' is declared in record 'reading'");
  CHECK(problem("SELECT r.id FROM record r JOIN u ON u.id = r.id", {}, nullptr) == "no such table: u");
  CHECK(problem(join, {"key", "name"}, declared.get()).empty());
  CHECK(problem(join, {"key", "title"}, declared.get()) == "no such column: s.name");
  CHECK(problem(join, {"key", "title"}, nullptr) == "no such column: s.name");
}
