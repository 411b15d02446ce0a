// SqlSource against real databases: SQLite, PostgreSQL, MariaDB.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "database.h"
#include "servers_test.h"
#include "temporary_folder.h"
#include "weir/errors.h"
#include "weir/plugin.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace weir::db {
namespace {

using testkit::Options;
using testkit::Runner;

/// A SQLite file that offers what the servers do.
struct OnSqlite {
  static constexpr Dialect kDialect = Dialect::sqlite;
  static bool available() { return true; }
  static std::string path() {
    static const sqlite::TemporaryFolder folder;
    return folder / "source.db";
  }
  static std::string login() { return "database: " + path() + "\n"; }
  static void execute(const std::string& sql) { sqlite::Database(path()).execute(sql); }
  static void own(const std::string& sql) { execute(sql); }
};

template <class On>
std::unique_ptr<Runner> source(const std::string& more, const Options& options = {}) {
  return std::make_unique<Runner>(testkit::find_type(weir_plugin_abi_1(), "SqlSource"), On::login() + more, options);
}

template <class On>
std::string refusal(const std::string& more) {
  try {
    source<On>(more)->run();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "accepted";
}

/// What came since the last time, with `!CHANGE` before the rows of each kind.
std::string taken(Runner& runner) {
  std::string text;
  for (const auto& output : runner.take("success")) {
    if (const auto change = output.attributes.find("sql.change"); change != output.attributes.end())
      text += "!" + change->second + " ";
    text += output.content;
  }
  return text;
}

std::string next(Runner& runner) {
  runner.advance(std::chrono::seconds(10));
  return taken(runner);
}

#define ON_EVERY_DATABASE(name) TEST_CASE_TEMPLATE(name, On, OnSqlite, OnPostgresql, OnMariadb)
#define NEEDS_DATABASE()        \
  if (!On::available()) return; \
  On::execute("DROP TABLE IF EXISTS s")

ON_EVERY_DATABASE("an incrementing column: each row once, over pages, restarts and crashes") {
  NEEDS_DATABASE();
  On::own("CREATE TABLE s (id BIGINT PRIMARY KEY, v VARCHAR(20))");
  On::execute("INSERT INTO s VALUES (1, 'a'), (2, 'it''s'), (9007199254740993, 'c')");
  auto runner = source<On>("table: s\nmode: incrementing\ncolumn: id\nbatch: 2\n");
  runner->run();
  CHECK(taken(*runner) == "{\"id\":1,\"v\":\"a\"}\n{\"id\":2,\"v\":\"it's\"}\n{\"id\":9007199254740993,\"v\":\"c\"}\n");
  CHECK(next(*runner).empty());
  On::execute("INSERT INTO s VALUES (9007199254740994, 'd')");
  CHECK(next(*runner) == "{\"id\":9007199254740994,\"v\":\"d\"}\n");
  runner->crash();  // none of it was durable: all comes again
  runner->run();
  CHECK(std::ranges::count(taken(*runner), '\n') == 4);
  runner->durable();
  runner->crash();
  runner->run();
  CHECK(taken(*runner).empty());
  CHECK(runner->events().at(0).type == "RECEIVE");
  CHECK(runner->events().at(0).transit_uri.find("secret") == std::string::npos);
}

ON_EVERY_DATABASE("with a schedule it looks when it is polled, reads to the end, and asks for nothing more") {
  NEEDS_DATABASE();
  On::own("CREATE TABLE s (id BIGINT PRIMARY KEY)");
  On::execute("INSERT INTO s VALUES (1), (2), (3), (4), (5)");
  for (const std::string& more : {std::string("mode: incrementing\ncolumn: id\n"), std::string("mode: changes\n")}) {
    auto runner = source<On>("table: s\nbatch: 2\ninterval: 1s\n" + more, {.scheduled = true});
    runner->run();  // polled at its time
    std::string ids;
    for (const auto& output : runner->take("success")) ids += output.content;
    CHECK(std::count(ids.begin(), ids.end(), '\n') == 5);
    CHECK(runner->next_tick() == 0);
    On::execute("INSERT INTO s VALUES (6)");
    runner->run();  // though no second has passed
    CHECK(taken(*runner).ends_with("{\"id\":6}\n"));
    On::execute("DELETE FROM s WHERE id = 6");
  }
}

ON_EVERY_DATABASE("start_after leaves the rows before it alone") {
  NEEDS_DATABASE();
  On::own("CREATE TABLE s (id BIGINT PRIMARY KEY)");
  On::execute("INSERT INTO s VALUES (1), (2), (10)");
  auto runner = source<On>("table: s\nmode: incrementing\ncolumn: id\nstart_after: 2\n");
  runner->run();
  CHECK(taken(*runner) == "{\"id\":10}\n");
}

ON_EVERY_DATABASE("a timestamp column: rows of one moment are told apart by their key, changed ones come again") {
  NEEDS_DATABASE();
  const bool sqlite = On::kDialect == Dialect::sqlite;
  On::own(std::string("CREATE TABLE s (id VARCHAR(10) PRIMARY KEY, t ") + (sqlite ? "TEXT" : "TIMESTAMP(6) NULL") +
          ")");
  On::execute(
      "INSERT INTO s VALUES ('a', '2024-05-01 10:00:00'), ('c', '2024-05-01 10:00:00'), ('b', '2024-05-01 "
      "10:00:00'), ('n', NULL), ('z', '2024-05-01 09:00:00')");
  auto runner = source<On>("table: s\nmode: timestamp\ncolumn: t\nbatch: 2\n");
  runner->run();
  std::string ids;
  for (const auto& output : runner->take("success")) {
    for (std::size_t at = 0; (at = output.content.find("\"id\":\"", at)) != std::string::npos; ++at)
      ids += output.content[at + 6];
  }
  CHECK(ids == "zabc");
  On::execute("UPDATE s SET t = '2024-05-01 10:00:00.000001' WHERE id = 'a'");
  const auto changed = next(*runner);
  CHECK(changed == (sqlite ? "{\"id\":\"a\",\"t\":\"2024-05-01 10:00:00.000001\"}\n"
                           : "{\"id\":\"a\",\"t\":\"2024-05-01T10:00:00.000001Z\"}\n"));
  if (sqlite) return;
  On::execute("INSERT INTO s VALUES ('y', CURRENT_TIMESTAMP)");
  auto patient = source<On>("table: s\nmode: timestamp\ncolumn: t\ndelay: 1h\n");
  patient->run();
  CHECK(std::ranges::count(taken(*patient), '\n') == 4);
}

ON_EVERY_DATABASE("all rows come every time, in pages of a key or as one query") {
  NEEDS_DATABASE();
  On::own("CREATE TABLE s (id BIGINT PRIMARY KEY)");
  On::execute("INSERT INTO s VALUES (1), (2), (3), (4), (5)");
  std::string settings;
  SUBCASE("by its primary key") {
    settings = "table: s\nbatch: 2\n";
  }
  SUBCASE("a query, without a key") {
    settings = "query: SELECT id FROM s ORDER BY id -- all;\nbatch: 2\n";
  }
  auto runner = source<On>(settings);
  const std::string all = "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n{\"id\":4}\n{\"id\":5}\n";
  runner->run();
  CHECK(taken(*runner) == all);
  CHECK(next(*runner) == all);
  runner->durable();
  runner->crash();
  runner->run();
  CHECK(taken(*runner) == all);
  auto once = source<On>(settings + "emit: each\n", {.until_idle = true});
  once->run();
  CHECK(once->finished());
  const auto each = once->take("success");
  REQUIRE(each.size() == 5);
  CHECK(each[4].content == "{\"id\":5}");
}

ON_EVERY_DATABASE("changes are found: what is new, what is different, what has gone; also over a crash") {
  NEEDS_DATABASE();
  On::own("CREATE TABLE s (id BIGINT PRIMARY KEY, v VARCHAR(10))");
  On::execute("INSERT INTO s VALUES (1, 'a'), (2, 'b'), (3, 'c')");
  auto runner = source<On>("table: s\nmode: changes\nbatch: 2\n");
  runner->run();
  runner->durable();
  CHECK(taken(*runner) == "!insert {\"id\":1,\"v\":\"a\"}\n{\"id\":2,\"v\":\"b\"}\n!insert {\"id\":3,\"v\":\"c\"}\n");
  CHECK(next(*runner).empty());
  On::execute("UPDATE s SET v = NULL WHERE id = 2");
  On::execute("DELETE FROM s WHERE id = 1");
  On::execute("INSERT INTO s VALUES (4, 'd')");
  runner->advance(std::chrono::seconds(10));  // seen, but not durable
  CHECK_FALSE(taken(*runner).empty());
  runner->crash();
  runner->run();
  runner->durable();
  CHECK(taken(*runner) == "!update {\"id\":2,\"v\":null}\n!delete {\"id\":1}\n!insert {\"id\":4,\"v\":\"d\"}\n");
  On::execute("DELETE FROM s");
  CHECK(next(*runner) == "!delete {\"id\":2}\n{\"id\":3}\n!delete {\"id\":4}\n");
  CHECK(next(*runner).empty());
}

ON_EVERY_DATABASE("all rows: what is read in one pass says so, by pages or by one query, over a crash too") {
  NEEDS_DATABASE();
  On::own("CREATE TABLE s (id BIGINT PRIMARY KEY, v VARCHAR(20))");
  On::own("INSERT INTO s VALUES (1, 'a'), (2, 'b'), (3, 'c')");
  for (const std::string what : {"table: s\n", "query: SELECT v FROM s\n"}) {
    auto runner = source<On>(what + "batch: 2\ninterval: 10s\n");
    const auto passes = [&] {
      std::vector<std::string> found;
      for (const auto& output : runner->take("success")) {
        const auto& pass = output.attributes.at("sql.pass");
        if (found.empty() || found.back() != pass) found.push_back(pass);
      }
      return found;
    };
    runner->step();
    runner->durable();
    if (what.starts_with("table")) runner->crash();
    runner->run();
    const auto first = passes();
    REQUIRE(first.size() == 1);
    runner->advance(std::chrono::seconds(10));
    const auto second = passes();
    REQUIRE(second.size() == 1);
    CHECK(first[0] < second[0]);
  }
}

/// How many of them come, in pages of two.
template <class On>
int paged(const std::string& column, const std::vector<std::string>& values) {
  On::execute("DROP TABLE IF EXISTS s");
  On::own("CREATE TABLE s (k " + column + " PRIMARY KEY)");
  for (const auto& value : values) On::execute("INSERT INTO s VALUES (" + value + ")");
  auto runner = source<On>("table: s\nbatch: 2\n");
  runner->run();
  const auto rows = taken(*runner);
  return static_cast<int>(std::count(rows.begin(), rows.end(), '\n'));
}

TEST_CASE("pages go on behind keys of any type, in SQLite") {
  using On = OnSqlite;
  CHECK(paged<On>("BLOB", {"x'00'", "x'0027'", "x'ff'", "x'27'", "'text'"}) == 5);
  CHECK(paged<On>("TEXT", {"'a'", "'a' || char(0) || 'b'", "'a' || char(0) || 'c'", "'b'", "''"}) == 5);
  CHECK(paged<On>("REAL", {"3", "9e999", "'abc'"}) == 3);
}

TEST_CASE("pages go on behind keys of any type, in MariaDB") {
  using On = OnMariadb;
  if (!On::available()) return;
  CHECK(paged<On>("BIT(40)", {"3", "2559", "10", "1099511627775", "65536"}) == 5);
  CHECK(paged<On>("ENUM('z', 'b', 'a', 'y', '1')", {"'a'", "'b'", "'y'", "'z'", "'1'"}) == 5);
  CHECK(paged<On>("SET('z', 'b', 'a')", {"'a'", "'b'", "'z'", "'z,a'", "'b,a'"}) == 5);
  CHECK(paged<On>("VARBINARY(9)", {"x'00'", "x'27'", "x'5c'", "x'ff'", "x'c3'"}) == 5);
  CHECK(paged<On>("FLOAT", {"0.1", "0.2", "0.3", "16777217", "1e30"}) == 5);
}

TEST_CASE("pages go on behind keys of any type, in PostgreSQL") {
  using On = OnPostgresql;
  if (!On::available()) return;
  CHECK(paged<On>("bytea", {"'\\x00'", "'\\x27'", "'\\x5c'", "'\\xff'", "''"}) == 5);
  CHECK(paged<On>("real", {"0.1", "0.2", "'NaN'", "'Infinity'", "1e30"}) == 5);
  CHECK(paged<On>("char(3)", {"'a'", "'a''b'", "'\\'", "'é'", "''"}) == 5);
  CHECK(paged<On>("interval", {"'1 day'", "'25:00'", "'-1 hour'", "'1 mon'", "'31 days'"}) == 5);
}

TEST_CASE("PostgreSQL's values become JSON without loss") {
  using On = OnPostgresql;
  NEEDS_DATABASE();
  auto runner = source<On>(
      "query: >\n  SELECT 9223372036854775807::bigint AS i, 12345678901234567890.0123456789::numeric AS d, 0.1::real "
      "AS r, "
      "'NaN'::float8 AS nan, true AS b, 'ü \"x\"'::text AS t, '2024-05-01 12:00:00.25+02'::timestamptz AS tz, "
      "'2024-05-01 10:00:00'::timestamp AS ts, '2024-05-01'::date AS day, '\\x000102ff'::bytea AS raw, "
      "'{\"a\": 1.10}'::json AS j, NULL::int AS none, ARRAY[1,NULL,3] AS a, ARRAY['x,y', 'it\"s', NULL, 'NULL'] AS "
      "texts, "
      "'{{1,2},{3,4}}'::int[] AS nested, '1 day'::interval AS iv, '10.0.0.1'::inet AS ip\n");
  runner->run();
  CHECK(taken(*runner) ==
        R"({"i":9223372036854775807,"d":12345678901234567890.0123456789,"r":0.1,"nan":"NaN","b":true,"t":"ü \"x\"",)"
        R"("tz":"2024-05-01T10:00:00.25Z","ts":"2024-05-01T10:00:00Z","day":"2024-05-01","raw":"AAEC/w==",)"
        R"("j":{"a": 1.10},"none":null,"a":[1,null,3],"texts":["x,y","it\"s",null,"NULL"],"nested":[[1,2],[3,4]],)"
        R"("iv":"P1D","ip":"10.0.0.1"})"
        "\n");
}

TEST_CASE("MariaDB's values become JSON without loss") {
  using On = OnMariadb;
  NEEDS_DATABASE();
  On::own(
      "CREATE TABLE s (i BIGINT UNSIGNED, z INT(5) ZEROFILL, d DECIMAL(30,10), f FLOAT, r DOUBLE, b BOOLEAN, t TEXT, "
      "ts TIMESTAMP(3) NULL, dt DATETIME, day DATE, raw BLOB, j JSON, bits BIT(9), y YEAR, e ENUM('x','y'), none INT)");
  On::execute("SET time_zone = '+00:00'");
  On::execute(
      "INSERT INTO s VALUES (18446744073709551615, 42, 12345678901234567890.0123456789, 1.2345678, 0.1, true, "
      "'ü \"x\"', '2024-05-01 10:00:00.25', '2024-05-01 10:00:00', '2024-05-01', x'000102ff', '{\"a\": 1.10}', "
      "b'100000001', 2024, 'y', NULL)");
  auto runner = source<On>("table: s\n");
  runner->run();
  const auto json = taken(*runner);
  CHECK(json.find(R"("i":18446744073709551615,"z":42,"d":12345678901234567890.0123456789,"f":1.2345678,"r":0.1,"b":1,)"
                  R"("t":"ü \"x\"")") == 1);
  CHECK(json.find(R"("dt":"2024-05-01T10:00:00Z","day":"2024-05-01","raw":"AAEC/w==","j":{"a": 1.10},"bits":257,)"
                  R"("y":2024,"e":"y","none":null)") != std::string::npos);
}

TEST_CASE("SQLite's values become JSON without loss") {
  using On = OnSqlite;
  NEEDS_DATABASE();
  On::own("CREATE TABLE s (i, r REAL, t TEXT, raw BLOB, b BOOLEAN, j JSON, bad JSON)");
  On::execute("INSERT INTO s VALUES (-9223372036854775808, 0.1, 'ü \"x\"', x'000102ff', 1, '{\"a\": 1.10}', '{')");
  auto runner = source<On>("table: s\n");
  runner->run();
  CHECK(taken(*runner) ==
        R"({"i":-9223372036854775808,"r":0.1,"t":"ü \"x\"","raw":"AAEC/w==","b":true,"j":{"a": 1.10},"bad":"{"})"
        "\n");
}

ON_EVERY_DATABASE("what cannot be read is refused with what to do") {
  NEEDS_DATABASE();
  On::own("CREATE TABLE s (a INT, b INT)");
  CHECK(refusal<On>("table: nothing\n").find("does not exist") != std::string::npos);
  CHECK(refusal<On>("table: s\nmode: incrementing\ncolumn: c\n").find("has no column c; it has a, b") !=
        std::string::npos);
  CHECK(refusal<On>("table: s\nmode: incrementing\n").find("needs `column`") != std::string::npos);
  CHECK(refusal<On>("table: s\nmode: changes\n").find("has no primary key") != std::string::npos);
  CHECK(refusal<On>("query: SELECT nothing FROM s\n").find("nothing") != std::string::npos);
  CHECK(refusal<On>("table: s\nquery: SELECT 1\n").find("either") != std::string::npos);
  CHECK(refusal<On>("query: SELECT 1 AS x\nmode: changes\n").find("needs `key`") != std::string::npos);
  On::execute("INSERT INTO s VALUES (1, 2)");
  if (On::kDialect == Dialect::postgresql)
    CHECK(refusal<On>("query: SELECT a AS x, b AS x FROM s\n").find("the name x") != std::string::npos);
  if (On::kDialect == Dialect::postgresql)
    CHECK(refusal<On>("query: SELECT set_config('weir.x', a::text, false), nextval('none') FROM s\n").find("none") !=
          std::string::npos);
}

TEST_CASE_TEMPLATE("a server that goes down is waited for, and reading goes on where it was", On, OnPostgresql,
                   OnMariadb) {
  NEEDS_DATABASE();
  On::own("CREATE TABLE s (id BIGINT PRIMARY KEY)");
  On::execute("INSERT INTO s VALUES (1), (2), (3)");
  std::string settings;
  SUBCASE("in pages") {
    settings = "table: s\nmode: incrementing\ncolumn: id\nbatch: 1\n";
  }
  SUBCASE("one query") {
    settings = "table: s\nmode: changes\nbatch: 1\n";
  }
  auto runner = source<On>(settings);
  runner->step();
  runner->durable();
  On::server().stop();
  bool down = false;
  try {
    for (int i = 0; i < 20; ++i) runner->step();  // what is on its way may still be read
    runner->advance(std::chrono::seconds(10));
  } catch (const Unavailable&) {
    down = true;
  }
  CHECK(down);
  On::server().start();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  std::string rows;
  while (std::ranges::count(rows, '\n') < 3) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    try {
      runner->advance(std::chrono::seconds(10));
    } catch (const Unavailable&) {
      // Not yet.
    }
    rows += taken(*runner);
  }
  for (const auto* id : {"1", "2", "3"}) CHECK(rows.find(std::string("{\"id\":") + id + "}") != std::string::npos);
  CHECK(std::ranges::count(rows, '\n') == 3);
}

ON_EVERY_DATABASE("throughput is worth a look") {
  NEEDS_DATABASE();
  On::own("CREATE TABLE s (id BIGINT PRIMARY KEY, sensor VARCHAR(20), v DOUBLE PRECISION)");
  std::string values;
  for (int i = 0; i < 20'000; ++i)
    values += (i == 0 ? "(" : ",(") + std::to_string(i) + ",'sensor-" + std::to_string(i % 100) + "'," +
              std::to_string(i % 50) + ".25)";
  On::execute("INSERT INTO s VALUES " + values);
  for (const auto* settings : {"mode: incrementing\ncolumn: id\n", "mode: changes\n"}) {
    auto runner = source<On>(std::string("table: s\n") + settings);
    const auto begin = std::chrono::steady_clock::now();
    runner->run();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    std::printf("%d, %.12s: %.0f rows/s\n", static_cast<int>(On::kDialect), settings, 20'000 / seconds.count());
    CHECK(std::ranges::count(taken(*runner), '\n') == 20'000);
  }
}

TEST_CASE_TEMPLATE("each row arrives once over kill -9 of Weir, from table to table", On, OnPostgresql, OnMariadb) {
  NEEDS_DATABASE();
  constexpr int kRows = 50'000;
  for (const auto* table : {"t", "weir_progress", "weir_rejected"})
    On::execute(std::string("DROP TABLE IF EXISTS ") + table);
  On::own("CREATE TABLE s (id BIGINT PRIMARY KEY)");
  On::own("CREATE TABLE t (id BIGINT)");  // no key: what comes twice is there twice
  On::execute(On::kDialect == Dialect::postgresql ? "INSERT INTO s SELECT generate_series(1, 50000)"
                                                  : "INSERT INTO s SELECT seq FROM seq_1_to_50000");
  const auto login = "    database: \"" + On::server().url() + "\"\n    password: secret\n";
  Weir weir("flow: kill\nprocessors:\n  rows:\n    type: SqlSource\n" + login +
            "    table: s\n    mode: incrementing\n    column: id\n    batch: 50\n    to: {success: {to: table, queue: "
            "{max_count: 20}}}\n  table:\n    type: SqlSink\n" +
            login + "    table: t\n    delivery: exactly_once\n    drop: [failure]\n");
  const auto count = [] { return std::stoi(On::rows("SELECT count(*) FROM t")); };
  for (int kill = 0; kill < 4; ++kill) {
    CAPTURE(kill);
    const int until = std::min(count() + 3'000, kRows - 1);
    weir.start();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (count() < until) {
      CAPTURE(weir.log());
      REQUIRE(std::chrono::steady_clock::now() < deadline);
    }
    weir.kill();
  }
  weir.start(true);
  const auto status = weir.wait();
  CAPTURE(weir.log());
  CHECK(status == 0);
  CHECK(On::rows("SELECT count(*), count(DISTINCT id), min(id), max(id) FROM t") == "50000|50000|1|50000");
}

}  // namespace
}  // namespace weir::db
