#include <doctest/doctest.h>

#include "weir/plugin.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace {

using weir::testkit::Options;
using weir::testkit::Runner;

struct Csv : Runner {
  explicit Csv(const std::string& properties, Options options = {})
      : Runner(weir::testkit::find_type(weir_plugin_abi_1(), "WriteCsv"), properties, options) {}
};

std::string written(const std::string& properties, const std::string& records, Options options = {}) {
  Csv csv(properties, options);
  csv.push(records);
  csv.run();
  CHECK(csv.take("failure").empty());
  const auto out = csv.take("success");
  REQUIRE(out.size() == 1);
  CHECK(out[0].attributes.at("mime.type") == "text/csv");
  return out[0].content;
}

TEST_CASE("records become rows of the columns asked for, with the header once, digits as they are") {
  CHECK(written("columns: [id, temperature, ok, \"temperature * 2\"]",
                "{\"id\":\"s-1\",\"temperature\":80.10,\"ok\":true,\"more\":1}\n"
                "{\"temperature\":1e300,\"id\":null,\"ok\":false}\n") ==
        "id,temperature,ok,temperature * 2\ns-1,80.10,true,160.2\n,1e300,false,"
        "2e+300\n");
}

TEST_CASE("without columns the declared fields are taken, whatever their names, times in the form they have") {
  CHECK(written("", R"([{"limit":"a","at":1700000000,"when":"2024-01-01 00:00"},{}])",
                {.record = "limit: {type: text}\nat: {type: time, format: unix_s}\nwhen: {type: time}\n"}) ==
        "limit,at,when\na,1700000000,2024-01-01 00:00\n,,\n");
}

TEST_CASE("quotes stand where they are needed, and tell an empty text from null") {
  const std::string record = R"({"a":"x,\"y\"","b":"l1\nl2","c":"","d":null,"e":"caf\u00e9","f":[1, "z"]})";
  CHECK(written("columns: [a, b, c, d, e, f]\nheader: false", record) ==
        "\"x,\"\"y\"\"\",\"l1\nl2\",\"\",,caf\xc3\xa9,\"[1, \"\"z\"\"]\"\n");
  CHECK(written("columns: [c, d, e]\n\"null\": NA\nheader: false", R"({"c":"","e":"NA"})") == ",NA,\"NA\"\n");
  CHECK(written("columns: [a, n]\nquoting: text", R"({"a":"007","n":7})") == "\"a\",\"n\"\n\"007\",7\n");
  CHECK(written("columns: [a, n]\nquoting: all", R"({"a":"007","n":7})") == "\"a\",\"n\"\n\"007\",\"7\"\n");
  CHECK(written("columns: [d]\nheader: false", record) == "\"\"\n");
}

TEST_CASE("without a header the row of columns is in an attribute, for the file that many FlowFiles make") {
  Runner runner(weir::testkit::find_type(weir_plugin_abi_1(), "WriteCsv"), "columns: [a, b]\nheader: false");
  runner.push(R"({"a":1,"b":2})");
  runner.push("[]");
  runner.run();
  const auto csv = runner.take("success");
  REQUIRE(csv.size() == 2);
  CHECK(csv[0].content == "1,2\n");
  CHECK(csv[0].attributes.at("csv.header") == "a,b\n");
  CHECK(csv[1].content.empty());
  CHECK(csv[1].attributes.at("csv.header") == "a,b\n");
}

TEST_CASE("delimiter, quote and line end are the author's") {
  CHECK(written("columns: [a, b]\ndelimiter: \";\"\nquote: \"'\"\nline_end: crlf", R"({"a":"x;y","b":"it's"})") ==
        "a;b\r\n'x;y';'it''s'\r\n");
}

TEST_CASE("an empty array becomes a header alone") {
  CHECK(written("columns: [a]", "[]") == "a\n");
}

TEST_CASE("records that cannot be read go to failure with their bytes, the rest proceed") {
  Csv csv("columns: [a]", {.record = "a: {type: integer}"});
  csv.push("{\"a\":1}\n{\"a\":\"x\"}\n{\"a\":2}\n{broken\n");
  csv.push("{\"a\":\"y\"}");
  csv.run();
  const auto out = csv.take("success");
  REQUIRE(out.size() == 1);
  CHECK(out[0].content == "a\n1\n2\n");
  CHECK(out[0].records == 2);
  const auto bad = csv.take("failure");
  REQUIRE(bad.size() == 3);
  CHECK(bad[0].content == "{\"a\":\"x\"}\n");
  CHECK(bad[1].content == "{broken\n");
  CHECK(bad[2].content == "{\"a\":\"y\"}");
}

TEST_CASE("without columns and without a declaration it says what to do") {
  CHECK_THROWS_WITH(Csv(""),
                    "columns: none are given, and the flow declares no record for the input to take them from");
  CHECK_THROWS(Csv("columns: [a]\ndelimiter: \"\""));
  CHECK_THROWS(Csv("columns: [a]\n\"null\": \",\""));
}

TEST_CASE("what it writes, ReadCsv reads back") {
  const std::string records =
      "{\"id\":1,\"text\":\"a,\\\"b\\\"\\r\\nc\",\"zip\":\"007\",\"none\":null}\n"
      "{\"id\":-2.50,\"text\":\"\",\"zip\":\"true\",\"none\":null}\n";
  Csv csv("columns: [id, text, zip, none]\nquoting: text");
  csv.push(records);
  csv.run();
  Runner back(weir::testkit::find_type(weir_plugin_abi_1(), "ReadCsv"), "");
  back.push(csv.take("success").at(0).content);
  back.run();
  CHECK(back.take("success").at(0).content == records);
}

}  // namespace
