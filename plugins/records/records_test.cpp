// Filter, Route, Select and UpdateRecord as a flow runs them.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "weir/plugin.h"
#include "weir/tables.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

using weir::testkit::find_type;
using weir::testkit::Options;
using weir::testkit::Output;
using weir::testkit::Runner;

namespace {

const weir::abi::ProcessorType* type(const char* name) {
  return find_type(weir_plugin_abi_1(), name);
}

std::vector<std::string> contents(Runner& runner, const std::string& relationship) {
  std::vector<std::string> all;
  for (const auto& output : runner.take(relationship)) all.push_back(output.content);
  return all;
}

using Contents = std::vector<std::string>;

}  // namespace

TEST_CASE("Filter sends a FlowFile whose records all go one way there itself, byte for byte") {
  Runner runner(type("Filter"), "where: t > 20");
  runner.push("{\"t\": 21}\n\n{\"t\":22.50}\n");
  runner.push("{\"t\":1}");
  runner.push("[ ]");
  runner.push("{\"u\":1}");
  runner.run();
  const auto matched = runner.take("matched");
  REQUIRE(matched.size() == 1);
  CHECK(matched[0].content == "{\"t\": 21}\n\n{\"t\":22.50}\n");
  CHECK(matched[0].parents == std::vector<std::uint64_t>{0});
  CHECK(contents(runner, "unmatched") == Contents{"{\"t\":1}", "[ ]", "{\"u\":1}"});
}

TEST_CASE("Filter divides records in the form that the FlowFile had") {
  Runner runner(type("Filter"), "where: t > 20");
  runner.push("{\"t\":21}\n{\"t\":1}\n{\"t\":22}\n", {{"a", "b"}});
  runner.push("[{\"t\":1},{\"t\":30}]");
  runner.run();
  const auto matched = runner.take("matched");
  REQUIRE(matched.size() == 2);
  CHECK(matched[0].content == "{\"t\":21}\n{\"t\":22}\n");
  CHECK(matched[0].attributes.at("a") == "b");
  CHECK(matched[0].records == 2);
  CHECK(matched[1].content == "[{\"t\":30}]");
  CHECK(contents(runner, "unmatched") == Contents{"{\"t\":1}\n", "[{\"t\":1}]"});
}

TEST_CASE("bad records go to failure with their bytes and the reason, and the rest proceeds") {
  Runner runner(type("Filter"), "where: t > 20", Options{.record = "t: {type: number}"});
  runner.push("{\"t\":21}\n{\"t\":\"hot\"}\noops\n{\"t\":22}\n");
  runner.push("");
  runner.run();
  CHECK(contents(runner, "matched") == Contents{"{\"t\":21}\n{\"t\":22}\n"});
  const auto failed = runner.take("failure");
  REQUIRE(failed.size() == 3);
  bool text = false;
  bool garbage = false;
  bool empty = false;
  for (const auto& output : failed) {
    CHECK(!output.attributes.at("error.kind").empty());
    CHECK(!output.attributes.at("error.time").empty());
    CHECK(output.attributes.at("error.processor").find("processor") != std::string::npos);
    const auto& message = output.attributes.at("error.message");
    if (output.content == "{\"t\":\"hot\"}\n") text = message == "field 't' is text, not a number: \"hot\"";
    if (output.content == "oops\n") garbage = message == "the record is not JSON";
    if (output.content.empty()) empty = message.find("empty") != std::string::npos;
  }
  CHECK(text);
  CHECK(garbage);
  CHECK(empty);
}

TEST_CASE("a condition that is text fails the record") {
  Runner runner(type("Filter"), "where: s");
  runner.push("{\"s\":\"yes\"}\n{\"s\":true}\n{\"s\":0}\n{}\n");
  runner.run();
  CHECK(contents(runner, "matched") == Contents{"{\"s\":true}\n"});
  CHECK(contents(runner, "unmatched") == Contents{"{\"s\":0}\n{}\n"});
  CHECK(contents(runner, "failure") == Contents{"{\"s\":\"yes\"}\n"});
}

TEST_CASE("a thousand FlowFiles of one record each are parted in one step") {
  Runner runner(type("Filter"), "where: n % 2 = 0");
  for (int i = 0; i < 1000; ++i) runner.push("{\"n\":" + std::to_string(i) + "}");
  runner.run();
  const auto matched = runner.take("matched");
  REQUIRE(matched.size() == 500);
  CHECK(matched[3].content == "{\"n\":6}");
  CHECK(runner.take("unmatched").size() == 500);
}

TEST_CASE("Route takes the first route whose condition is true") {
  Runner runner(type("Route"), "routes:\n  hot: t > 30\n  warm: t > 20\n");
  runner.push("{\"t\":35}\n{\"t\":25}\n{\"t\":5}\nx\n");
  runner.push("{\"t\":31}");
  runner.run();
  CHECK(contents(runner, "hot") == Contents{"{\"t\":35}\n", "{\"t\":31}"});
  CHECK(contents(runner, "warm") == Contents{"{\"t\":25}\n"});
  CHECK(contents(runner, "unmatched") == Contents{"{\"t\":5}\n"});
  CHECK(contents(runner, "failure") == Contents{"x\n"});
}

TEST_CASE("Route with mode all takes every route whose condition is true") {
  Runner runner(type("Route"), "routes:\n  hot: t > 30\n  warm: t > 20\nmode: all\n");
  runner.push("{\"t\":35}\n{\"t\":25}\n{\"t\":5}\n");
  runner.push("[]");
  runner.run();
  CHECK(contents(runner, "hot") == Contents{"{\"t\":35}\n"});
  CHECK(contents(runner, "warm") == Contents{"{\"t\":35}\n{\"t\":25}\n"});
  CHECK(contents(runner, "unmatched") == Contents{"{\"t\":5}\n", "[]"});
}

TEST_CASE("Select makes records, drops those without a row, and keeps failures apart") {
  Runner runner(type("Select"), "select: SELECT a, b * 2 AS c FROM record WHERE b IS NOT NULL");
  runner.push("{\"a\":1.50,\"b\":2}\n{\"a\":2}\n}\n{\"a\":3,\"b\":0.5}\n");
  runner.push("{\"a\":4}");
  runner.run();
  CHECK(contents(runner, "success") == Contents{"{\"a\":1.50,\"c\":4}\n{\"a\":3,\"c\":1.0}\n"});
  CHECK(contents(runner, "failure") == Contents{"}\n"});
  CHECK(runner.dropped().size() == 1);
}

TEST_CASE("What WHERE leaves out is left out, also if all else of a FlowFile passes unchanged, or fails") {
  Runner runner(type("Select"), "select: SELECT * FROM record WHERE v > 1\n");
  runner.push("{\"v\":1}\n{\"v\":2}\n");
  runner.push("[{\"v\":3},{\"v\":0},{\"v\":4}]");
  runner.push("{\"v\":5} {\"v\":-1}\n");
  runner.push("[{\"v\":6} , {\"v\":7}]\n");
  runner.run();
  CHECK(contents(runner, "success") ==
        Contents{"{\"v\":2}\n", "[{\"v\":3},{\"v\":4}]", "{\"v\":5}\n", "[{\"v\":6} , {\"v\":7}]\n"});
  Runner failing(type("Select"), "select: SELECT json(v) AS j FROM record WHERE v <> 'x'\n");
  failing.push("{\"v\":\"x\"}\n{\"v\":\"broken\"}\n");
  failing.run();
  CHECK(contents(failing, "success").empty());
  CHECK(contents(failing, "failure") == Contents{"{\"v\":\"broken\"}\n"});
}

TEST_CASE("Select per FlowFile aggregates its records") {
  Runner runner(type("Select"), "select: SELECT k, sum(v) AS s FROM record GROUP BY k ORDER BY k\nper: flowfile\n");
  runner.push("{\"k\":\"b\",\"v\":1}\n{\"k\":\"a\",\"v\":2}\nx\n{\"k\":\"b\",\"v\":3}\n");
  runner.push("[{\"k\":\"z\",\"v\":9}]");
  runner.run();
  CHECK(contents(runner, "success") ==
        Contents{"{\"k\":\"a\",\"s\":2}\n{\"k\":\"b\",\"s\":4}\n", "[{\"k\":\"z\",\"s\":9}]"});
  CHECK(contents(runner, "failure") == Contents{"x\n"});
}

TEST_CASE("Select keeps a FlowFile without rows as an empty array, where it is told to") {
  for (const auto* per : {"record", "flowfile"}) {
    Runner runner(type("Select"),
                  std::string("select: SELECT v FROM record WHERE v > 1\nkeep_empty: true\nper: ") + per + "\n");
    runner.push("{\"v\":1}\n{\"v\":0}\n", {{"day", "mon"}});
    runner.push("[]");
    runner.push("{\"v\":2}\n");
    runner.run();
    const auto outputs = runner.take("success");
    REQUIRE(outputs.size() == 3);
    CHECK(outputs[0].content == "[]");
    CHECK(outputs[0].attributes.at("day") == "mon");
    CHECK(outputs[1].content == "[]");
    CHECK(outputs[2].content == "{\"v\":2}\n");
    CHECK(runner.dropped().empty());
  }
}

TEST_CASE("Select says what is wrong with a table of a database") {
  const auto refused = [](const std::string& table) {
    try {
      Runner runner(type("Select"), "select: SELECT v FROM record\ntables: {t: {" + table + "}}\n");
    } catch (const std::exception& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  const auto says = [&](const std::string& table, const std::string& message) {
    const auto text = refused(table);
    CAPTURE(text);
    CHECK(text.find(message) != std::string::npos);
  };
  says("format: csv", "reference table 't' is neither of a file (format and path) nor of a database");
  says("database: \"postgresql://db/x\", path: x.csv, format: csv", "a table is of a database or of a file");
  says("database: \"postgresql://db/x\", table: a, query: SELECT 1", "either `table` or `query`");
  says("database: \"postgresql://db/x\", refresh: 5m, max_age: 1m", "max_age has to be longer than refresh (5m)");
  weir::ReferenceTable file;
  file.format = "csv";
  file.path = "x.csv";
  CHECK_NOTHROW(weir::check_table("t", file));
  file.refresh = std::chrono::minutes(1);
  CHECK_THROWS_AS(weir::check_table("t", file), weir::Misconfigured);
}

TEST_CASE("Select joins with a reference table") {
  auto folder = (std::filesystem::temp_directory_path() / "weir-records-XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  std::ofstream(folder + "/s.csv") << "id,room\n7,Lab\n";
  {
    Runner runner(type("Select"),
                  "select: SELECT r.*, s.room FROM record r LEFT JOIN s ON s.id = r.id\n"
                  "tables:\n  s: {format: csv, path: " +
                      folder + "/s.csv}\n");
    runner.push("{\"id\":7,\"v\":1.0}\n{\"id\":8}\n");
    runner.run();
    CHECK(contents(runner, "success") == Contents{"{\"id\":7,\"v\":1.0,\"room\":\"Lab\"}\n{\"id\":8,\"room\":null}\n"});
  }
  std::filesystem::remove_all(folder);
}

TEST_CASE("UpdateRecord sets and removes fields and leaves the other bytes alone") {
  Runner runner(type("UpdateRecord"), "set:\n  f: t * 1.8 + 32\n  t: round(t, 1)\nremove: [debug]\n");
  runner.push("{ \"t\": 20.04 , \"x\":1.0,\"debug\":[1,2]}");
  runner.push("[]");
  runner.push("{\"t\":1}\n{\"t\":\n");
  runner.run();
  CHECK(contents(runner, "success") ==
        Contents{"{ \"t\": 20.0 , \"x\":1.0,\"f\":68.072}", "[]", "{\"t\":1.0,\"f\":33.8}\n"});
  CHECK(contents(runner, "failure") == Contents{"{\"t\":\n"});
}

TEST_CASE("wrong SQL stops the processor before any data, and says where it is wrong") {
  for (const auto& [name, yaml] :
       std::vector<std::pair<const char*, const char*>>{{"Filter", "where: t >"},
                                                        {"Select", "select: SELECT count(*) FROM record"},
                                                        {"UpdateRecord", "set: {a: nope(1)}"}}) {
    CHECK_THROWS(Runner(type(name), yaml));
  }
  CHECK_THROWS(Runner(type("UpdateRecord"), "set: {}"));
  CHECK_THROWS(Runner(type("Filter"), "where: tmp > 1", Options{.record = "temp: {type: number}"}));
}
