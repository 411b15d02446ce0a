#include <doctest/doctest.h>

#include <set>
#include <string>

#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

using namespace weir::testkit;
using namespace std::chrono_literals;

namespace {

Runner deduplicate(const std::string& properties, Options options = {}) {
  return Runner(find_type(weir_plugin_abi_1(), "Deduplicate"), properties, std::move(options));
}

/// What passes, is a duplicate and fails of these contents, each list joined by |.
struct Sorted {
  std::string success, duplicate, failure;
};

Sorted sort(Runner& runner, const std::vector<std::string>& contents) {
  for (const auto& content : contents) runner.push(content);
  runner.run();
  Sorted sorted;
  for (const auto& output : runner.take("success")) sorted.success += output.content + "|";
  for (const auto& output : runner.take("duplicate")) sorted.duplicate += output.content + "|";
  for (const auto& output : runner.take("failure")) sorted.failure += output.content + "|";
  return sorted;
}

std::string reading(int id, int ts) {
  return "{\"id\":" + std::to_string(id) + ",\"ts\":" + std::to_string(ts) + "}";
}

}  // namespace

TEST_CASE("the first record with a key passes, those that repeat it do not") {
  auto runner = deduplicate("key: [id, ts]");
  const auto sorted = sort(runner, {reading(1, 1), reading(1, 2), reading(1, 1), reading(2, 1), reading(1, 2)});
  CHECK(sorted.success == reading(1, 1) + "|" + reading(1, 2) + "|" + reading(2, 1) + "|");
  CHECK(sorted.duplicate == reading(1, 1) + "|" + reading(1, 2) + "|");
  CHECK(runner.metric("deduplicate_duplicates") == 2);
  CHECK(runner.metric("deduplicate_keys") == 3);
}

TEST_CASE("a FlowFile of which only some records repeat is divided, in its own form") {
  auto runner = deduplicate("key: [id]");
  auto sorted = sort(runner, {R"({"id":1, "t":1.50})"
                              "\n"
                              R"({"id":2})"
                              "\n"
                              R"({"id":1})"
                              "\n"
                              R"({"id":null})"
                              "\n"});
  CHECK(sorted.success == R"({"id":1, "t":1.50})"
                          "\n"
                          R"({"id":2})"
                          "\n|");
  CHECK(sorted.duplicate == "{\"id\":1}\n|");
  CHECK(sorted.failure == "{\"id\":null}\n|");
  sorted = sort(runner, {R"([{"id":2},{"id":3}, {"id":3}])"});
  CHECK(sorted.success == R"([{"id":3}]|)");
  CHECK(sorted.duplicate == R"([{"id":2},{"id":3}]|)");
}

TEST_CASE("a FlowFile whose records all go the same way passes untouched") {
  auto runner = deduplicate("key: [id]");
  const std::string lines = "{\"id\":1}\n\n{\"id\":2}";
  CHECK(sort(runner, {lines}).success == lines + "|");
  CHECK(sort(runner, {lines}).duplicate == lines + "|");
  CHECK(sort(runner, {"[]"}).success == "[]|");
}

TEST_CASE("keys are equal where SQL says so, and else are not") {
  auto runner = deduplicate("key: [k]");
  const auto sorted = sort(runner, {R"({"k":1})", R"({"k":1.0})", R"({"k":"1"})", R"({"k":1.5})", R"({"k":"a"})",
                                    R"({"k":"\u0061"})", R"({"k":[1]})", R"({"k":"[1]"})"});
  CHECK(sorted.success == R"({"k":1}|{"k":"1"}|{"k":1.5}|{"k":"a"}|{"k":[1]}|{"k":"[1]"}|)");
  CHECK(sorted.duplicate == R"({"k":1.0}|{"k":"\u0061"}|)");
  auto two = deduplicate("key: [a, b]");
  CHECK(sort(two, {R"({"a":"x","b":"yz"})", R"({"a":"xy","b":"z"})"}).duplicate.empty());
}

TEST_CASE("an expression can be the key") {
  auto runner = deduplicate("key: ['lower(id)', ts / 60]");
  const auto sorted = sort(runner, {R"({"id":"A","ts":10})", R"({"id":"a","ts":59})", R"({"id":"a","ts":60})"});
  CHECK(sorted.duplicate == R"({"id":"a","ts":59}|)");
}

TEST_CASE("a key or version that is NULL or cannot be had fails its record") {
  auto runner = deduplicate("{key: [id], version: v}");
  const auto sorted =
      sort(runner, {R"({"v":1})", R"({"id":1})", R"({"id":1,"v":"x"})", R"({"id":1,"v":1.5})", "garbage"});
  CHECK(sorted.success.empty());
  CHECK(sorted.failure == R"({"v":1}|{"id":1}|{"id":1,"v":"x"}|{"id":1,"v":1.5}|garbage|)");
}

TEST_CASE("a key is forgotten after its time") {
  auto runner = deduplicate("{key: [id], for: 10s}");
  CHECK(sort(runner, {reading(1, 0)}).success != "");
  runner.advance(9999ms);
  CHECK(sort(runner, {reading(1, 1), reading(2, 1)}).duplicate == reading(1, 1) + "|");  // does not begin anew
  runner.advance(1ms);
  CHECK(sort(runner, {reading(1, 2), reading(2, 2)}).success == reading(1, 2) + "|");
  runner.advance(20s);
  sort(runner, {reading(3, 0)});
  CHECK(runner.metric("deduplicate_keys") == 1);
  CHECK(runner.state().size() == 3);  // the one batch, and the two words about all
}

TEST_CASE("the oldest keys are forgotten when there are too many") {
  auto runner = deduplicate("{key: [id], max_keys: 3}", {.batch = 1});
  for (int id = 1; id <= 4; ++id) sort(runner, {reading(id, 0)});
  CHECK(runner.metric("deduplicate_keys") == 3);
  CHECK(sort(runner, {reading(2, 1)}).duplicate != "");
  CHECK(sort(runner, {reading(1, 1)}).success != "");  // this in turn pushes 2 out
  CHECK(sort(runner, {reading(2, 2)}).success != "");
  CHECK(sort(runner, {reading(4, 1)}).duplicate != "");
}

TEST_CASE("a higher version of a seen key passes as an update and is remembered anew") {
  auto runner = deduplicate("{key: [id], version: v, for: 10s}");
  const auto versioned = [](int id, const std::string& v) {
    return "{\"id\":" + std::to_string(id) + ",\"v\":" + v + "}";
  };
  auto sorted = sort(runner, {versioned(1, "5"), versioned(1, "4"), versioned(1, "6.0"), versioned(1, "6")});
  CHECK(sorted.success == versioned(1, "5") + "|" + versioned(1, "6.0") + "|");
  CHECK(runner.metric("deduplicate_updates") == 1);
  runner.advance(6s);
  CHECK(sort(runner, {versioned(1, "9007199254740993")}).success != "");
  CHECK(sort(runner, {versioned(1, "9007199254740992")}).duplicate != "");
  runner.advance(6s);  // the first would be too old by now
  CHECK(sort(runner, {versioned(1, "7")}).duplicate != "");
  runner.restart();
  CHECK(sort(runner, {versioned(1, "8")}).duplicate != "");
  runner.advance(4s);
  CHECK(sort(runner, {versioned(1, "1")}).success != "");
}

TEST_CASE("after a crash just what was durable is remembered") {
  auto runner = deduplicate("key: [id]");
  sort(runner, {reading(1, 0)});
  runner.durable();
  sort(runner, {reading(2, 0)});
  runner.crash();
  const auto sorted = sort(runner, {reading(1, 1), reading(2, 1)});
  CHECK(sorted.duplicate == reading(1, 1) + "|");
  CHECK(sorted.success == reading(2, 1) + "|");
}

TEST_CASE("many keys, with old ones forgotten all the time, are sorted as a plain set would") {
  constexpr int kMost = 5000;
  auto runner = deduplicate("{key: [id], max_keys: " + std::to_string(kMost) + "}", {.batch = 1});
  std::vector<int> youngest;  // in the order they passed
  std::set<int> remembered;
  unsigned random = 3;
  for (int round = 0; round < 300; ++round) {
    std::string lines;
    std::vector<int> ids;
    for (int i = 0; i < 100; ++i) {
      random = random * 1103515245 + 12345;
      ids.push_back(static_cast<int>(random >> 8 & 16383));
      lines += reading(ids.back(), i) + "\n";
    }
    runner.push(lines);
    runner.run();
    std::size_t duplicates = 0;
    for (const auto& output : runner.take("duplicate")) duplicates += output.records;
    std::size_t expected_at_least = 0;
    std::size_t expected_at_most = 0;
    // Those among the youngest kMost have to be known; up to a batch more may be.
    std::set<int> sure(youngest.end() - std::min<std::ptrdiff_t>(kMost, std::ssize(youngest)), youngest.end());
    std::set<int> maybe(youngest.end() - std::min<std::ptrdiff_t>(kMost + 100, std::ssize(youngest)), youngest.end());
    std::set<int> here;
    for (const auto id : ids) {
      const bool repeated = !here.insert(id).second;
      expected_at_least += repeated || sure.count(id) != 0 ? 1 : 0;
      expected_at_most += repeated || maybe.count(id) != 0 ? 1 : 0;
    }
    REQUIRE(duplicates >= expected_at_least);
    REQUIRE(duplicates <= expected_at_most);
    for (const auto& output : runner.take("success")) {
      for (std::size_t at = 0; at < output.content.size(); at = output.content.find('\n', at) + 1)
        youngest.push_back(std::stoi(output.content.substr(at + 6)));
    }
  }
  CHECK(runner.metric("deduplicate_keys") <= kMost + 100);
}

TEST_CASE("a key has to be named") {
  CHECK_THROWS_WITH(deduplicate("key: []"), doctest::Contains("key"));
  CHECK_THROWS_WITH(deduplicate("for: 1m"), doctest::Contains("key"));
  CHECK_THROWS_WITH(deduplicate("{key: [id], for: 0s}"), doctest::Contains("longer than nothing"));
}
