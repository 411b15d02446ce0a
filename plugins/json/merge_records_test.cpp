#include <doctest/doctest.h>

#include <string>

#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

using namespace weir::testkit;
using namespace std::chrono_literals;

namespace {

Runner merge_records(const std::string& properties, Options options = {}) {
  return Runner(find_type(weir_plugin_abi_1(), "MergeRecords"), properties, std::move(options));
}

std::string merged(const std::string& format, const std::vector<std::string>& contents) {
  auto runner = merge_records("{format: " + format + "}");
  for (const auto& content : contents) runner.push(content);
  runner.run();
  runner.finish();
  CHECK(runner.take("failure").empty());
  const auto outputs = runner.take("success");
  return outputs.size() == 1 ? outputs[0].content : std::to_string(outputs.size()) + " outputs";
}

}  // namespace

TEST_CASE("a bin is merged when it is full, with every input as a parent") {
  auto runner = merge_records("max_count: 3");
  for (int i = 0; i < 7; ++i)
    runner.push("{\"i\":" + std::to_string(i) + "}", {{"same", "s"}, {"i", std::to_string(i)}});
  runner.run();
  const auto outputs = runner.take("success");
  REQUIRE(outputs.size() == 2);
  CHECK(outputs[0].content == "{\"i\":0}\n{\"i\":1}\n{\"i\":2}\n");
  CHECK(outputs[1].parents == std::vector<std::uint64_t>{3, 4, 5});
  CHECK(outputs[1].records == 3);
  CHECK(outputs[1].attributes ==
        Attributes{{"same", "s"}, {"merge.count", "3"}, {"merge.reason", "max_count"}, {"merge.age", "0"}});
  CHECK(runner.held() == 1);
}

TEST_CASE("any form of content becomes lines, digit for digit") {
  CHECK(merged("ndjson",
               {"{\"a\":1.50}", "[1e3, {\"b\":\"x\\n\"}]", "{\"c\":1}\n{\"c\":2}\n", "{\n  \"d\":\r\n 0\n}\n"}) ==
        "{\"a\":1.50}\n1e3\n{\"b\":\"x\\n\"}\n{\"c\":1}\n{\"c\":2}\n{  \"d\": 0}\n");
  // Line ends that are not between records must not pass for such.
  CHECK(merged("ndjson", {"{\n} {}"}) == "{}\n{}\n");
  CHECK(merged("ndjson", {"{\n}{} "}) == "{}\n{}\n");
  CHECK(merged("ndjson", {"{\n}\n{} "}) == "{}\n{}\n");
  CHECK(merged("ndjson", {"\n{}\n\n{}"}) == "{}\n{}\n");
  CHECK(merged("ndjson", {"1 ", "2\t\n"}) == "1\n2\n");
}

TEST_CASE("any form of content becomes elements of one array") {
  CHECK(merged("array", {"{\"a\":1}", " [ 1 , 2 ] ", "[]", "{\"c\":1}\n{\"c\":2}\n"}) ==
        R"([{"a":1},1 , 2,{"c":1},{"c":2}])");
  CHECK(merged("array", {"[ ]", "[3]"}) == "[3]");
  CHECK(merged("array", {"[]"}) == "[]");
}

TEST_CASE("any content is joined as it is, with what the author puts between") {
  CHECK(merged("as_is", {"a", "", "\xff"}) == "a\xff");
  auto runner = merge_records("{format: as_is, header: '<', demarcator: ', ', footer: '>'}");
  runner.push("a");
  runner.push("b");
  runner.run();
  runner.finish();
  CHECK(runner.take("success").at(0).content == "<a, b>");
}

TEST_CASE("what is no JSON goes to failure, unchanged, and the rest is merged") {
  auto runner = merge_records("max_count: 2");
  for (const auto* content : {"{\"a\":1}", "{\"a\":", "", "{\"a\":2}"}) runner.push(content);
  runner.run();
  CHECK(runner.take("success").at(0).content == "{\"a\":1}\n{\"a\":2}\n");
  const auto failed = runner.take("failure");
  REQUIRE(failed.size() == 2);
  CHECK(failed[0].content == "{\"a\":");
  CHECK(failed[0].attributes.at("error.message") == "no JSON: the text ends inside of a value, at byte 5");
}

TEST_CASE("bins are kept apart by key; the oldest goes when there are too many") {
  auto runner = merge_records("{key: $(attr('k')), max_bins: 2, format: as_is, max_age: 0s}");
  for (const auto* k : {"a", "b", "a", "c", "b"}) runner.push(k, {{"k", k}});
  runner.run();
  auto outputs = runner.take("success");
  REQUIRE(outputs.size() == 1);
  CHECK(outputs[0].content == "aa");
  CHECK(outputs[0].attributes.at("merge.reason") == "max_bins");
  runner.finish();
  outputs = runner.take("success");
  REQUIRE(outputs.size() == 2);
  CHECK(outputs[0].content == "bb");
  CHECK(outputs[0].attributes.at("merge.reason") == "end");
  CHECK(outputs[1].content == "c");
  CHECK(runner.held() == 0);
}

TEST_CASE("a FlowFile without a key goes to failure") {
  auto runner = merge_records("{key: $(attr('k')), format: as_is}");
  runner.push("x");
  runner.run();
  CHECK(runner.take("failure").size() == 1);
  CHECK(runner.held() == 0);
}

TEST_CASE("a bin that does not fill is merged when it is old enough") {
  auto runner = merge_records("{max_age: 10s}");
  runner.push("1");
  runner.run();
  runner.advance(4s);
  runner.push("2");
  runner.run();
  runner.advance(5999ms);
  CHECK(runner.take("success").empty());
  runner.advance(1ms);
  const auto outputs = runner.take("success");
  REQUIRE(outputs.size() == 1);
  CHECK(outputs[0].content == "1\n2\n");
  CHECK(outputs[0].attributes.at("merge.reason") == "max_age");
  CHECK(outputs[0].attributes.at("merge.age") == "10000");
}

TEST_CASE("a bin does not wait longer because the clock was set back") {
  auto runner = merge_records("{max_age: 10s}");
  runner.push("1");
  runner.run();
  runner.advance(-1h);
  runner.advance(10s);
  const auto outputs = runner.take("success");
  REQUIRE(outputs.size() == 1);
  CHECK(outputs[0].attributes.at("merge.reason") == "max_age");
  CHECK(outputs[0].attributes.at("merge.age") == "0");
}

TEST_CASE("bytes bound a bin, and a FlowFile larger than the bound is a bin of its own") {
  auto runner = merge_records("{max_bytes: 10B, format: as_is}");
  for (const auto* content : {"aaaa", "bbbb", "cccc", "dddddddddddddddd", "e"}) runner.push(content);
  runner.run();
  const auto outputs = runner.take("success");
  REQUIRE(outputs.size() == 3);
  CHECK(outputs[0].content == "aaaabbbb");
  CHECK(outputs[0].attributes.at("merge.reason") == "max_bytes");
  CHECK(outputs[1].content == "cccc");
  CHECK(outputs[2].content == "dddddddddddddddd");
  CHECK(runner.held() == 1);
}

TEST_CASE("chunks count by their records") {
  auto runner = merge_records("max_count: 4");
  runner.push("[1,2,3]", {}, 3);
  runner.push("[4,5]", {}, 2);
  runner.run();
  const auto outputs = runner.take("success");
  REQUIRE(outputs.size() == 1);
  CHECK(outputs[0].content == "1\n2\n3\n");
  CHECK(outputs[0].records == 3);
}

TEST_CASE("what waits survives a crash and is merged just once") {
  auto runner = merge_records("{max_count: 4, key: $(attr('k'))}");
  const auto push = [&](const std::string& content, const std::string& k) { runner.push(content, {{"k", k}}); };
  push("1", "a"), push("2", "b"), push("3", "a");
  runner.run();
  CHECK(runner.held() == 3);
  runner.durable();
  push("4", "b");  // not durable when the crash comes
  runner.run();
  runner.crash();
  push("5", "b"), push("6", "a"), push("7", "b"), push("8", "a"), push("9", "b");
  runner.run();
  const auto outputs = runner.take("success");
  REQUIRE(outputs.size() == 2);
  CHECK(outputs[0].content == "1\n3\n6\n8\n");
  CHECK(outputs[1].content == "2\n5\n7\n9\n");
  CHECK(runner.held() == 0);
  CHECK(runner.queued() == 0);
}

TEST_CASE("bins that fill and empty in any order never mix up what is held") {
  auto runner = merge_records("{max_count: 5, key: $(attr('k')), max_age: 0s}", {.batch = 7});
  unsigned random = 1;
  int pushed = 0;
  std::vector<Output> outputs;
  const auto collect = [&] {
    for (auto& output : runner.take("success")) outputs.push_back(std::move(output));
  };
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 13; ++i) {
      random = random * 1103515245 + 12345;
      const auto key = std::to_string(random >> 16 & 15);
      runner.push("\"" + key + "-" + std::to_string(pushed++) + "\"", {{"k", key}});
    }
    runner.run();
    collect();
  }
  runner.finish();
  collect();
  int records = 0;
  for (const auto& output : outputs) {
    const auto& key = output.attributes.at("k");
    int last = -1;
    for (std::size_t at = 0; at < output.content.size(); at = output.content.find('\n', at) + 1, ++records) {
      REQUIRE(output.content.substr(at, key.size() + 2) == "\"" + key + "-");
      const auto number = std::stoi(output.content.substr(at + key.size() + 2));
      REQUIRE(number > last);
      last = number;
    }
  }
  CHECK(records == pushed);
}

TEST_CASE("fragments are put together in their order, and the file gets its name back") {
  auto runner = merge_records("{mode: defragment, format: array}");
  const auto push = [&](const std::string& id, int index, int count) {
    runner.push(id + std::to_string(index), {{"fragment.identifier", id},
                                             {"fragment.index", std::to_string(index)},
                                             {"fragment.count", std::to_string(count)},
                                             {"segment.original.filename", id + ".json"},
                                             {"filename", "part"}});
  };
  push("1", 2, 3), push("2", 1, 2), push("1", 0, 3), push("2", 0, 2), push("1", 1, 3);
  runner.run();
  const auto outputs = runner.take("success");
  REQUIRE(outputs.size() == 2);
  CHECK(outputs[0].content == "[20,21]");
  CHECK(outputs[1].content == "[10,11,12]");
  CHECK(outputs[1].attributes ==
        Attributes{{"filename", "1.json"}, {"merge.count", "3"}, {"merge.reason", "defragmented"}, {"merge.age", "0"}});
}

TEST_CASE("fragments that stay incomplete go to failure, each by itself") {
  auto runner = merge_records("{mode: defragment, format: as_is, max_age: 10s}");
  const auto push = [&](const char* index, const char* count) {
    runner.push(index, {{"fragment.identifier", "f"}, {"fragment.index", index}, {"fragment.count", count}});
  };
  push("0", "3"), push("1", "3");
  runner.run();
  push("1", "3"), push("2", "4"), push("x", "3");
  runner.push("alone");
  runner.run();
  auto failed = runner.take("failure");
  REQUIRE(failed.size() == 4);
  CHECK(failed[0].attributes.at("error.message") == "fragment 1 of f is already there");
  CHECK(failed[1].attributes.at("error.message") == "fragment.count is 4, but other fragments of f say 3");
  CHECK(failed[2].attributes.at("error.message") == "fragment.index is 'x', not a number");
  CHECK(failed[3].attributes.at("error.message") == "no attribute fragment.identifier: it is no fragment of anything");
  runner.advance(10s);
  failed = runner.take("failure");
  REQUIRE(failed.size() == 2);
  CHECK(failed[0].attributes.at("error.message") == "only 2 of 3 fragments of f came (max_age)");
  CHECK(runner.held() == 0);
}

TEST_CASE("settings that contradict one another are refused") {
  CHECK_THROWS_WITH(merge_records("header: x"), doctest::Contains("need format: as_is"));
  CHECK_THROWS_WITH(merge_records("{mode: defragment, key: a}"), doctest::Contains("key does not go with"));
  CHECK_THROWS_WITH(merge_records("{max_count: 0, max_bytes: 0B, max_age: 0s}"),
                    doctest::Contains("nothing would ever"));
}
