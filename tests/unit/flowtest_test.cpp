// What `weir test` finds different, and how it says so.

#include <doctest/doctest.h>

#include <boost/json/parse.hpp>

#include "flowtest/compare.h"
#include "flowtest/records.h"

namespace weir::flowtest {
namespace {

flow::Expectation expect(const std::vector<std::string>& records) {
  flow::Expectation expected;
  expected.mark = {"flow.yaml", 1, 1};
  expected.records.emplace();
  for (const auto& record : records)
    expected.records->push_back({{"flow.yaml", static_cast<int>(expected.records->size()) + 10, 5}, record});
  return expected;
}

std::vector<Passed> passed(const std::vector<std::string>& contents) {
  std::vector<Passed> files;
  for (const auto& content : contents) files.push_back({content, {{"kind", "a"}}});
  return files;
}

TEST_CASE("records are found in an object, an array and lines, and nowhere else") {
  CHECK(records_of(R"({"a":1})")->size() == 1);
  CHECK(records_of(R"( [{"a":1},{"a":2}] )")->size() == 2);
  CHECK(records_of("{\"a\":1}\n\n{\"a\":2}\n")->size() == 2);
  CHECK(records_of("")->empty());
  CHECK_FALSE(records_of("text").has_value());
  CHECK_FALSE(records_of("{\"a\":1}\n17\n").has_value());
  CHECK_FALSE(records_of("{\"a\":").has_value());
}

TEST_CASE("changed records keep the form of their content") {
  const std::vector<boost::json::value> two{boost::json::parse(R"({"a":1})"), boost::json::parse(R"({"a":2.5})")};
  CHECK(with_records("[{}]", two) == R"([{"a":1},{"a":2.5}])");
  CHECK(with_records("{}\n{}\n", two) == "{\"a\":1}\n{\"a\":2.5}\n");
  CHECK(with_records("{}", {two[0]}) == R"({"a":1})");
}

TEST_CASE("what is as expected is no failure") {
  CHECK(compare(expect({R"({"a":1})", R"({"a":2})"}), passed({"{\"a\":1}\n{\"a\":2}\n"}), "x").empty());
  CHECK(compare(expect({R"({"a":1.0})"}), passed({R"({"a":1})"}), "x").empty());
  auto near = expect({R"({"a":1})"});
  near.tolerance = 0.1;
  CHECK(compare(near, passed({R"({"a":1.09})"}), "x").empty());
  CHECK_FALSE(compare(near, passed({R"({"a":1.2})"}), "x").empty());
}

TEST_CASE("a difference names the field, what was expected and what was found, at the record's line") {
  const auto failures = compare(expect({R"({"a":1,"b":{"c":2.5}})"}), passed({R"({"a":1,"b":{"c":3,"d":4}})"}), "f/ok");
  REQUIRE(failures.size() == 1);
  CHECK(failures[0].mark.line == 10);
  CHECK(failures[0].message.find("f/ok: record 1 is not there") == 0);
  CHECK(failures[0].message.find("b.c: expected 2.5, found 3") != std::string::npos);
  CHECK(failures[0].message.find("b.d: not expected, found 4") != std::string::npos);
}

TEST_CASE("missing and further records are failures, unless the expectation is in part") {
  CHECK(compare(expect({R"({"a":1})", R"({"a":2})"}), passed({R"({"a":1})"}), "x").size() == 1);
  const auto further = compare(expect({R"({"a":1})"}), passed({R"({"a":1})", R"({"a":9})"}), "x");
  REQUIRE(further.size() == 1);
  CHECK(further[0].message.find("1 records too many") != std::string::npos);
  auto partly = expect({R"({"a":1})", R"({"a":3})"});
  partly.partly = true;
  const auto found = passed({R"({"a":0})", R"({"a":1,"b":2})", R"({"a":2})", R"({"a":3})"});
  CHECK(compare(partly, found, "x").empty());
  std::swap((*partly.records)[0], (*partly.records)[1]);
  CHECK(compare(partly, found, "x").size() == 1);  // the order still counts
  partly.any_order = true;
  CHECK(compare(partly, found, "x").empty());
}

TEST_CASE("in any order, each record is used once") {
  auto any = expect({R"({"a":1})", R"({"a":1})"});
  any.any_order = true;
  CHECK(compare(any, passed({R"({"a":1})", R"({"a":2})"}), "x").size() == 2);  // one is missing, one is too many
  CHECK(compare(any, passed({R"({"a":1})", R"({"a":1})"}), "x").empty());
}

TEST_CASE("contents, counts and attributes are compared as they are") {
  flow::Expectation expected;
  expected.contents = std::vector<flow::Written>{{flow::Mark{}, "one "}};
  expected.flowfiles = 1;
  expected.attributes.emplace("kind", flow::Written{{}, "a"});
  CHECK(compare(expected, passed({"one "}), "x").empty());
  CHECK(compare(expected, passed({"one"}), "x").size() == 1);
  std::vector<Passed> other{{"one ", {{"kind", "b"}}}};
  CHECK(compare(expected, other, "x").size() == 1);
  other[0].attributes.clear();
  CHECK(compare(expected, other, "x").size() == 1);
  other.clear();
  CHECK(compare(expected, other, "x").size() == 3);
}

}  // namespace
}  // namespace weir::flowtest
