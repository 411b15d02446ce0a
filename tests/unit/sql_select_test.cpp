// Making records: SELECT, joins with reference tables, and edits that leave the other bytes alone.
#include <doctest/doctest.h>
#include <sqlite3.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "sql/eval.h"
#include "sql/output.h"
#include "tests/sql/run_sql.h"

using namespace weir::sql;
using Values = std::vector<std::string>;

namespace {

std::string edited(std::string_view object, const std::vector<Edit>& edits) {
  std::string to;
  append_edited(to, object, edits);
  return to;
}

Values updated(std::vector<std::pair<std::string, std::string>> set, std::vector<std::string> remove,
               std::string_view content) {
  SqlRun run;
  run.set = std::move(set);
  run.remove = std::move(remove);
  run.session.add(content);
  Values outputs;
  for (const auto& row : run.run()) outputs.push_back(row.error.empty() ? row.output : "error: " + row.error);
  return outputs;
}

/// A file in a folder of the test's own.
class Folder {
 public:
  Folder() {
    auto name = (std::filesystem::temp_directory_path() / "weir-sql-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string write(const std::string& name, std::string_view content) const {
    const auto path = path_ / name;
    std::ofstream(path, std::ios::binary) << content;
    return path.string();
  }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("a bare column passes on its token, digit for digit") {
  CHECK(selected("SELECT a, b AS c, r.d FROM record r", R"({"a":80.10,"b":1E+2,"d":"\u00e9\/","x":0})") ==
        Values{R"({"a":80.10,"c":1E+2,"d":"\u00e9\/"})"});
  CHECK(selected("SELECT a FROM record", R"({"a": [1.0 , 2] })") == Values{R"({"a":[1.0 , 2]})"});
  CHECK(selected("SELECT a FROM record", R"({"a":12345678901234567890123})") ==
        Values{R"({"a":12345678901234567890123})"});
  CHECK(selected("SELECT missing FROM record", "{}") == Values{R"({"missing":null})"});
}

TEST_CASE("SELECT * is the original object, later columns replacing members or following") {
  const std::string record = R"({ "a" : 1.0, "b":"x" , "c":[1, 2] })";
  CHECK(selected("SELECT * FROM record", record) == Values{record});
  CHECK(selected("SELECT *, a + 1 AS a FROM record", record) == Values{R"({ "a" : 2.0, "b":"x" , "c":[1, 2] })"});
  CHECK(selected("SELECT *, 'n' AS d FROM record WHERE a = 1", record) ==
        Values{R"({ "a" : 1.0, "b":"x" , "c":[1, 2],"d":"n" })"});
  CHECK(selected("SELECT r.*, upper(b) b FROM record AS r", record) ==
        Values{R"({ "a" : 1.0, "b":"X" , "c":[1, 2] })"});
  CHECK(selected("SELECT * FROM record", R"({"a":1,"b":tru})") == Values{"error: the record is not valid JSON"});
  CHECK(selected("SELECT *, 2 * 3 AS six FROM record", "{}") == Values{R"({"six":6})"});
}

TEST_CASE("computed columns are JSON of their kind") {
  CHECK(selected("SELECT 1 AS i, 0.5 AS r, 'a\"b' AS t, NULL AS n, json_array(1, 'x') AS j, 2.0 AS w FROM record",
                 "{}") == Values{R"({"i":1,"r":0.5,"t":"a\"b","n":null,"j":[1,"x"],"w":2.0})"});
  CHECK(selected("SELECT a -> 'b' AS b FROM record", R"({"a":{"b":{"c":1.50}}})") == Values{R"({"b":{"c":1.50}})"});
  CHECK(selected("SELECT 1 AS a, 2 AS a FROM record", "{}") == Values{R"({"a":2})"});
  CHECK(selected("SELECT x'00ff' AS a FROM record", "{}").at(0).starts_with("error: column 'a' is a blob"));
}

TEST_CASE("a record may make several rows, or none") {
  CHECK(selected("SELECT record.id, j.value AS v FROM record, json_each(record.list) AS j",
                 "{\"id\":1,\"list\":[5,6]}\n{\"id\":2,\"list\":[]}\n{\"id\":3,\"list\":[7]}\n") ==
        Values{R"({"id":1,"v":5})", R"({"id":1,"v":6})", R"({"id":3,"v":7})"});
}

TEST_CASE("reference tables from CSV, JSON and SQLite join by SQL") {
  const Folder folder;
  const auto csv = folder.write("sensors.csv", "id,room,floor\r\ns-1,\"Lab, east\",2\ns-2,Hall,\n\n");
  const auto json =
      folder.write("kinds.json", R"([{"id":"s-1","kind":"temp","limits":{"max":30}},{"id":"s-2","kind":"hum"}])");
  const auto db = folder.write("x.db", "");
  sqlite3* raw = nullptr;
  REQUIRE(sqlite3_open(db.c_str(), &raw) == SQLITE_OK);
  REQUIRE(sqlite3_exec(raw, "CREATE TABLE owner(id TEXT, name TEXT); INSERT INTO owner VALUES('s-1','Ada')", nullptr,
                       nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(raw);
  SqlRun run;
  run.tables = {{"sensors", "csv", csv, ""}, {"kinds", "json", json, ""}, {"owners", "sqlite", db, "owner"}};
  run.select =
      "SELECT r.*, s.room, s.floor, k.kind, k.limits ->> 'max' AS max, o.name AS owner FROM record r LEFT JOIN sensors "
      "s ON s.id = r.sensor_id "
      "LEFT JOIN kinds k ON k.id = r.sensor_id LEFT JOIN owners o ON o.id = r.sensor_id";
  run.session.add(
      "{\"sensor_id\":\"s-1\",\"v\":1.0}\n{\"sensor_id\":\"s-2\",\"v\":2}\n{\"sensor_id\":\"s-3\",\"v\":3}\n");
  const auto rows = run.run();
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].output ==
        R"({"sensor_id":"s-1","v":1.0,"room":"Lab, east","floor":2,"kind":"temp","max":30,"owner":"Ada"})");
  CHECK(rows[1].output ==
        R"({"sensor_id":"s-2","v":2,"room":"Hall","floor":null,"kind":"hum","max":null,"owner":null})");
  CHECK(rows[2].output == R"({"sensor_id":"s-3","v":3,"room":null,"floor":null,"kind":null,"max":null,"owner":null})");
}

TEST_CASE("a reference table is read again when its file changes, and a broken file holds the batch back") {
  const Folder folder;
  const auto path = folder.write("t.csv", "id,name\n1,one\n");
  SqlRun run;
  run.tables = {{"t", "csv", path, ""}};
  run.select = "SELECT record.id, t.name FROM record LEFT JOIN t ON t.id = record.id";
  run.session.add(R"({"id":1})");
  CHECK(run.run().at(0).output == R"({"id":1,"name":"one"})");
  folder.write("t.csv", "id,name\n1,uno-uno\n");
  CHECK(run.run().at(0).output == R"({"id":1,"name":"uno-uno"})");
  folder.write("t.csv", "id,name\n1,too,many\n");
  CHECK(refusal([&] { run.run(); }).find("line 2: 3 cells, but 2 columns") != std::string::npos);
  folder.write("t.csv", "id,name\n1,again\n");
  CHECK(run.run().at(0).output == R"({"id":1,"name":"again"})");
}

TEST_CASE("an unqualified column that a reference table also has is ambiguous where the record declares it") {
  const Folder folder;
  SqlRun run;
  run.record = std::make_shared<Declaration>(Declaration{"r", {{"id", FieldType::any, false, "", "", ""}}, true});
  run.tables = {{"t", "csv", folder.write("t.csv", "id,name\n1,one\n"), ""}};
  run.select = "SELECT id, name FROM record JOIN t USING (name)";
  run.select = "SELECT id, name FROM record JOIN t ON t.id = record.id";
  CHECK(refusal([&] { run.prepare(); }).starts_with("ambiguous column name: id"));
}

TEST_CASE("the record comes first in FROM") {
  const Folder folder;
  SqlRun run;
  run.tables = {{"t", "csv", folder.write("t.csv", "id,name\n1,one\n"), ""}};
  run.select = "SELECT t.name, record.v FROM t LEFT JOIN record ON t.id = record.id";
  CHECK(refusal([&] { run.prepare(); }).find("put record first") != std::string::npos);
  CHECK(refusal([] { selected("SELECT 1 AS one", "{}"); }).find("FROM record is missing") != std::string::npos);
}

TEST_CASE("a subquery joins like a table, whichever of the two SQLite would rather read first") {
  const std::string two = "(SELECT 1 AS v UNION ALL SELECT 2)";
  const Values rows{R"({"a":1,"v":1})", R"({"a":1,"v":2})", R"({"a":3,"v":1})", R"({"a":3,"v":2})"};
  for (const std::string join : {"JOIN ", "INNER JOIN ", "LEFT JOIN ", "CROSS JOIN ", ", "}) {
    CAPTURE(join);
    CHECK(selected("SELECT a, v FROM record " + join + two, "{\"a\":1}\n{\"a\":3}\n") == rows);
    CHECK(selected("SELECT r.a, x.v FROM record AS r " + join + two + " AS x", "{\"a\":1}\n{\"a\":3}\n") == rows);
  }
  CHECK(selected("WITH x AS (SELECT 5 AS v) SELECT a, v FROM record JOIN x ON a < v", R"({"a":1})") ==
        Values{R"({"a":1,"v":5})"});
  CHECK(selected("SELECT a, v, w FROM record JOIN (SELECT 1 AS v), (SELECT 2 AS w) WHERE a IN (1, 2)", R"({"a":1})") ==
        Values{R"({"a":1,"v":1,"w":2})"});
}

TEST_CASE("a statement reads the record once, and one that would not is refused when it is prepared") {
  for (const std::string sql :
       {"SELECT a FROM record JOIN (SELECT a AS z FROM record)", "SELECT a, (SELECT b FROM record) AS b FROM record"}) {
    CAPTURE(sql);
    CHECK(refusal([&] { selected(sql, "{}"); }).starts_with("a statement reads record only once"));
  }
  CHECK(refusal([] {
          selected("SELECT a FROM record RIGHT JOIN (SELECT 1 AS v) ON a = v", "{}");
        }).find("put record first") != std::string::npos);
}

TEST_CASE("what needs several records is refused in a subquery over the record too, and allowed over other tables") {
  for (const std::string inner : {"SELECT a FROM record LIMIT 3", "SELECT DISTINCT a FROM record",
                                  "SELECT max(a) AS a FROM record", "SELECT a FROM record GROUP BY a"}) {
    CAPTURE(inner);
    CHECK(refusal([&] { selected("SELECT a FROM (" + inner + ")", "{}"); }).find("per: flowfile") != std::string::npos);
  }
  CHECK(selected("SELECT a, (SELECT max(value) FROM json_each(b) LIMIT 1) AS m FROM record", R"({"a":1,"b":[3,4]})") ==
        Values{R"({"a":1,"m":4})"});
  CHECK(selected("SELECT a FROM (SELECT a FROM record WHERE b > 1)", R"({"a":1,"b":2})") == Values{R"({"a":1})"});
}

TEST_CASE("edits touch only the bytes concerned") {
  CHECK(edited(R"({ "a" : 1 ,"b":[1,  2]})", {{"a", "2", false}}) == R"({ "a" : 2 ,"b":[1,  2]})");
  CHECK(edited(R"({"a":1})", {{"b", "2", false}}) == R"({"a":1,"b":2})");
  CHECK(edited("{}", {{"b", "2", false}, {"c", "3", false}}) == R"({"b":2,"c":3})");
  CHECK(edited("{\n \"a\": 1\n}", {{"b", "2", false}}) == "{\n \"a\": 1,\"b\":2\n}");
  CHECK(edited(R"({"a":1,"b":2,"c":3})", {{"a", "", true}}) == R"({"b":2,"c":3})");
  CHECK(edited(R"({"a":1, "b":2, "c":3})", {{"b", "", true}}) == R"({"a":1, "c":3})");
  CHECK(edited(R"({"a":1, "b":2 })", {{"b", "", true}}) == R"({"a":1 })");
  CHECK(edited(R"({ "a":1, "b":2})", {{"a", "", true}, {"b", "", true}}) == "{}");
  CHECK(edited(R"({"a":1,"b":2,"a":3})", {{"a", "9", false}}) == R"({"a":1,"b":2,"a":9})");
  CHECK(edited(R"({"a":1,"b":2,"a":3})", {{"a", "", true}}) == R"({"b":2})");
  CHECK(edited(R"({"a":1,"b":2})", {{"a", "", true}, {"c", "3", false}}) == R"({"b":2,"c":3})");
  CHECK(edited(R"({"a":1})", {{"a", "", true}, {"c", "3", false}}) == R"({"c":3})");
  CHECK(edited(R"({"\u0061":1})", {{"a", "2", false}}) == R"({"\u0061":2})");
  CHECK(edited(R"({"x":{"a":1},"y":"\"}","a":"}"})", {{"a", "2", false}}) == R"({"x":{"a":1},"y":"\"}","a":2})");
}

TEST_CASE("assignments see the record as it came in; NULL is written as null; a copy keeps its digits") {
  CHECK(updated({{"a", "b"}, {"b", "a"}}, {}, R"({"a":1.50,"b":"x"})") == Values{R"({"a":"x","b":1.50})"});
  CHECK(updated({{"c", "nope"}, {"hot", "a > 1"}}, {"b"}, R"({"a":1.50,"b":"x"})") ==
        Values{R"({"a":1.50,"c":null,"hot":true})"});
  CHECK(updated({{"c", "a -> '$'"}}, {}, "{\"a\":\"{\"}\n{\"a\":\"1\"}\n") ==
        Values{"error: field 'c': malformed JSON", R"({"a":"1","c":1})"});
  CHECK(updated({{"a", "1"}}, {}, "{\"b\":tru}\n{}") == Values{"error: the record is not valid JSON", R"({"a":1})"});
}

TEST_CASE("eval writes a line a result, says which line fails, and marks the place in wrong SQL") {
  const auto run = [](const std::string& sql, const std::string& records) {
    std::istringstream in(records);
    std::ostringstream out;
    std::ostringstream errors;
    const int status = eval(sql, in, out, errors);
    return std::to_string(status) + "|" + out.str() + "|" + errors.str();
  };
  CHECK(run("a > 1", "{\"a\":1}\n{\"a\":2.50}\n") == "0|false\ntrue\n|");
  CHECK(run("a", "{\"a\":1}\n{\"a\":2.50}\n") == "0|1\n2.50\n|");
  CHECK(run("SELECT *, 1 AS x FROM record", "{\n \"a\": 1\n}\n") == "0|{  \"a\": 1,\"x\":1 }\n|");
  CHECK(run("a", "{\"a\":1}\n\noops\n{\"a\":3}\n") == "1|1\n3\n|line 3: the record is not JSON\n");
  for (const char* text : {"not json", "nullptr", "truely", "2026-11-21 boot", "-", "falsey"})
    CHECK(run("a", text) == std::string("1||line 1: the record is not JSON\n"));
  CHECK(run("a", "null") == "1||line 1: the record is null, not an object\n");
  CHECK(run("a", "-1.5e3\n\"x\"\n[1]\ntrue\n") ==
        "1||line 1: the record is a number, not an object\nline 2: the record is text, not an object\n"
        "line 3: the record is an array, not an object\nline 4: the record is a boolean, not an object\n");
  CHECK(run("a + \"b\"", "{}").starts_with("2||\"b\" in double quotes"));
  CHECK(run("uper(a)", "{}") == "2||no such function: uper\n  uper(a)\n  ^\ndid you mean upper?\n");
}
