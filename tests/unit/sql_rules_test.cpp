// What SQL means over records: the rules of types, names, time and errors.
#include <doctest/doctest.h>

#include "tests/sql/run_sql.h"

using namespace weir::sql;
using weir::abi::As;
using weir::abi::Encoding;
using Values = std::vector<std::string>;

namespace {

std::shared_ptr<Declaration> reading() {
  auto d = std::make_shared<Declaration>();
  d->name = "reading";
  d->fields = {{"sensor_id", FieldType::text, true, "", "", ""},
               {"timestamp", FieldType::time, false, "unix_ms", "", ""},
               {"temperature", FieldType::number, false, "", "°C", ""},
               {"count", FieldType::integer, false, "", "", ""},
               {"active", FieldType::boolean, false, "", "", ""},
               {"meta", FieldType::json, false, "", "", ""},
               {"local", FieldType::time, false, "%d.%m.%Y %H:%M:%S %z", "", ""}};
  return d;
}

Values one(const std::string& sql, const std::string& record, As as = As::any) {
  return evaluate(sql, record, nullptr, as);
}

}  // namespace

TEST_CASE("undeclared values keep the types of JSON") {
  CHECK(one("a", R"({"a":1})") == Values{"i:1"});
  CHECK(one("a", R"({"a":1.5})") == Values{"r:1.5"});
  CHECK(one("a", R"({"a":1e2})") == Values{"r:100"});
  CHECK(one("a", R"({"a":"1"})") == Values{"t:1"});
  CHECK(one("a", R"({"a":"\u00e9\n\ud83d\ude00"})") == Values{"t:é\n😀"});
  CHECK(one("a", R"({"a":{"b":[1, 2]}})") == Values{R"(j:{"b":[1, 2]})"});
  CHECK(one("typeof(a)", R"({"a":[1]})") == Values{"t:text"});
}

TEST_CASE("booleans are 1 and 0 inside and true and false outside") {
  CHECK(one("a + 1", R"({"a":true})") == Values{"i:2"});
  CHECK(one("a = 0", R"({"a":false})") == Values{"i:1"});
  CHECK(selected("SELECT a, b > 1 AS hot, NOT a AS off, b FROM record", R"({"a":true,"b":2})") ==
        Values{R"({"a":true,"hot":true,"off":false,"b":2})"});
  CHECK(selected("SELECT coalesce(b, 0) > 1 AS hot FROM record", R"({"b":2})") == Values{R"({"hot":true})"});
  CHECK(selected("SELECT b LIKE 'x%' OR b IS 2 yes FROM record", R"({"b":2})") == Values{R"({"yes":true})"});
}

TEST_CASE("integers beyond 64 bits read as text, never wrapped") {
  CHECK(one("a", R"({"a":9223372036854775807})") == Values{"i:9223372036854775807"});
  CHECK(one("a", R"({"a":9223372036854775808})") == Values{"t:9223372036854775808"});
  CHECK(one("a", R"({"a":-9223372036854775808})") == Values{"i:-9223372036854775808"});
  CHECK(one("typeof(a)", R"({"a":-9223372036854775809})") == Values{"t:text"});
  CHECK(evaluate("count", R"({"count":123456789012345678901234567890})", reading()) ==
        Values{"t:123456789012345678901234567890"});
}

TEST_CASE("missing and null both read NULL, and has() tells them apart") {
  CHECK(one("a IS NULL", "{\"a\":null}\n{\"b\":1}\n{\"a\":0}\n") == Values{"i:1", "i:1", "i:0"});
  CHECK(one("has('a')", "{\"a\":null}\n{\"b\":1}\n{\"a\":0}\n") == Values{"i:1", "i:0", "i:1"});
  CHECK(one("has('a') + 0", "{\"a\":null}\n{\"b\":1}\n") == Values{"i:1", "i:0"});
  CHECK(one("a > 1", R"({"a":null})") == Values{"null"});
}

TEST_CASE("of duplicate keys the last wins, everywhere") {
  const std::string twice = R"({"a":1,"b":0,"a":2})";
  CHECK(one("a", twice) == Values{"i:2"});
  CHECK(one("a = 2", twice) == Values{"i:1"});
  CHECK(one("a + 0", twice) == Values{"i:2"});
  CHECK(one("a", R"({"a":1,"\u0061":3})") == Values{"i:3"});
  CHECK(selected("SELECT a FROM record", twice) == Values{R"({"a":2})"});
}

TEST_CASE("a declared field reads as its type, and another type fails the record and no other") {
  CHECK(evaluate("temperature", "{\"sensor_id\":\"s\",\"temperature\":20}", reading()) == Values{"r:20"});
  const auto values = evaluate("temperature > 20", "{\"temperature\":\"hot\"}\n{\"temperature\":21}\n", reading());
  REQUIRE(values.size() == 2);
  CHECK(values[0] == "error: field 'temperature' is text, not a number: \"hot\"");
  CHECK(values[1] == "i:1");
  CHECK(evaluate("count", R"({"count":20.0})", reading()) == Values{"i:20"});
  CHECK(evaluate("count", R"({"count":20.5})", reading()) ==
        Values{"error: field 'count' is a number, not an integer: 20.5"});
  CHECK(evaluate("active", R"({"active":1})", reading()) ==
        Values{"error: field 'active' is a number, not true or false: 1"});
  CHECK(evaluate("active", R"({"active":true})", reading()) == Values{"i:1"});
  CHECK(evaluate("meta", R"({"meta":{"a":1}})", reading()) == Values{R"(j:{"a":1})"});
  CHECK(evaluate("meta", R"({"meta":{"a":}})", reading()) == Values{R"(error: field 'meta' is no valid JSON: {"a":})"});
}

TEST_CASE("a required field that is missing or null fails the record that is asked for it") {
  CHECK(evaluate("sensor_id", "{}", reading()) == Values{"error: field 'sensor_id' is required, but missing"});
  CHECK(evaluate("sensor_id", R"({"sensor_id":null})", reading()) ==
        Values{"error: field 'sensor_id' is required, but null"});
  CHECK(evaluate("temperature", R"({"temperature":1})", reading()) == Values{"r:1"});
}

TEST_CASE("with `extra: fail` a record with an undeclared member fails") {
  auto strict = reading();
  strict->extra_allowed = false;
  CHECK(evaluate("temperature", "{\"temperature\":1,\"other\":2}\n{\"temperature\":1}\n", strict) ==
        Values{"error: field 'other' is not declared, and undeclared fields are refused (extra: fail)", "r:1"});
}

TEST_CASE("a declared time reads as ISO 8601 text in UTC, and as nanoseconds where time is asked for") {
  const std::string record = R"({"timestamp":1700000000123,"local":"15.11.2023 00:13:20 +0200"})";
  CHECK(evaluate("timestamp || ''", record, reading()) == Values{"t:2023-11-14T22:13:20.123Z"});
  CHECK(evaluate("strftime('%Y/%H', timestamp)", record, reading()) == Values{"t:2023/22"});
  CHECK(evaluate("timestamp", record, reading(), As::time) == Values{"i:1700000000123000000"});
  CHECK(evaluate("local", record, reading(), As::time) == Values{"i:1700000000000000000"});
  CHECK(evaluate("timestamp > '2023-11-14'", record, reading()) == Values{"i:1"});
  CHECK(evaluate("timestamp", R"({"timestamp":"x"})", reading(), As::time)[0].starts_with(
      "error: field 'timestamp' is no time"));
  CHECK(evaluate("timestamp", R"({"timestamp":1e300})", reading(), As::time)[0].find("1677 to 2262") !=
        std::string::npos);
}

TEST_CASE("an undeclared time is RFC 3339 text, or Unix time by its size") {
  const auto ns = [](const std::string& value) { return one("t", "{\"t\":" + value + "}", As::time)[0]; };
  CHECK(ns("1700000000") == "i:1700000000000000000");
  CHECK(ns("1700000000.25") == "i:1700000000250000000");
  CHECK(ns("1700000000123") == "i:1700000000123000000");
  CHECK(ns("1700000000123456") == "i:1700000000123456000");
  CHECK(ns("1700000000123456789") == "i:1700000000123456789");
  CHECK(ns("\"2023-11-14T22:13:20.5+01:00\"") == "i:1699996400500000000");
  CHECK(ns("\"2023-02-29\"").starts_with("error: "));
  CHECK(ns("true").starts_with("error: "));
  CHECK(ns("null") == "null");
  CHECK(one("t + 1", R"({"t":1699999999})", As::time) == Values{"i:1700000000000000000"});
}

TEST_CASE("a column as number or text fails or keeps its digits") {
  CHECK(one("a", R"({"a":7})", As::number) == Values{"r:7"});
  CHECK(one("a", R"({"a":"7"})", As::number)[0].starts_with("error: "));
  CHECK(one("a", R"({"a":80.10})", As::text) == Values{"t:80.10"});
  CHECK(one("a", R"({"a":1E3})", As::text) == Values{"t:1E3"});
  CHECK(one("a", R"({"a":true})", As::text) == Values{"t:true"});
  CHECK(one("a * 2", R"({"a":0.1})", As::text) == Values{"t:0.2"});
}

TEST_CASE("a computed infinity, and a number beyond doubles, fail the record") {
  CHECK(one("a * 1e308", R"({"a":1e308})") == Values{"error: the result is infinite"});
  CHECK(one("a", R"({"a":1e400})") == Values{"error: field 'a' is beyond the range of a number: 1e400"});
  CHECK(one("a > 1", R"({"a":-1e400})") == Values{"error: field 'a' is beyond the range of a number: -1e400"});
  CHECK(selected("SELECT a * 1e308 AS b FROM record", R"({"a":1e308})") == Values{"error: column 'b' is infinite"});
  CHECK(one("a", R"({"a":1e-400})") == Values{"r:0"});
}

TEST_CASE("field() reads names that SQL reserves or that differ only in case") {
  CHECK(one("field('limit') + field('order by')", R"({"limit":1,"order by":2})") == Values{"i:3"});
  CHECK(one("field('limit')", R"({"limit":1})") == Values{"i:1"});
  CHECK(one("field('Temp') - field('temp')", R"({"temp":1,"Temp":5})") == Values{"i:4"});
  CHECK(selected("SELECT field('limit'), field('group') AS g FROM record", R"({"limit":1.50,"group":2})") ==
        Values{R"({"limit":1.50,"g":2})"});
  CHECK(refusal([] { one("temp > 1 AND Temp > 2", "{}"); }).find("differ only in case") != std::string::npos);
}

TEST_CASE("double-quoted text that is no declared field is refused") {
  const auto message = refusal([] { one("status = \"ok\"", "{}"); });
  CHECK(message.find("for text write 'ok'") != std::string::npos);
  CHECK(message.find("at character 10") != std::string::npos);
  CHECK(evaluate("\"temperature\" > 1", R"({"temperature":2})", reading()) == Values{"i:1"});
  CHECK(refusal([] { evaluate("\"temprature\" > 1", "{}", reading()); }).find("'temprature'") != std::string::npos);
}

TEST_CASE("a column that is not declared is an error where there is a declaration") {
  CHECK(refusal([] { evaluate("humidity > 1", "{}", reading()); }) ==
        "no field 'humidity' is declared in record 'reading' (at character 1 of the SQL)");
}

TEST_CASE("a text constant beside a declared number is compared as a number") {
  CHECK(evaluate("temperature > '20'", R"({"temperature":21})", reading()) == Values{"i:1"});
  CHECK(evaluate("temperature > '20'", R"({"temperature":3})", reading()) == Values{"i:0"});
}

TEST_CASE("attributes, nested members and the flow's clock") {
  CHECK(one("attr('mqtt.topic')", "{}") == Values{"t:sensors/7/readings"});
  CHECK(one("attr('mqtt.' || 'topic')", "{}") == Values{"t:sensors/7/readings"});
  CHECK(one("attr('none')", "{}") == Values{"null"});
  CHECK(one("attr('mqtt.topic') = 'sensors/7/readings'", "{}") == Values{"i:1"});
  CHECK(one("a -> 'b'", R"({"a":{"b":{"c":1}}})") == Values{R"(j:{"c":1})"});
  CHECK(one("a ->> '$.b.c'", R"({"a":{"b":{"c":1}}})") == Values{"i:1"});
  CHECK(one("now()", "{}") == Values{"t:2023-11-14T22:13:20.123Z"});
  CHECK(one("datetime('now')", "{}") == Values{"t:2023-11-14 22:13:20"});
  CHECK(one("CURRENT_DATE", "{}") == Values{"t:2023-11-14"});
  CHECK(one("strftime('%s')", "{}") == Values{"t:1700000000"});
}

TEST_CASE("the functions that Weir adds") {
  CHECK(one("a REGEXP '^s-[0-9]+$'", "{\"a\":\"s-12\"}\n{\"a\":\"x\"}\n{\"a\":null}\n") ==
        Values{"i:1", "i:0", "null"});
  CHECK(one("regexp_extract(a, 's-([0-9]+)', 1)", R"({"a":"s-12"})") == Values{"t:12"});
  CHECK(one("regexp_extract(a, 'z+')", R"({"a":"s-12"})") == Values{"null"});
  CHECK(one("regexp_replace(a, '([0-9])', '<\\1>')", R"({"a":"s-12"})") == Values{"t:s-<1><2>"});
  CHECK(one("unix_ms(a)", R"({"a":"2023-11-14T22:13:20.123Z"})") == Values{"i:1700000000123"});
  CHECK(one("iso_time(a)", R"({"a":1700000000})") == Values{"t:2023-11-14T22:13:20.000Z"});
  CHECK(one("time_bucket('15m', a)", R"({"a":1700000000})") == Values{"t:2023-11-14T22:00:00.000Z"});
  CHECK(one("a REGEXP '('", R"({"a":"x"})")[0].find("regular expression '(' is wrong") != std::string::npos);
  CHECK(one("sin(0)", "{}") == Values{"r:0"});
}

TEST_CASE("random() is for generators only") {
  CHECK(refusal([] { one("random()", "{}"); }).find("for generators only") != std::string::npos);
  SqlRun run;
  run.generator = true;
  run.columns = {{"seq * 2", As::any}, {"random() IS NOT NULL", As::any}, {"round(sin(seq), 3)", As::any}};
  run.templates = {{R"x({"id":"s-$(seq % 2)","v":$(seq)})x", Encoding::none}};
  const auto rows = run.generate(10, 2);
  REQUIRE(rows.size() == 2);
  CHECK(rows[1].values == Values{"i:22", "i:1", "r:-1", R"(t:{"id":"s-1","v":11})"});
  CHECK(rows[1].record == 1);
  CHECK(run.generate(0, 1).at(0).values.at(0) == "i:0");
  SqlRun records;
  records.generator = true;
  records.select = "SELECT 's-' || seq AS id, seq * 0.5 AS v FROM seq";
  CHECK(records.generate(1, 2).at(1).output == R"({"id":"s-2","v":1.0})");
  CHECK(refusal([] {
          SqlRun bad;
          bad.generator = true;
          bad.columns = {{"temperature", As::any}};
          bad.prepare();
        }).find("reads only seq") != std::string::npos);
}

TEST_CASE("statements are row-wise unless per: flowfile") {
  for (const auto* sql :
       {"SELECT count(*) FROM record", "SELECT a FROM record ORDER BY a", "SELECT DISTINCT a FROM record",
        "SELECT a FROM record LIMIT 1", "SELECT max(a) FROM record", "SELECT a, sum(b) OVER () FROM record",
        "SELECT a FROM record GROUP BY a", "SELECT a FROM record UNION SELECT b FROM record"}) {
    CAPTURE(sql);
    CHECK(refusal([&] { selected(sql, "{}"); }).find("per: flowfile") != std::string::npos);
  }
  CHECK(refusal([] { one("sum(a)", "{}"); }).find("per: flowfile") != std::string::npos);
  CHECK(one("max(a, 2)", R"({"a":1})") == Values{"i:2"});
  const std::string lines = "{\"k\":\"a\",\"v\":3}\n{\"k\":\"b\",\"v\":1}\n{\"k\":\"a\",\"v\":5}\n";
  CHECK(selected("SELECT k, sum(v) AS total, max(k) AS m FROM record GROUP BY k ORDER BY k DESC", lines, nullptr,
                 true) == Values{R"({"k":"b","total":1,"m":"b"})", R"({"k":"a","total":8,"m":"a"})"});
  CHECK(selected("SELECT * FROM record ORDER BY v LIMIT 1", lines, nullptr, true) == Values{R"({"k":"b","v":1})"});
}

TEST_CASE("the authorizer is closed") {
  for (const auto* sql : {"SELECT * FROM sqlite_master, record", "SELECT * FROM record, pragma_database_list",
                          "SELECT load_extension('x') FROM record", "SELECT readfile('/etc/passwd') FROM record",
                          "WITH x AS (SELECT 1) DELETE FROM record"}) {
    CAPTURE(sql);
    CHECK(!refusal([&] { selected(sql, "{}"); }).empty());
  }
  for (const auto* sql : {"1) FROM record; DROP TABLE record; --", "1; SELECT 2", "a, b", "SELECT 1", "",
                          "1 FROM record", ":x", "'a", "1)", "(1", "#"}) {
    CAPTURE(sql);
    CHECK(!refusal([&] { one(sql, "{}"); }).empty());
  }
}

TEST_CASE("an endless computation is ended, and fails its record only") {
  const auto values =
      one("CASE WHEN a THEN (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c) "
          "ELSE 0 END",
          "{\"a\":0}\n{\"a\":1}\n{\"a\":0}\n");
  REQUIRE(values.size() == 3);
  CHECK(values[0] == "i:0");
  CHECK(values[1].find("100 million steps") != std::string::npos);
  CHECK(values[2] == "i:0");
}

TEST_CASE("an error fails its record, and the rest goes on") {
  CHECK(one("a -> '$.b'", "{\"a\":{\"b\":1}}\n{\"a\":\"{\"}\n{\"a\":{\"b\":3}}\n") ==
        Values{"j:1", "error: malformed JSON", "j:3"});
  CHECK(selected("SELECT a ->> '$.b' AS b FROM record WHERE a IS NOT NULL",
                 "{\"a\":{\"b\":1}}\n{\"a\":\"{\"}\n{}\n{\"a\":{\"b\":3}}\n") ==
        Values{R"({"b":1})", "error: malformed JSON", R"({"b":3})"});
}

TEST_CASE("templates are filled a record, encoded for their place, and NULL fails the record") {
  SqlRun run;
  run.templates = {{"lake/$(id)/$(a + 1)$$(x)", Encoding::path_segment}};
  run.session.add("{\"id\":\"a/b\",\"a\":1}\n{\"id\":\"..\",\"a\":1}\n{\"a\":1}\n{\"id\":\"\",\"a\":1}\n");
  const auto rows = run.run();
  REQUIRE(rows.size() == 4);
  CHECK(rows[0].values == Values{"t:lake/a%2Fb/2$(x)"});
  CHECK(rows[1].values == Values{"t:lake/%2E./2$(x)"});
  CHECK(rows[2].error == "$(id) is NULL");
  CHECK(rows[3].error.starts_with("$(id) is empty"));
}

TEST_CASE("per FlowFile there is one row, with the fields of its first record and its attributes") {
  SqlRun run;
  run.per_flowfile = true;
  run.templates = {{"$(attr('n'))-$(coalesce(a, 'none'))", Encoding::none}};
  run.session.add("{\"a\":1}\n{\"a\":2}\n", {{"n", "x"}});
  run.session.add("", {{"n", "y"}});
  run.session.add("[]", {{"n", "z"}});
  run.session.add("garbage", {{"n", "w"}});
  const auto rows = run.run();
  REQUIRE(rows.size() == 4);
  CHECK(rows[0].values == Values{"t:x-1"});
  CHECK(rows[1].values == Values{"t:y-none"});
  CHECK(rows[2].values == Values{"t:z-none"});
  CHECK(rows[3].error == "the record is not JSON");
  SqlRun attributes;
  attributes.per_flowfile = true;
  attributes.templates = {{"$(attr('n'))", Encoding::none}};
  attributes.session.add("\x89PNG not JSON", {{"n", "x"}});
  CHECK(attributes.run().at(0).values == Values{"t:x"});
}
