#include <doctest/doctest.h>

#include <string>

#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

using namespace weir::testkit;
using weir::MiB;

namespace {

Runner split_json(const std::string& properties, Options options = {}) {
  return Runner(find_type(weir_plugin_abi_1(), "SplitJson"), properties, std::move(options));
}

std::string contents(const std::vector<Output>& outputs) {
  std::string all;
  for (const auto& output : outputs) all += output.content + "|";
  return all;
}

}  // namespace

TEST_CASE("each element becomes a FlowFile with NiFi's fragment attributes") {
  auto runner = split_json("path: $.readings");
  runner.push(R"({"site":"n","readings":[{"t":20.50}, {"t":1e3} ,7]})", {{"filename", "a.json"}, {"site", "n"}});
  runner.run();
  const auto children = runner.take("split");
  CHECK(contents(children) == R"({"t":20.50}|{"t":1e3}|7|)");
  for (std::size_t i = 0; i < children.size(); ++i) {
    CHECK(children[i].attributes == Attributes{{"filename", "a.json"},
                                               {"site", "n"},
                                               {"fragment.identifier", runner.connection() + ":0"},
                                               {"fragment.index", std::to_string(i)},
                                               {"fragment.count", "3"},
                                               {"segment.original.filename", "a.json"}});
    CHECK(children[i].parents == std::vector<std::uint64_t>{0});
  }
  const auto originals = runner.take("original");
  REQUIRE(originals.size() == 1);
  CHECK(originals[0].attributes.at("fragment.count") == "3");
  CHECK(originals[0].attributes.count("fragment.index") == 0);
  CHECK(runner.metric("split_elements") == 3);
}

TEST_CASE("without a path an array gives its elements, and lines give a FlowFile each") {
  auto runner = split_json("");
  runner.push("[1, 2]");
  runner.push("{\"a\":1}\n{\"a\":2}\n");
  runner.push("{\"a\":3}");
  runner.run();
  CHECK(contents(runner.take("split")) == R"(1|2|{"a":1}|{"a":2}|{"a":3}|)");
  CHECK(runner.take("original").size() == 3);
}

TEST_CASE("members of an object keep their names as an attribute") {
  auto runner = split_json("path: $.*");
  runner.push(R"({"a":1,"b\n":{"c":2}})");
  runner.run();
  const auto children = runner.take("split");
  REQUIRE(children.size() == 2);
  CHECK(children[0].attributes.at("fragment.name") == "a");
  CHECK(children[1].attributes.at("fragment.name") == "b\n");
  CHECK(children[1].content == "{\"c\":2}");
}

TEST_CASE("what breaks at its end goes to failure whole, and has no children") {
  auto runner = split_json("path: /a");
  const std::vector<std::string> broken = {R"({"a":[1,2,3],"b":tru})",
                                           R"({"a":[1,2,3])",
                                           "",
                                           "  \n",
                                           "\xff",
                                           R"({"a":5})",
                                           R"({"b":[1]})",
                                           R"({"a":null})",
                                           "{\"a\":[1]}\n{\"a\":[2]}\n{\"a\"",
                                           std::string(5000, '[')};
  for (const auto& content : broken) runner.push(content, {{"k", "v"}});
  runner.push(R"({"a":["good"]})");
  runner.run();
  CHECK(contents(runner.take("split")) == "\"good\"|");
  CHECK(runner.take("original").size() == 1);
  const auto failed = runner.take("failure");
  REQUIRE(failed.size() == broken.size());
  for (std::size_t i = 0; i < failed.size(); ++i) {
    CHECK(failed[i].content == broken[i]);
    CHECK(failed[i].attributes.count("fragment.identifier") == 0);
    CHECK(failed[i].attributes.at("k") == "v");
  }
  CHECK(failed[0].attributes.at("error.message") == "no JSON: expected true, false or null, not '}', at byte 20");
  CHECK(failed[2].attributes.at("error.message") == "no JSON: the content is empty");
}

TEST_CASE("an empty array has no children, and passes on as the original") {
  auto runner = split_json("path: $.a");
  runner.push("{\"a\":[]}");
  runner.run();
  CHECK(runner.take("split").empty());
  CHECK(runner.take("original").at(0).attributes.at("fragment.count") == "0");
}

TEST_CASE("a large array takes several sessions and comes out whole, also where a crash interrupts it") {
  // Far more elements than a session may make; beyond what one session remembers of them too.
  constexpr int kElements = 150'000;
  const auto element = [](int i) { return "{\"seq\":" + std::to_string(i) + ",\"s\":\"[\"}"; };
  for (const std::string shape : {"array", "objects"}) {
    auto runner = split_json(shape == "array" ? "" : "path: $.a[*].*");
    std::string content = shape == "array" ? "[" : R"({"x":[1],"a":[{"void":0,"void":1},)";
    for (int i = 0; i < kElements; ++i) {
      if (i > 0) content += ',';
      content += shape == "array" ? element(i) : "{\"r\":" + element(i) + "}";
    }
    content += shape == "array" ? "]" : "]}";
    runner.push(content);

    REQUIRE(runner.step());
    REQUIRE(runner.queued() == 1);  // partly consumed
    runner.durable();
    auto children = runner.take("split");
    REQUIRE(runner.step());
    runner.take("split");
    runner.crash();  // the second session did not become durable, so its children come again
    runner.run();
    for (auto& child : runner.take("split")) children.push_back(std::move(child));

    const int first = shape == "array" ? 0 : 1;  // of {"void":0,"void":1} the second counts
    REQUIRE(children.size() == static_cast<std::size_t>(kElements + first));
    for (int i = 0; i < kElements; ++i) {
      const auto& child = children[static_cast<std::size_t>(i + first)];
      if (child.content == element(i) && child.attributes.at("fragment.index") == std::to_string(i + first)) continue;
      FAIL("element " << i << " is " << child.content);
    }
    CHECK(children[0].attributes.at("fragment.count") == std::to_string(kElements + first));
    CHECK(runner.take("original").size() == 1);
    CHECK(runner.state().empty());
  }
}

TEST_CASE("a FlowFile that finds the session full waits for the next, untouched") {
  auto runner = split_json("");
  std::string content = "[";
  for (int i = 0; i < 10'000; ++i) content += std::to_string(i) + ",";
  content.back() = ']';
  for (int file = 0; file < 3; ++file) runner.push(content);
  runner.push("[broken");
  runner.run();
  CHECK(runner.take("split").size() == 30'000);
  CHECK(runner.take("original").size() == 3);
  CHECK(runner.take("failure").size() == 1);
}

TEST_CASE("a path that cannot be followed is refused at start") {
  CHECK_THROWS_WITH(split_json("path: $..a"), doctest::Contains("path '$..a', column 3"));
}
