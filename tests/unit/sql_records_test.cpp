// Finding records in content, good and bad.
#include <doctest/doctest.h>

#include "sql/records.h"
#include "tests/sql/run_sql.h"

using namespace weir::sql;
using weir::abi::As;
using weir::abi::Form;
using Values = std::vector<std::string>;

namespace {

std::vector<Outcome> read(std::string_view content) {
  SqlRun run;
  run.columns = {{"a", As::any}};
  run.session.add(content);
  return run.run();
}

/// Each record: its bytes, or "bad: " and its bytes.
Values records(std::string_view content) {
  Values found;
  for (const auto& row : read(content)) found.push_back((row.error.empty() ? "" : "bad: ") + row.json);
  return found;
}

std::string nested(std::size_t depth) {
  return "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
}

}  // namespace

TEST_CASE("content is one object, an array or objects one after another") {
  CHECK(read(R"({"a":1})").at(0).form == Form::object);
  CHECK(read("{\"a\":1}\n").at(0).form == Form::lines);
  CHECK(read("{\"a\":1}\n{\"a\":2}").at(0).form == Form::lines);
  CHECK(read(R"([{"a":1}])").at(0).form == Form::array);
  CHECK(records("{\"a\":1}\r\n\r\n{\"a\":2}\r\n") == Values{R"({"a":1})", R"({"a":2})"});
  CHECK(records(R"({"a":1}{"a":2} {"a":3})") == Values{R"({"a":1})", R"({"a":2})", R"({"a":3})"});
  CHECK(records("{\n  \"a\": 1\n}\n{\n  \"a\": 2\n}\n") == Values{"{\n  \"a\": 1\n}", "{\n  \"a\": 2\n}"});
  CHECK(records(" [ {\"a\":1} , {} ] \n") == Values{"{\"a\":1}", "{}"});
  CHECK(records("\xEF\xBB\xBF{\"a\":1}") == Values{"{\"a\":1}"});
  CHECK(records("{}") == Values{"{}"});
  CHECK(records("[]").empty());
}

TEST_CASE("empty content is one failure, an empty array is none") {
  for (const auto* content : {"", " \n "}) {
    const auto rows = read(content);
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].error == "the content is empty: there is no record in it");
  }
}

TEST_CASE("a bad line fails alone, with its bytes, and the lines around it stand") {
  const Values bad = {"garbage",
                      "{\"a\":",
                      "{\"a\":1",
                      "{\"a\":1}}",
                      "{\"a\" 1}",
                      "{a:1}",
                      "42",
                      "\"text\"",
                      "null",
                      "[1,2]",
                      "{\"a\":1,}",
                      "{,}",
                      "{\"a\":\"open}",
                      "{\"a\":\"\xff\"}",
                      "{\"a\":\"\x01\"}",
                      "{\"a\":{\"b\":1}",
                      "{\"a\":[1}",
                      "}",
                      "]",
                      "{\"a\":1 \"b\":2}",
                      "{\"a\":\"\\ud800\"}",
                      "{\"a\":tru}",
                      "{\"a\":01}",
                      "{\"a\":.5}",
                      "{\"a\":+1}",
                      "{\"a\":1.}"};
  for (const auto& line : bad) {
    CAPTURE(line);
    const auto found = records("{\"a\":1}\n" + line + "\n{\"a\":3}\n");
    REQUIRE(found.size() >= 3);
    CHECK(found.front() == "{\"a\":1}");
    CHECK(found.back() == "{\"a\":3}");
    bool failed = false;
    for (const auto& f : found) failed = failed || f.starts_with("bad: ");
    CHECK(failed);
  }
  CHECK(records("{\"a\":1}\n{\"a\":\n{\"a\":3}\n") == Values{"{\"a\":1}", "bad: {\"a\":", "{\"a\":3}"});
  CHECK(records("x\ny\n{\"a\":3}") == Values{"bad: x", "bad: y", "{\"a\":3}"});
}

TEST_CASE("a broken record that spans lines fails once") {
  CHECK(records("{\n  \"a\": 1,\n  \"b\"\n}\n{\"a\":2}\n") == Values{"bad: {\n  \"a\": 1,\n  \"b\"\n}", "{\"a\":2}"});
}

TEST_CASE("a broken array yields the elements before the damage, and the rest as one failure") {
  CHECK(records(R"([{"a":1},{"a":2},{"a":}])") == Values{R"({"a":1})", R"({"a":2})", R"(bad: {"a":}])"});
  CHECK(records(R"([{"a":1},7,{"a":2}])") == Values{R"({"a":1})", "bad: 7", R"({"a":2})"});
  CHECK(records(R"([{"a":1},)") == Values{R"({"a":1})", "bad: "});
  CHECK(records(R"([{"a":1}] x)") == Values{R"({"a":1})", "bad: x"});
  CHECK(records(R"([{"a":1} {"a":2}])") == Values{R"({"a":1})", R"(bad: {"a":2}])"});
  CHECK(records("[{\"a\":\"\xff\"}]").at(0).starts_with("bad: "));
}

TEST_CASE("a depth bomb fails its record, and costs neither stack nor the next line") {
  CHECK(records(nested(1000) + "\n{\"a\":2}\n").at(0).starts_with("{"));
  const auto found = records(nested(2000) + "\n" + std::string(100'000, '[') + "\n{\"a\":2}\n");
  REQUIRE(found.size() == 3);
  CHECK(found[0].starts_with("bad: "));
  CHECK(found[1].starts_with("bad: "));
  CHECK(found[2] == "{\"a\":2}");
}

TEST_CASE("what was not asked for is not vouched for") {
  CHECK(records(R"({"b":tru,"a":1,"c":{"x":01}})").at(0).starts_with("{"));
}

TEST_CASE("records larger than a window, and windows cut anywhere, change nothing") {
  const std::string big = "{\"b\":\"" + std::string(300'000, 'x') + "\",\"a\":1}";
  std::string content;
  for (int i = 0; i < 2000; ++i)
    content +=
        "{\"a\":" + std::to_string(i) + ",\"pad\":\"" + std::string(static_cast<std::size_t>(i % 97), 'y') + "\"}\n";
  content += big + "\n";
  content += "{\n \"a\": 5,\n \"pad\":\"" + std::string(200'000, 'z') + "\"\n}\n{\"a\":6}\n";
  const auto rows = read(content);
  REQUIRE(rows.size() == 2003);
  for (std::size_t i = 0; i < 2000; ++i) REQUIRE(rows[i].values == Values{"i:" + std::to_string(i)});
  CHECK(rows[2000].json == big);
  CHECK(rows[2001].values == Values{"i:5"});
  CHECK(rows[2002].values == Values{"i:6"});
}

TEST_CASE("damage in one window leaves the good lines of that window") {
  std::string content;
  for (int i = 0; i < 3000; ++i)
    content += i % 100 == 50 ? "{\"a\":\"\xff\xfe\n" : "{\"a\":" + std::to_string(i) + "}\n";
  const auto rows = read(content);
  REQUIRE(rows.size() == 3000);
  for (std::size_t i = 0; i < 3000; ++i) {
    if (i % 100 == 50) {
      REQUIRE(!rows[i].error.empty());
      REQUIRE(rows[i].json == "{\"a\":\"\xff\xfe");
    } else {
      REQUIRE(rows[i].values == Values{"i:" + std::to_string(i)});
    }
  }
}

TEST_CASE("fields are found wherever they stand, whatever their names' spelling") {
  std::string content;
  for (int i = 0; i < 50; ++i)
    content += i % 3 == 0   ? "{\"a\":1,\"bb\":2}\n"
               : i % 3 == 1 ? "{\"bb\":2,\"\\u0061\":1}\n"
                            : "{ \"c\" : 0 , \"a\" : 1 , \"ab\" : 9 }\n";
  for (const auto& row : read(content)) CHECK(row.values == Values{"i:1"});
  const std::string name(40, 'n');
  CHECK(evaluate(name + " + " + name + "x", "{\"" + name + "\":1,\"" + name + "x\":2}") == Values{"i:3"});
}

TEST_CASE("256 MB of records, and a record of 256 MB, are read in place") {
  const std::size_t size = 256 * 1024 * 1024;
  std::string one = "{\"a\":\"";
  one.resize(size - 2, 'x');
  one += "\"}";
  const auto rows = evaluate("length(a)", one);
  CHECK(rows == Values{"i:" + std::to_string(size - 8)});
}

TEST_CASE("a visitor that has enough ends the run") {
  SqlRun run;
  run.columns = {{"a", As::any}};
  run.session.add("{\"a\":1}\n{\"a\":2}\nx\n{\"a\":3}\n");
  CHECK(run.run(2).size() == 2);
  CHECK(run.run(3).size() == 3);
  CHECK(run.run().size() == 4);
  SqlRun select;
  select.select = "SELECT a FROM record";
  select.session.add("{\"a\":1}\n{\"a\":2}\nx\n{\"a\":3}\n");
  CHECK(select.run(1).size() == 1);
  CHECK(select.run(3).size() == 3);
  CHECK(select.run().size() == 4);
}

TEST_CASE("rows name their FlowFile and their place in it") {
  SqlRun run;
  run.columns = {{"a + 0", As::any}};
  run.session.add("{\"a\":1}\n{\"a\":2}\n");
  run.session.add("[{\"a\":3}]");
  const auto rows = run.run();
  REQUIRE(rows.size() == 3);
  CHECK(rows[1].input == 0);
  CHECK(rows[1].record == 1);
  CHECK(rows[2].input == 1);
  CHECK(rows[2].record == 0);
}
