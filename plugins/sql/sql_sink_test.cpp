#include <doctest/doctest.h>

#include "sql_sink_test.h"

namespace {

using namespace weir::sqlite;
using namespace weir::sqlite::testing;

std::string refusal(const TemporaryFolder& folder, const std::string& more, const char* record = kRecord) {
  try {
    Runner runner(type(), "database: " + folder / "x.db" + "\n" + more, {.record = record});
  } catch (const std::exception& error) {
    return error.what();
  }
  return "accepted";
}

TEST_CASE("records become rows of a table made from the declaration") {
  Sink sink;
  CHECK(sink.rows("SELECT group_concat(name || ' ' || type || ' ' || \"notnull\", ', ') FROM pragma_table_info('t')") ==
        "id TEXT 1, at TEXT 0, temperature REAL 0, n INTEGER 0, ok INTEGER 0");
  sink.write(R"({"id":"a","at":1700000000123,"temperature":80.1,"n":9007199254740993,"ok":true})");
  sink.write(R"({"id":"b"})");
  CHECK(sink.rows("SELECT id, at, typeof(temperature), temperature, n, ok FROM t WHERE id = 'a'") ==
        "a|2023-11-14T22:13:20.123Z|real|80.1|9007199254740993|1");
  CHECK(sink.rows("SELECT count(*) FROM t WHERE at IS NULL AND temperature IS NULL AND n IS NULL AND ok IS NULL") ==
        "1");
  CHECK(sink->held() == 0);
  CHECK(sink->queued() == 0);
  REQUIRE(sink->events().size() == 2);
  CHECK(sink->events()[0].type == "SEND");
  CHECK(sink->events()[0].transit_uri == "sqlite:" + std::filesystem::canonical(sink.folder / "x.db").string());
}

TEST_CASE("FlowFiles stay held until their transaction is committed, and readers see them then") {
  Sink sink;
  sink->push(R"({"id":"a"})");
  sink->run();
  CHECK(sink->held() == 1);
  CHECK(sink.rows("SELECT count(*) FROM t") == "0");
  sink->push(R"({"id":"b"})");
  sink->run();
  CHECK(sink->held() == 2);
  sink->flush();
  CHECK(sink->held() == 0);
  CHECK(sink.rows("SELECT count(*) FROM t") == "2");
  CHECK(sink->metric("sql_commits") == 1);
}

TEST_CASE("arrays, lines and single objects are written, also thousands at once") {
  Sink sink;
  std::string lines;
  for (int i = 0; i < 9000; ++i) lines += R"({"id":"x","n":)" + std::to_string(i) + "}\n";
  sink->push(lines);
  sink->push(R"([{"id":"y","n":1},{"id":"y","n":2}])");
  sink->push("[]");
  sink->run();
  sink->durable();
  CHECK(sink.rows("SELECT count(*), sum(n) FROM t") == "9002|" + std::to_string(8999 * 4500 + 3));
  CHECK(sink->take("failure").empty());
  CHECK(sink->held() == 0);
}

TEST_CASE("without a declaration the first record makes the table, and says what later ones may hold") {
  Sink sink("", Options{});
  sink.write("{\"a\":1,\"b\":\"x\",\"c\":1.5,\"d\":[1, 2],\"e\":null,\"order\":true}\n{\"e\":\"later\"}");
  CHECK(sink.rows("SELECT group_concat(name || ' ' || type, ', ') FROM pragma_table_info('t')") ==
        "a INTEGER, b TEXT, c REAL, d TEXT, e TEXT, order INTEGER");
  CHECK(sink.rows("SELECT a, b, c, d, \"order\" FROM t WHERE a = 1") == "1|x|1.5|[1, 2]|1");
  sink.write(R"({"a":1,"new":2})");
  const auto failed = sink->take("failure");
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].content == R"({"a":1,"new":2})");
  CHECK(failed[0].attributes.at("error.message").find("the field new has no column in table t") == 0);
}

TEST_CASE("where the first record chose a column's type, a value that does not fit it says so and what to do") {
  Sink sink("", Options{});
  sink.write(R"({"id":"x","level":20})");
  sink.write(R"({"id":"y","level":20.5})");
  CHECK(
      sink->take("failure").at(0).attributes.at("error.message") ==
      "level: 20.5 is no whole number. Of the batch that the table was made by, record 1, with 20, chose the column's "
      "type, as nothing says it: declare the field, such as level: {type: number} or {type: text}, in the flow's "
      "`records`, or say CAST(… AS REAL), TEXT or INTEGER in `columns`, and let the table be made anew, or make the "
      "table yourself");
  Sink declared("columns: {t: temperature, twice: n * 2}\n");
  declared.write(R"({"temperature":20,"n":1})");
  declared.write(R"({"temperature":20.5,"n":1})");
  declared.write(R"({"temperature":"warm","n":1})");
  CHECK(declared.rows("SELECT group_concat(name || ' ' || type, ', ') FROM pragma_table_info('t')") ==
        "t REAL, twice INTEGER");
  CHECK(declared.rows("SELECT group_concat(t) FROM t") == "20.0,20.5");
  CHECK(declared->take("failure").at(0).attributes.at("error.message").find("chose the column's type") ==
        std::string::npos);
}

TEST_CASE("computed columns have the type that all of the first batch needs, or that CAST says") {
  Sink sink(
      "columns: {level: l, mixed: m, real: 'CAST(r AS REAL)', text: 'cast(t as varchar(20))', sum: 'CAST(a AS INTEGER) "
      "+ "
      "0.5', none: n}\n",
      Options{});
  sink->push(R"({"l":null,"m":1,"r":1,"t":7,"a":1})");
  sink->push("{\"l\":20,\"m\":1}\n{\"l\":20.5,\"m\":\"one\",\"r\":2}");
  sink->run();
  sink->durable();
  CHECK(sink.rows("SELECT group_concat(name || ' ' || type, ', ') FROM pragma_table_info('t')") ==
        "level REAL, mixed TEXT, real REAL, text TEXT, sum REAL, none ");
  CHECK(sink.rows("SELECT group_concat(level), group_concat(real) FROM t") == "20.0,20.5|1.0,2.0");
  CHECK(sink->take("failure").empty());
}

TEST_CASE("garbage before the first record does not make the table") {
  Sink sink("", Options{});
  sink.write("garbage");
  sink.write("{}");
  CHECK(sink->take("failure").size() == 2);
  CHECK(sink.rows("SELECT count(*) FROM sqlite_master WHERE name = 't'") == "0");
  sink.write("garbage\n{\"a\":1}\n");
  CHECK(sink->take("failure").size() == 1);
  CHECK(sink.rows("SELECT a FROM t") == "1");
}

TEST_CASE("an existing table decides what is written where there is no declaration") {
  Sink sink("CREATE TABLE t (row INTEGER PRIMARY KEY, A TEXT, b REAL)", "", {});
  sink.write(R"({"A":"x","b":1})");
  CHECK(sink.rows("SELECT row, A, b FROM t") == "1|x|1.0");
}

TEST_CASE("columns say what goes where, in SQL") {
  Sink sink("columns: {sensor: id, fahrenheit: temperature * 1.8 + 32, \"limit\": n}\n");
  sink.write(R"({"id":"a","temperature":20,"n":3})");
  CHECK(sink.rows("SELECT sensor, fahrenheit, \"limit\" FROM t") == "a|68.0|3");
}

TEST_CASE("a record that does not fit goes to failure with its reason, the others are written") {
  Sink sink;
  const std::string wrong = R"({"id":"b","temperature":"warm"})";
  const std::string no_id = R"({"temperature":1})";
  const std::string fraction = R"({"id":"c","n":1.5})";
  const std::string broken = R"({"id":"d","x":tru})";
  const std::string escape = R"({"id":"e","x":"\x"})";
  sink.write(R"({"id":"a","temperature":1})"
             "\n" +
             wrong + "\n" + no_id + "\n" + fraction + "\n" + broken + "\n" + escape + "\n" + R"({"id":"z"})" + "\n");
  CHECK(sink.rows("SELECT group_concat(id) FROM (SELECT id FROM t ORDER BY id)") == "a,z");
  const auto failed = sink->take("failure");
  const auto reason = [&](const std::string& record) -> std::string {
    for (const auto& f : failed) {
      if (f.content.find(record) != std::string::npos) return f.attributes.at("error.message");
    }
    return "not found: " + record;
  };
  CHECK(reason(wrong).find("temperature") != std::string::npos);
  CHECK(reason(no_id).find("id") != std::string::npos);
  CHECK(reason(fraction).find("n") != std::string::npos);
  CHECK(reason(broken).find("at byte") != std::string::npos);
  CHECK(reason(escape).find("escape") != std::string::npos);
  CHECK(sink->metric("sql_rejected_records") == 5);
  CHECK(sink->held() == 0);
}

TEST_CASE("a FlowFile that is rejected as a whole keeps its bytes and attributes") {
  Sink sink;
  sink->push(" {\"id\" : 7.0} ", {{"topic", "x"}});
  sink->run();
  sink->durable();
  const auto failed = sink->take("failure");
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].content == " {\"id\" : 7.0} ");
  CHECK(failed[0].attributes.at("topic") == "x");
  CHECK(failed[0].parents == std::vector<std::uint64_t>{0});
}

TEST_CASE("values that SQLite would bend into a column of another type are rejected") {
  Sink sink("CREATE TABLE t (i INTEGER, r REAL, s TEXT, any)", "");
  sink.write(R"({"i":1,"r":2,"s":80.10,"any":"x"})");
  sink.write(R"({"i":"x"})");
  sink.write(R"({"i":1.5})");
  sink.write(R"({"i":123456789012345678901})");
  sink.write(R"({"r":"x"})");
  CHECK(sink.rows("SELECT i, typeof(r), s, any FROM t") == "1|real|80.10|x");
  CHECK(sink->take("failure").size() == 4);
}

TEST_CASE("a constraint of the table rejects the record that breaks it") {
  Sink sink("CREATE TABLE t (id TEXT UNIQUE, n INTEGER CHECK (n < 10))", "");
  sink.write("{\"id\":\"a\",\"n\":1}\n{\"id\":\"a\",\"n\":2}\n{\"id\":\"b\",\"n\":10}\n{\"id\":\"c\",\"n\":3}\n");
  CHECK(sink.rows("SELECT group_concat(id) FROM t") == "a,c");
  const auto failed = sink->take("failure");
  REQUIRE(failed.size() == 2);
  CHECK(failed[0].attributes.at("error.message").find("UNIQUE constraint failed: t.id") != std::string::npos);
  CHECK(failed[1].attributes.at("error.message").find("CHECK constraint failed") != std::string::npos);
}

TEST_CASE("an upsert replaces the row of the same key") {
  Sink sink("mode: upsert\nkey: [id, at]\n");
  sink.write(R"({"id":"a","at":1000,"temperature":1})");
  sink.write(R"({"id":"a","at":1000,"temperature":2,"n":5})");
  sink.write(R"({"id":"a","at":2000,"temperature":3})");
  sink.write(R"({"id":"a"})");
  CHECK(sink.rows("SELECT temperature, n FROM t ORDER BY at LIMIT 1") == "2.0|5");
  CHECK(sink.rows("SELECT count(*) FROM t") == "2");
  CHECK(sink->take("failure").at(0).attributes.at("error.message") == "the key at is NULL");
}

TEST_CASE("with a version, a row is not replaced by a lower one") {
  Sink sink("mode: upsert\nkey: [id]\nversion: n\n");
  sink.write(R"({"id":"a","temperature":1,"n":5})");
  sink.write(R"({"id":"a","temperature":2,"n":4})");
  sink.write(R"({"id":"a","temperature":3})");
  CHECK(sink.rows("SELECT temperature, n FROM t") == "1.0|5");
  sink.write(R"({"id":"a","temperature":4,"n":5})");
  sink.write("{\"id\":\"b\",\"temperature\":5}\n{\"id\":\"b\",\"temperature\":6,\"n\":1}");
  CHECK(sink.rows("SELECT temperature, n FROM t ORDER BY id") == "4.0|5\n6.0|1");
}

TEST_CASE("a higher version of a partition replaces all of it, what is lower is left out") {
  const char* const record = "day: {type: text}\nid: {type: integer}\nfile: {type: text}\n";
  Sink sink("mode: upsert\nkey: [day, id]\nversion: file\npartition: [day]\n", Options{.record = record});
  const auto rows = [&] { return sink.rows("SELECT day, id, file FROM t ORDER BY 1, 2"); };
  sink.write(
      "{\"day\":\"mon\",\"id\":1,\"file\":\"1\"}\n{\"day\":\"mon\",\"id\":2,\"file\":\"1\"}\n"
      "{\"day\":\"tue\",\"id\":1,\"file\":\"1\"}");
  CHECK(rows() == "mon|1|1\nmon|2|1\ntue|1|1");
  sink.write(R"({"day":"mon","id":3,"file":"2"})");
  CHECK(rows() == "mon|3|2\ntue|1|1");
  sink.write(R"({"day":"mon","id":1,"file":"2"})");
  sink.write("{\"day\":\"mon\",\"id\":2,\"file\":\"1\"}\n{\"day\":\"mon\",\"id\":4,\"file\":\"2\"}");
  CHECK(rows() == "mon|1|2\nmon|3|2\nmon|4|2\ntue|1|1");
  sink->restart();
  sink.write("{\"day\":\"mon\",\"id\":9,\"file\":\"1\"}\n{\"day\":\"tue\",\"id\":2,\"file\":\"1\"}");
  CHECK(rows() == "mon|1|2\nmon|3|2\nmon|4|2\ntue|1|1\ntue|2|1");
  CHECK(sink->take("failure").empty());
  sink.write(R"({"day":"mon","id":1})");
  sink.write(R"({"id":1,"file":"3"})");
  const auto failed = sink->take("failure");
  REQUIRE(failed.size() == 2);
  CHECK(failed[0].attributes.at("error.message") == "file is NULL, and decides what is replaced");
  CHECK(failed[1].attributes.at("error.message") == "the key day is NULL");
}

TEST_CASE("a FlowFile without records delivers nothing: what its partition had goes") {
  Sink sink(
      "mode: upsert\nkey: [day, id]\nversion: file\npartition: [day]\n"
      "columns: {day: attr('day'), id: id, file: attr('file'), n: n}\n",
      Options{.record = "id: {type: integer, required: true}\nn: {type: number}\n"});
  const auto rows = [&] { return sink.rows("SELECT day, id, file FROM t ORDER BY 1, 2"); };
  const auto deliver = [&](const char* content, const char* day, const char* file) {
    sink->push(content, {{"day", day}, {"file", file}});
    sink->run();
    sink->durable();
  };
  deliver("[]", "mon", "1");  // there is no table yet
  deliver("{\"id\":1}\n{\"id\":2}", "mon", "1");
  deliver("{\"id\":1}", "tue", "1");
  deliver("[]", "mon", "1");  // as there was before
  CHECK(rows() == "mon|1|1\nmon|2|1\ntue|1|1");
  deliver("[]", "mon", "2");
  CHECK(rows() == "tue|1|1");
  deliver("{\"id\":3}", "mon", "1");  // late
  deliver("{\"id\":4}", "mon", "2");
  sink.write("[]");  // of no partition
  CHECK(rows() == "mon|4|2\ntue|1|1");
  CHECK(sink->take("failure").empty());
  CHECK(sink->held() == 0);
}

TEST_CASE("a crash amid the replacement of a partition leaves the old one or the new one, and in the end the new") {
  const char* const record = "day: {type: text}\nid: {type: integer}\nfile: {type: integer}\n";
  Sink sink("mode: upsert\nkey: [day, id]\nversion: file\npartition: [day]\n", Options{.record = record});
  sink.write("{\"day\":\"mon\",\"id\":1,\"file\":1}\n{\"day\":\"mon\",\"id\":2,\"file\":1}");
  sink->push(R"({"day":"mon","id":1,"file":2})");
  sink->durable();
  sink->run();
  sink->crash();
  CHECK(sink.rows("SELECT id, file FROM t ORDER BY 1") == "1|1\n2|1");
  sink->run();
  sink->durable();
  CHECK(sink.rows("SELECT id, file FROM t ORDER BY 1") == "1|2");
}

TEST_CASE("what follows from the rows is computed in their transaction, once for each set of values") {
  Sink sink(
      "mode: upsert\nkey: [id]\ncolumns: {id: id, n: n, temperature: temperature}\n"
      "setup: [\"CREATE TABLE IF NOT EXISTS means (n INTEGER PRIMARY KEY, mean REAL, computed INTEGER DEFAULT 0)\"]\n"
      "then:\n"
      "  - INSERT INTO means (n) SELECT :n WHERE :n NOT IN (SELECT n FROM means)\n"
      "  - UPDATE means SET computed = computed + 1, mean = (SELECT avg(temperature) FROM t WHERE t.n = means.n)"
      " WHERE n = :n\n");
  const auto means = [&] { return sink.rows("SELECT n, mean, computed FROM means ORDER BY n"); };
  sink->push(
      "{\"id\":\"a\",\"n\":1,\"temperature\":10}\n{\"id\":\"b\",\"n\":1,\"temperature\":20}\n"
      "{\"id\":\"c\",\"n\":2,\"temperature\":30}");
  sink->run();
  CHECK(means().empty());  // not before the rows
  sink->durable();
  CHECK(means() == "1|15.0|1\n2|30.0|1");
  sink.write(R"({"id":"a","n":1,"temperature":40})");  // corrected
  CHECK(means() == "1|30.0|2\n2|30.0|1");
  sink.write(R"({"id":"d","n":7,"temperature":"hot"})");  // refused: nothing follows from it
  CHECK(sink->take("failure").size() == 1);
  CHECK(means() == "1|30.0|2\n2|30.0|1");
  sink->restart();
  sink.write(R"({"id":"c","n":2,"temperature":50})");
  CHECK(means() == "1|30.0|2\n2|50.0|2");
}

TEST_CASE("statements around the table that cannot work stop the sink with what the database says") {
  CHECK_THROWS_WITH_AS(Sink("setup: [CREATE NONSENSE]\n"), doctest::Contains("NONSENSE"), std::exception);
  CHECK_THROWS_WITH_AS(Sink("then: [UPDATE nobody SET x = 1]\n"), doctest::Contains("nobody"), std::exception);
  CHECK_THROWS_WITH_AS(Sink("columns: {id: id}\nthen: ['UPDATE t SET id = :nothing']\n"), doctest::Contains("nothing"),
                       std::exception);
}

TEST_CASE("settings and tables that cannot work are refused with what to do") {
  const TemporaryFolder folder;
  Database(folder / "x.db").execute("CREATE TABLE t (id TEXT, other TEXT)");
  CHECK(refusal(folder, "table: t\n").find("has no column at, temperature, n, ok; it has id, other") !=
        std::string::npos);
  CHECK(refusal(folder, "table: missing\ncreate: false\n").find("does not exist") != std::string::npos);
  CHECK(refusal(folder, "table: t\ncolumns: {id: id}\nmode: upsert\nkey: [id]\n").find("unique index") !=
        std::string::npos);
  CHECK(refusal(folder, "table: u\nmode: upsert\n").find("needs `key`") != std::string::npos);
  CHECK(refusal(folder, "table: u\nkey: [id]\n").find("mode: upsert") != std::string::npos);
  CHECK(refusal(folder, "table: u\nmode: upsert\nkey: [nobody]\n").find("nobody") != std::string::npos);
  CHECK(refusal(folder, "table: u\nversion: n\n").find("mode: upsert") != std::string::npos);
  CHECK(refusal(folder, "table: u\nmode: upsert\nkey: [id]\nversion: id\n").find("in the key") != std::string::npos);
  CHECK(refusal(folder, "table: u\nmode: upsert\nkey: [id]\npartition: [n]\n").find("needs `version`") !=
        std::string::npos);
  CHECK(refusal(folder, "table: u\nmode: upsert\nkey: [id]\nversion: nobody\n").find("nobody") != std::string::npos);
  CHECK(refusal(folder, "table: weir_progress\n").find("reserved") != std::string::npos);
  CHECK(refusal(folder, "table: u\nurl: postgresql://x\n").find("either") != std::string::npos);
  CHECK(refusal(folder, "table: u\ncolumns: {a: nobody}\n").find("nobody") != std::string::npos);
}

TEST_CASE("a url names the file too") {
  const TemporaryFolder folder;
  Runner runner(type(), "url: \"sqlite://" + folder / "y.db" + "\"\ntable: t\n", {.record = kRecord});
  CHECK(std::filesystem::exists(folder / "y.db"));
  CHECK_THROWS_WITH_AS(Runner(type(), "url: mysql:x\ntable: t\n", {}), doctest::Contains("no database known here"),
                       std::exception);
}

TEST_CASE("while another program writes, the input waits and is then written once") {
  Sink sink;
  Database other(sink.folder / "x.db");
  other.execute("BEGIN IMMEDIATE");
  sink->push(R"({"id":"a"})");
  CHECK_THROWS_WITH_AS(sink->run(), doctest::Contains("locked"), weir::Unavailable);
  CHECK(sink->queued() == 1);
  other.execute("COMMIT");
  sink->run();
  sink->durable();
  CHECK(sink.rows("SELECT count(*) FROM t") == "1");
}

TEST_CASE("what a function of the author's statement does not take is its record's fault, not the sink's") {
  const TemporaryFolder folder;
  Database(folder / "x.db").execute("CREATE TABLE t (id TEXT, v)");
  Runner sink(type(),
              "database: " + folder / "x.db" +
                  "\nmode: statement\nstatement: INSERT INTO t VALUES (:id, abs(:n) + json_extract(:doc, '$.a'))\n",
              {});
  sink.push(
      "{\"id\":\"a\",\"n\":1,\"doc\":\"{}\"}\n{\"id\":\"b\",\"n\":1,\"doc\":\"{\"}\n"
      "{\"id\":\"c\",\"n\":-9223372036854775808,\"doc\":\"{}\"}\n{\"id\":\"d\",\"n\":1,\"doc\":\"{}\"}\n");
  sink.run();
  sink.durable();
  Database reader(folder / "x.db");
  Statement rows(reader, "SELECT group_concat(id) FROM t");
  rows.step();
  CHECK(rows.text(0) == "a,d");
  const auto failed = sink.take("failure");
  REQUIRE(failed.size() == 2);
  CHECK(failed[0].attributes.at("error.message").find("malformed JSON") != std::string::npos);
  CHECK(failed[1].attributes.at("error.message").find("integer overflow") != std::string::npos);
}

TEST_CASE("a sink that has to stop amid a transaction leaves the file to others") {
  Sink sink("CREATE TABLE t (id TEXT, n INTEGER); CREATE TABLE u (n INTEGER)",
            "columns: {id: id}\nthen: [\"INSERT INTO u (n) SELECT 'a' LIKE 'b' ESCAPE :id\"]\n", {.record = kRecord});
  SUBCASE("that it has just begun") {}
  SUBCASE("in which it had written") {
    sink->push(R"({"id":"a"})");
    sink->run();
  }
  sink->push(R"({"id":"more than one character"})");
  CHECK_THROWS_WITH_AS(sink->run(), doctest::Contains("single character"), weir::Misconfigured);
  Database(sink.folder / "x.db").execute("INSERT INTO t (id) VALUES ('of another')");
  CHECK(sink.rows("SELECT id FROM t") == "of another");
}

TEST_CASE("two sinks write to one file at the same time") {
  const TemporaryFolder folder;
  Runner a(type(), "database: " + folder / "x.db" + "\ntable: a\n", {.record = kRecord});
  Runner b(type(), "database: " + folder / "x.db" + "\ntable: b\n", {.record = kRecord});
  for (int i = 0; i < 5; ++i) {
    a.push(R"({"id":"a"})");
    b.push(R"({"id":"b"})");
    a.run();
    b.run();
    if (i % 2 == 0) a.durable();
  }
  b.durable();
  a.durable();
  Database reader(folder / "x.db");
  Statement count(reader, "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)");
  count.step();
  CHECK(count.integer(0) == 5);
  CHECK(count.integer(1) == 5);
}

}  // namespace
