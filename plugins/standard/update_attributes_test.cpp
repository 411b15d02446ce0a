#include <doctest/doctest.h>

#include <string>

#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

using namespace weir::testkit;

namespace {

Runner update_attributes(const std::string& properties) {
  return Runner(find_type(weir_plugin_abi_1(), "UpdateAttributes"), properties);
}

}  // namespace

TEST_CASE("attributes are set to texts, and to what SQL makes of attributes and the record") {
  auto runner =
      update_attributes("{set: {site: north, sensor: '$(sensor_id)', both: \"$(attr('a'))/$(temperature)\", a: new}}");
  runner.push(R"({"sensor_id":"s1","temperature":20.50})", {{"a", "old"}, {"kept", "k"}});
  runner.run();
  const auto outputs = runner.take("success");
  REQUIRE(outputs.size() == 1);
  CHECK(outputs[0].content == R"({"sensor_id":"s1","temperature":20.50})");
  CHECK(outputs[0].attributes ==
        Attributes{{"a", "new"}, {"both", "old/20.50"}, {"kept", "k"}, {"sensor", "s1"}, {"site", "north"}});
  CHECK(outputs[0].parents == std::vector<std::uint64_t>{0});
}

TEST_CASE("attributes are removed by name and by expression, before others are set") {
  auto runner = update_attributes("{remove: [a, missing], remove_matching: 'http\\..*', set: {http.x: '1'}}");
  runner.push("any", {{"a", "1"}, {"b", "2"}, {"http.code", "200"}, {"http.x", "0"}, {"xhttp.y", "3"}});
  runner.run();
  CHECK(runner.take("success").at(0).attributes == Attributes{{"b", "2"}, {"http.x", "1"}, {"xhttp.y", "3"}});
}

TEST_CASE("what reads only attributes takes any content") {
  auto runner = update_attributes("{set: {upper: \"$(upper(attr('a')))\"}}");
  runner.push("\xff no JSON", {{"a", "x"}});
  runner.push("", {{"a", "y"}});
  runner.run();
  const auto outputs = runner.take("success");
  REQUIRE(outputs.size() == 2);
  CHECK(outputs[0].attributes.at("upper") == "X");
}

TEST_CASE("where a value cannot be had the FlowFile goes to failure as it came, and the others go on") {
  auto runner = update_attributes("{set: {x: '$(sensor_id)', y: z}, remove: [a]}");
  runner.push(R"({"sensor_id":"s1"})");
  runner.push(R"({"other":1})", {{"a", "1"}});
  runner.push("garbage", {{"a", "1"}});
  runner.push(R"({"sensor_id":"s2"})");
  runner.run();
  CHECK(runner.take("success").size() == 2);
  const auto failed = runner.take("failure");
  REQUIRE(failed.size() == 2);
  for (const auto& output : failed) {
    CHECK(output.attributes.at("a") == "1");
    CHECK(output.attributes.count("y") == 0);
    CHECK(output.attributes.at("error.message") != "");
  }
  CHECK(failed[1].content == "garbage");
}

TEST_CASE("settings that do nothing or cannot work are refused") {
  CHECK_THROWS_WITH(update_attributes(""), doctest::Contains("nothing to do"));
  CHECK_THROWS_WITH(update_attributes("remove_matching: '('"),
                    doctest::Contains("remove_matching is no regular expression"));
}
