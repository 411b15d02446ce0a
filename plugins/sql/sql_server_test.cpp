// SqlSink against real servers: what it promises of every one of them.

#include <doctest/doctest.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "sql_server_test.h"

namespace weir::db {
namespace {

ON_EVERY_SERVER("a table is made from the declaration, and rows are there once they are committed") {
  NEEDS_SERVER();
  auto runner = sink<On>("table: t\n");
  runner->push(R"({"id":"a","at":1700000000123,"temperature":80.1,"n":9007199254740993,"ok":true})");
  runner->push("{\"id\":\"b\"}\n{\"id\":\"it's \\\\ \\\"ü\\\"\\t\\n\",\"n\":-1}\n");
  runner->run();
  CHECK(runner->held() == 2);
  CHECK(On::rows("SELECT count(*) FROM t") == "0");
  runner->durable();
  CHECK(runner->held() == 0);
  CHECK(On::rows("SELECT at, temperature, n, ok FROM t WHERE id = 'a'") ==
        (On::kDialect == Dialect::postgresql ? "2023-11-14 22:13:20.123+00|80.1|9007199254740993|t"
                                             : "2023-11-14 22:13:20.123000|80.1|9007199254740993|1"));
  CHECK(On::rows("SELECT count(*) FROM t WHERE at IS NULL AND temperature IS NULL AND ok IS NULL") == "2");
  CHECK(On::rows("SELECT id FROM t WHERE n = -1") == "it's \\ \"ü\"\t\n");
  REQUIRE(runner->events().size() == 1);
  CHECK(runner->events()[0].type == "SEND");
  CHECK(runner->events()[0].transit_uri.find("secret") == std::string::npos);
  CHECK(runner->events()[0].transit_uri.ends_with("/lake"));
  CHECK(runner->metric("sql_rows") == 3);
}

ON_EVERY_SERVER("rows are not replaced by lower versions, and partitions are replaced as a whole by higher ones") {
  NEEDS_SERVER();
  const char* const record = "day: {type: text}\nid: {type: integer}\nfile: {type: text}\nx: {type: number}\n";
  auto runner = sink<On>("table: t\nmode: upsert\nkey: [id]\nversion: file\npartition: [day]\n", {.record = record});
  const auto rows = [] { return On::rows("SELECT day, id, file, x FROM t ORDER BY id"); };
  write(*runner,
        "{\"day\":\"mon\",\"id\":1,\"file\":\"1\",\"x\":1}\n{\"day\":\"mon\",\"id\":2,\"file\":\"1\",\"x\":1}");
  write(*runner,
        "{\"day\":\"tue\",\"id\":3,\"file\":\"2\",\"x\":2}\n{\"day\":\"mon\",\"id\":3,\"file\":\"1\",\"x\":1}");
  CHECK(rows() == "mon|1|1|1\nmon|2|1|1\ntue|3|2|2");
  write(*runner,
        "{\"day\":\"mon\",\"id\":1,\"file\":\"2\",\"x\":3}\n{\"day\":\"mon\",\"id\":4,\"file\":\"1\",\"x\":1}");
  CHECK(rows() == "mon|1|2|3\ntue|3|2|2");
  CHECK(runner->take("failure").empty());
}

ON_EVERY_SERVER("what follows from the rows is computed in their transaction") {
  NEEDS_SERVER();
  On::execute("DROP TABLE IF EXISTS hours");
  const char* const record = "id: {type: text}\nhour: {type: text}\nx: {type: number}\n";
  auto runner = sink<On>(
      "table: t\nmode: upsert\nkey: [hour, id]\n"
      "setup: [\"CREATE TABLE IF NOT EXISTS hours (hour VARCHAR(20) PRIMARY KEY, x DOUBLE PRECISION, n BIGINT)\"]\n"
      "then:\n  - 'DELETE FROM hours WHERE hour = :hour'\n"
      "  - 'INSERT INTO hours SELECT hour, avg(x), count(*) FROM t WHERE hour = :hour GROUP BY hour'\n",
      {.record = record});
  const auto hours = [] { return On::rows("SELECT hour, x, n FROM hours ORDER BY hour"); };
  write(*runner,
        "{\"id\":\"a\",\"hour\":\"it's 1\",\"x\":1}\n{\"id\":\"b\",\"hour\":\"it's 1\",\"x\":2}\n"
        "{\"id\":\"a\",\"hour\":\"2\",\"x\":5}");
  CHECK(hours() == "2|5|1\nit's 1|1.5|2");
  write(*runner, R"({"id":"a","hour":"it's 1","x":4})");
  CHECK(hours() == "2|5|1\nit's 1|3|2");
  CHECK(runner->take("failure").empty());
}

ON_EVERY_SERVER("without a declaration the first record makes the table") {
  NEEDS_SERVER();
  auto runner = sink<On>("table: t\n", {});
  write(*runner, R"({"i":1,"s":"x","r":1.5,"b":true,"j":[1, {"a": "é"}],"order":null})");
  write(*runner, R"({"i":2,"new":1})");
  CHECK(On::rows("SELECT i, s, r, j FROM t") == "1|x|1.5|[1, {\"a\": \"é\"}]");
  CHECK(reason(runner->take("failure"), "new").find("the field new has no column in table t") == 0);
}

TEST_CASE("PostgreSQL's types take what fits them, digit for digit") {
  using On = OnPostgresql;
  NEEDS_SERVER();
  On::own(
      "CREATE TABLE t (i smallint, d numeric(30,10), r real, v varchar(5), ts timestamp, tz timestamptz, day date, "
      "j jsonb, raw bytea, u uuid, a int[], gen int GENERATED ALWAYS AS (i * 2) STORED)");
  auto runner = sink<On>("table: t\n", {});
  write(*runner, R"({"i":7,"d":12345678901234567890.0123456789,"r":0.1,"v":"äöü","ts":"2024-05-01T12:00:00+02:00",)"
                 R"("tz":"2024-05-01T12:00:00.25+02:00","day":"2024-05-01","j":{"b":1.10,"a":"x"},"raw":"AAEC/w==",)"
                 R"("u":"6ecd8c99-4036-403d-bf84-cf8400f67836","a":"{1,2}"})");
  CHECK(runner->take("failure").empty());
  CHECK(On::rows("SELECT * FROM t") ==
        "7|12345678901234567890.0123456789|0.1|äöü|2024-05-01 10:00:00|2024-05-01 10:00:00.25+00|2024-05-01|"
        "{\"a\": \"x\", \"b\": 1.10}|\\x000102ff|6ecd8c99-4036-403d-bf84-cf8400f67836|{1,2}|14");
  write(*runner,
        "{\"v\":\"too "
        "long\"}\n{\"i\":40000}\n{\"ts\":\"yesterday\"}\n{\"u\":\"x\"}\n{\"raw\":\"?\"}\n{\"v\":\"\\u0000\"}\n");
  const auto failed = runner->take("failure");
  CHECK(reason(failed, "too long").find("value too long for type character varying(5)") != std::string::npos);
  CHECK(reason(failed, "40000") == "i: 40000 is beyond the column's 16 bits");
  CHECK(reason(failed, "yesterday").find("ts") != std::string::npos);
  CHECK(reason(failed, "\"u\"").find("invalid input syntax for type uuid") != std::string::npos);
  CHECK(reason(failed, "\"raw\"").find("base64") != std::string::npos);
  CHECK(reason(failed, "u0000").find("NUL") != std::string::npos);
  CHECK(On::rows("SELECT count(*) FROM t") == "1");
}

TEST_CASE("MariaDB's types take what fits them, digit for digit") {
  using On = OnMariadb;
  NEEDS_SERVER();
  On::own(
      "CREATE TABLE t (i TINYINT UNSIGNED, big BIGINT UNSIGNED, d DECIMAL(30,10), f FLOAT, v VARCHAR(5), ts "
      "TIMESTAMP(3) NULL, dt DATETIME, day DATE, j JSON, raw VARBINARY(10), e ENUM('a','b'), bits BIT(4), gen INT AS "
      "(i * 2) STORED)");
  auto runner = sink<On>("table: t\n", {});
  write(*runner, R"({"i":255,"big":18446744073709551615,"d":12345678901234567890.0123456789,"f":0.5,"v":"äöü",)"
                 R"("ts":"2024-05-01T12:00:00.25+02:00","dt":"2024-05-01T12:00:00+02:00","day":"2024-05-01",)"
                 R"("j":{"b":1.10,"a":"x"},"raw":"AAEC/w==","e":"b","bits":5})");
  for (const auto& failed : runner->take("failure")) CHECK(failed.attributes.at("error.message") == "");
  CHECK(On::rows("SELECT i, big, d, f, v, ts, dt, day, j, HEX(raw), e, bits + 0, gen FROM t") ==
        "255|18446744073709551615|12345678901234567890.0123456789|0.5|äöü|2024-05-01 10:00:00.250|2024-05-01 "
        "10:00:00|2024-05-01|{\"b\":1.10,\"a\":\"x\"}|000102FF|b|5|510");
  write(*runner, "{\"v\":\"too long\"}\n{\"i\":256}\n{\"e\":\"c\"}\n{\"bits\":16}\n{\"day\":\"2024-02-30\"}\n");
  const auto failed = runner->take("failure");
  CHECK(reason(failed, "too long").find("Data too long for column 'v'") != std::string::npos);
  CHECK(reason(failed, "256").find("beyond the column's 8 bits") != std::string::npos);
  CHECK(reason(failed, "\"e\"").find("'e'") != std::string::npos);
  CHECK(reason(failed, "bits").find("beyond the column's 4 bits") != std::string::npos);
  CHECK(reason(failed, "02-30").find("2024-02-30") != std::string::npos);
  CHECK(On::rows("SELECT count(*) FROM t") == "1");
}

ON_EVERY_SERVER("records that the server refuses are found among thousands, and go to failure with its reason") {
  NEEDS_SERVER();
  On::own("CREATE TABLE t (id VARCHAR(20) PRIMARY KEY, n INT CHECK (n < 100000))");
  auto runner = sink<On>("table: t\ncolumns: {id: id, n: n}\n");
  std::string lines;
  for (int i = 0; i < 5000; ++i)
    lines += R"({"id":"k)" + std::to_string(i == 4321 ? 1234 : i) + R"(","n":)" + std::to_string(i == 77 ? 100000 : i) +
             "}\n";
  write(*runner, lines + "garbage\n");
  CHECK(On::rows("SELECT count(*) FROM t") == "4998");
  const auto failed = runner->take("failure");
  REQUIRE(failed.size() == 3);
  CHECK(reason(failed, "\"n\":100000").find("t_n_check") + reason(failed, "\"n\":100000").find("CONSTRAINT") !=
        2 * std::string::npos);
  CHECK(reason(failed, "\"n\":4321").find("k1234") != std::string::npos);
  CHECK(runner->metric("sql_rows") == 4998);
  CHECK(runner->metric("sql_rejected_records") == 3);
}

ON_EVERY_SERVER("an upsert replaces the row of the same key, also within one FlowFile") {
  NEEDS_SERVER();
  auto runner = sink<On>("table: t\nmode: upsert\nkey: [id, at]\n");
  write(*runner,
        "{\"id\":\"a\",\"at\":1000,\"n\":1}\n{\"id\":\"a\",\"at\":1000,\"n\":2}\n{\"id\":\"a\",\"at\":2000,\"n\":3}\n");
  write(*runner, "{\"id\":\"a\",\"at\":1000,\"n\":5}\n{\"id\":\"a\"}\n");
  CHECK(On::rows("SELECT n FROM t ORDER BY at") == "5\n3");
  CHECK(reason(runner->take("failure"), "\"a\"") == "the key at is NULL");
}

ON_EVERY_SERVER("texts that differ in anything are keys of their own in a table that Weir makes") {
  NEEDS_SERVER();
  const auto runner = sink<On>("table: t\nmode: upsert\nkey: [id]\n");
  write(*runner, R"([{"id":"a"},{"id":"a "},{"id":"A"},{"id":"\u00e1"},{"id":"a\u0301"},{"id":""},{"id":" "}])");
  CHECK(On::rows("SELECT count(*) FROM t") == "7");
  CHECK(runner->take("failure").empty());
}

ON_EVERY_SERVER("statements of the author's own are executed as they stand, question marks and all") {
  NEEDS_SERVER();
  const auto runner = sink<On>(
      "table: t\nmode: upsert\nkey: [id]\nsetup: [\"CREATE TABLE IF NOT EXISTS asked (id VARCHAR(9), q VARCHAR(9) "
      "DEFAULT 'why?')\"]\nthen: [\"INSERT INTO asked (id, q) VALUES (:id, 'who?')\"]\n");
  write(*runner, R"({"id":"a?"})");
  CHECK(On::rows("SELECT id, q FROM asked") == "a?|who?");
}

ON_EVERY_SERVER("an author's own statement gets values as parameters, record by record") {
  NEEDS_SERVER();
  On::own("CREATE TABLE t (id VARCHAR(200) PRIMARY KEY, n BIGINT, seen TIMESTAMP NULL)");
  On::execute("INSERT INTO t VALUES ('a', 1, NULL), ('x'' OR 1=1 --', 10, NULL)");
  auto runner = sink<On>(
      "mode: statement\nstatement: \"UPDATE t SET n = n + :n, seen = :seen WHERE id = :who\"\n"
      "columns: {who: id, seen: \"strftime('%Y-%m-%d %H:%M:%S', at)\"}\n");
  if (On::kDialect == Dialect::postgresql)  // where the server says that it is a time, the field itself will do
    runner = sink<On>(
        "mode: statement\nstatement: \"UPDATE t SET n = n + :n, seen = :seen WHERE id = :who\"\n"
        "columns: {who: id, seen: at}\n");
  std::string lines;
  for (int i = 0; i < 1000; ++i) lines += "{\"id\":\"a\",\"n\":1,\"at\":1700000000000}\n";
  write(*runner, lines + R"({"id":"x' OR 1=1 --","n":5})");
  CHECK(runner->take("failure").empty());
  CHECK(On::rows("SELECT n FROM t ORDER BY id") == "1001\n15");
  CHECK(On::rows("SELECT seen FROM t WHERE id = 'a'") == "2023-11-14 22:13:20");
}

ON_EVERY_SERVER("settings and tables that cannot work are refused with what to do") {
  NEEDS_SERVER();
  On::own("CREATE TABLE t (id VARCHAR(20), other INT)");
  const auto at = [&](const std::string& url) { return "database: \"" + url + "\"\npassword: secret\ntable: t\n"; };
  const auto url = On::server().url();
  const auto wrong = refusal<On>("database: \"" + url + "\"\npassword: wrong\ntable: t\n");
  CAPTURE(wrong);
  CHECK(wrong.find("Check the user in `database`, `password`") != std::string::npos);
  CHECK(wrong.find("unavailable") == std::string::npos);
  CHECK(wrong.find("secret") == std::string::npos);
  CHECK(refusal<On>(at(On::server().url("nowhere"))).find("nowhere") != std::string::npos);
  CHECK(refusal<On>(On::login() + "table: t\n").find("has no column at, temperature, n, ok; it has id, other") !=
        std::string::npos);
  CHECK(refusal<On>(On::login() + "table: missing\ncreate: false\n").find("does not exist") != std::string::npos);
  CHECK(refusal<On>(On::login() + "table: t\ncolumns: {id: id}\nmode: upsert\nkey: [id]\n")
            .find("unique index on just") != std::string::npos);
  CHECK(refusal<On>(On::login() + "mode: statement\nstatement: \"UPDATE nothing SET a = :n\"\n").find("nothing") !=
        std::string::npos);
  CHECK(refusal<On>(On::login() + "mode: statement\n").find("needs `statement`") != std::string::npos);
  On::execute("DROP TABLE t");
  auto runner = sink<On>("table: t\n");
  On::execute("DROP TABLE t");
  runner->push(R"({"id":"a"})");
  CHECK_THROWS_AS(runner->run(), Misconfigured);
  CHECK(runner->queued() == 1);
}

ON_EVERY_SERVER("a column that is altered while the sink runs takes what it takes now") {
  if (!On::available()) return;
  const bool postgresql = On::kDialect == Dialect::postgresql;
  for (const std::string mode : {"", "mode: upsert\nkey: [id]\n"}) {
    const std::string table = mode.empty() ? "altered_in" : "altered_up";
    CAPTURE(table);
    On::own("CREATE TABLE " + table + " (id INTEGER PRIMARY KEY, n BIGINT, s VARCHAR(20))");
    auto runner = sink<On>("table: " + table + "\n" + mode, {.exactly_once = true, .name = table});
    const auto alter = [&](const std::string& column, const std::string& type, const std::string& how) {
      On::own("ALTER TABLE " + table +
              (postgresql ? " ALTER " + column + " TYPE " + type + how : " MODIFY " + column + " " + type));
    };
    write(*runner, R"({"id":1,"n":1,"s":"1"})");
    alter("n", "DOUBLE PRECISION", "");
    runner->push(R"({"id":2,"n":2.5,"s":"2"})");  // which the column did not take before
    until_durable(*runner);
    alter("s", "INTEGER", " USING s::integer");
    runner->push(R"({"id":3,"n":3,"s":"x"})");  // and this it did
    runner->push(R"({"id":4,"n":4,"s":4})");
    until_durable(*runner);
    CHECK(On::rows("SELECT id, n, s FROM " + table + " ORDER BY id") == "1|1|1\n2|2.5|2\n4|4|4");
    const auto failed = runner->take("failure");
    REQUIRE(failed.size() == 1);
    CHECK(failed[0].content == R"({"id":3,"n":3,"s":"x"})");
    CHECK(failed[0].attributes.at("error.message") == "s: text where the column holds whole numbers");
  }
}

ON_EVERY_SERVER("a name that is too long for the database is refused before it is cut") {
  const bool postgresql = On::kDialect == Dialect::postgresql;
  const auto address =
      std::string("database: ") + (postgresql ? "postgresql" : "mariadb") + "://nobody@127.0.0.1:1/x\n";
  const std::string longest(postgresql ? 63 : 64, 'a');
  const auto refused = [&](const std::string& more) { return refusal<On>(address + more, {}); };
  CHECK(refused("table: " + longest + "\n").starts_with("unavailable: "));  // nobody is there
  CHECK(refused("table: s." + longest + "\n").starts_with("unavailable: "));
  CHECK(refused("table: " + longest + "b\n").starts_with("table: '" + longest + "b'"));
  CHECK(refused("table: t\ncolumns: {" + longest + "b: 1}\n").starts_with("columns: '" + longest + "b'"));
  // Characters of more than one byte.
  const std::string umlauts = "\xc3\xa4" + std::string(62, 'a');
  CHECK(refused("table: " + umlauts + "\n").starts_with(postgresql ? "table: '" : "unavailable: "));
  if (!On::available()) return;
  // Of fields that only the records name.
  auto runner = sink<On>("table: long_fields\n", {});
  runner->push("{\"" + longest + "b\":1}");
  CHECK_THROWS_WITH_AS(runner->run(), doctest::Contains((longest + "b").c_str()), Misconfigured);
}

TEST_CASE_TEMPLATE("TLS: the server's certificate is checked, unless the author says otherwise", Server,
                   testing::PostgresqlServer, testing::MariadbServer) {
  if (!Server::available()) return;
  Server server({.tls = true});
  const auto settings = "database: \"" + server.url() + "\"\npassword: secret\ntable: t\n";
  CHECK(refusal<OnPostgresql>(settings + "tls: {ca: \"" + server.ca() + "\"}\n") == "accepted");
  CHECK(refusal<OnPostgresql>(settings + "tls: {verify: false}\n") == "accepted");
  const auto stranger = refusal<OnPostgresql>(settings + "tls: {}\n");  // the system's authorities do not know it
  CAPTURE(stranger);
  CHECK(stranger.find("certificate") != std::string::npos);
  CHECK(stranger.find("Check `tls`") != std::string::npos);
  CHECK(refusal<OnPostgresql>(settings + "tls: {ca: /nowhere.pem}\n").find("/nowhere.pem cannot be read") !=
        std::string::npos);
}

ON_EVERY_SERVER("throughput is worth a look") {
  NEEDS_SERVER();
  std::string lines;
  for (int i = 0; i < 20'000; ++i)
    lines += R"({"id":"sensor-)" + std::to_string(i % 1000) + R"(","at":17000)" + std::to_string(10000000 + i) +
             R"(,"temperature":)" + std::to_string(i % 50) + ".25,\"n\":" + std::to_string(i) + ",\"ok\":true}\n";
  for (const auto* mode : {"insert", "upsert"}) {
    On::execute("DROP TABLE IF EXISTS t");
    auto runner = sink<On>(std::string("table: t\nmode: ") + mode + (mode[0] == 'u' ? "\nkey: [id, n]\n" : "\n"));
    const auto begin = std::chrono::steady_clock::now();
    write(*runner, lines);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    std::printf("%s, %s: %.0f records/s\n", On::kDialect == Dialect::postgresql ? "PostgreSQL" : "MariaDB", mode,
                20'000 / seconds.count());
    CHECK(On::rows("SELECT count(*) FROM t") == "20000");
  }
}

}  // namespace
}  // namespace weir::db
