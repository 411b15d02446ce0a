#include <doctest/doctest.h>

#include <set>
#include <string>

#include "pace.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

using namespace weir::testkit;
using namespace std::chrono_literals;
using weir::standard::Pace;

namespace {

Runner generate(const std::string& properties, Options options = {}) {
  return Runner(find_type(weir_plugin_abi_1(), "GenerateFlowFile"), properties, std::move(options));
}

std::string contents(const std::vector<Output>& outputs) {
  std::string all;
  for (const auto& output : outputs) all += output.content + "|";
  return all;
}

constexpr std::int64_t kSecond = 1'000'000'000;

}  // namespace

TEST_CASE("a pace lets through what is due and waits for the rest") {
  Pace pace(10, 1);
  CHECK(pace.at(0, 100).records == 1);  // the first one at once
  CHECK(pace.at(0, 101).records == 0);
  CHECK(pace.wake(0, 101) == kSecond / 10);
  CHECK(pace.at(kSecond / 10, 101).records == 1);
  CHECK(pace.at(kSecond / 2, 102).records == 4);
}

TEST_CASE("a pace of many a second wakes a hundred times a second at most") {
  Pace pace(1e6, 1);
  CHECK(pace.at(0, 0).records == 1);
  CHECK(pace.wake(0, 1) == kSecond / 100);
  CHECK(pace.at(kSecond / 100, 1).records == 10'000);
}

TEST_CASE("a pace waits for a whole chunk") {
  Pace pace(10, 5);
  CHECK(pace.at(0, 0).records == 5);
  CHECK(pace.at(kSecond / 10, 5).records == 0);
  CHECK(pace.wake(kSecond / 10, 5) == kSecond / 2);
  CHECK(pace.at(kSecond / 2, 5).records == 5);
}

TEST_CASE("what was missed is caught up by one second's worth, and the rest is counted") {
  Pace pace(10, 1);
  CHECK(pace.at(0, 0).records == 1);
  const auto due = pace.at(100 * kSecond, 1);
  CHECK(due.records == 10);
  CHECK(due.missed == 990);
  CHECK(pace.at(100 * kSecond, 11).records == 0);
  CHECK(pace.at(100 * kSecond, 11).missed == 0);
  CHECK(pace.at(101 * kSecond, 11).records == 10);
}

TEST_CASE("a clock that goes back does not stop a pace") {
  Pace pace(10, 1);
  pace.at(100 * kSecond, 0);
  CHECK(pace.at(50 * kSecond, 1).records == 1);
}

TEST_CASE("without a rate all that is to come comes at once, and then it has finished") {
  auto runner = generate("{count: 2500, content: 'hello', attributes: {a: b}}");
  runner.run();
  const auto outputs = runner.take("success");
  REQUIRE(outputs.size() == 2500);
  CHECK(outputs[0].content == "hello");
  CHECK(outputs[2499].content == "hello");
  CHECK(outputs[2499].attributes == Attributes{{"a", "b"}});
  CHECK(outputs[2499].records == 1);
  CHECK(runner.finished());
  CHECK(runner.events().at(0).type == "CREATE");
  CHECK(runner.metric("generate_next_seq") == 2500);
}

TEST_CASE("content and attributes are computed from seq") {
  auto runner = generate("{count: 3, content: 'n=$(seq * 2)', attributes: {id: 's-$(seq)', fixed: f}}");
  runner.run();
  const auto outputs = runner.take("success");
  CHECK(contents(outputs) == "n=0|n=2|n=4|");
  CHECK(outputs.at(2).attributes == Attributes{{"id", "s-2"}, {"fixed", "f"}});
}

TEST_CASE("a select makes a JSON object a row, none where it has none, and several where it has several") {
  auto runner = generate("{count: 4, select: \"SELECT seq AS id, 's' || seq AS name FROM seq WHERE seq <> 1\"}");
  runner.run();
  CHECK(contents(runner.take("success")) == R"({"id":0,"name":"s0"}|{"id":2,"name":"s2"}|{"id":3,"name":"s3"}|)");
}

TEST_CASE("a select joins seq with a subquery, as validation says that it may") {
  auto runner = generate("{count: 2, select: 'SELECT seq AS id, v FROM seq JOIN (SELECT 1 AS v UNION ALL SELECT 2)'}");
  runner.run();
  CHECK(contents(runner.take("success")) ==
        "{\"id\":0,\"v\":1}|{\"id\":0,\"v\":2}|{\"id\":1,\"v\":1}|{\"id\":1,\"v\":2}|");
}

TEST_CASE("several records make a chunk of lines, the last one shorter") {
  auto runner = generate("{count: 5, records_per_flowfile: 2, content: '$(seq)', attributes: {first: '$(seq)'}}");
  runner.run();
  auto outputs = runner.take("success");
  CHECK(contents(outputs) == "0\n1\n|2\n3\n|4\n|");
  CHECK(outputs.at(1).records == 2);
  CHECK(outputs.at(1).attributes.at("first") == "2");
  CHECK(outputs.at(2).records == 1);
  auto same = generate("{count: 5, records_per_flowfile: 2, content: x}");
  same.run();
  outputs = same.take("success");
  CHECK(contents(outputs) == "x\nx\n|x\nx\n|x\n|");
  CHECK(outputs.at(0).records == 2);
}

TEST_CASE("content of a given size is made of zeros, or of bytes that are the same for the same seq") {
  auto zero = generate("{count: 2, size: 3000000B, fill: zero}");
  zero.run();
  CHECK(zero.take("success").at(1).content == std::string(3'000'000, '\0'));
  auto random = generate("{count: 3, size: 2500001B}");
  random.run();
  auto again = generate("{count: 3, size: 2500001B, attributes: {seq: '$(seq)'}}");
  again.run();
  const auto first = random.take("success");
  const auto second = again.take("success");
  REQUIRE(second.size() == 3);
  CHECK(first[0].content.size() == 2'500'001);
  CHECK(first[0].content != first[1].content);
  CHECK(first[2].content == second[2].content);
  CHECK(second[2].attributes.at("seq") == "2");
  const std::set<char> different(first[0].content.begin(), first[0].content.end());
  CHECK(different.size() == 256);
}

TEST_CASE("content beyond memory is made in pieces, one FlowFile a session") {
  auto runner = generate("{count: 2, size: 32MiB}");
  REQUIRE(runner.step());
  CHECK(runner.take("success").size() == 1);
  runner.run();
  CHECK(runner.take("success").size() == 1);
  CHECK(runner.finished());
}

TEST_CASE("a rate is kept by the flow's clock") {
  auto runner = generate("{rate: 100/s, content: '$(seq)'}");
  runner.run();
  CHECK(contents(runner.take("success")) == "0|");
  runner.advance(1s);
  CHECK(runner.take("success").size() == 100);
  runner.advance(2500ms);
  CHECK(runner.take("success").size() == 250);
  CHECK(runner.metric("generate_missed_records") == 0);
}

TEST_CASE("after a crash it goes on with the seq that follows the last durable one") {
  auto runner = generate("{count: 6, rate: 1/s, content: '$(seq)'}");
  runner.run();
  runner.advance(1s);
  runner.durable();
  runner.advance(2s);
  CHECK(contents(runner.take("success")) == "0|1|2|3|");
  runner.crash();
  runner.run();
  runner.advance(10s);
  CHECK(contents(runner.take("success")) == "2|3|4|5|");
  CHECK(runner.finished());
  runner.restart();
  runner.run();
  CHECK(runner.take("success").empty());
  CHECK(runner.finished());
}

TEST_CASE("a generator without end says so where a run waits for its end") {
  auto runner = generate("{rate: 1/s}", {.until_idle = true});
  REQUIRE(runner.bulletins().size() == 1);
  CHECK(runner.bulletins()[0].message.find("without `count`") != std::string::npos);
}

TEST_CASE("settings that contradict one another, and SQL that cannot be, are refused") {
  CHECK_THROWS_WITH(generate("{content: x, size: 1B}"), doctest::Contains("exclude one another"));
  CHECK_THROWS_WITH(generate("{size: 1B, records_per_flowfile: 2}"), doctest::Contains("records_per_flowfile"));
  CHECK_THROWS_WITH(generate("{rate: 0/s}"), doctest::Contains("rate"));
  CHECK_THROWS_WITH(generate("{content: '$(temperature)'}"), doctest::Contains("temperature"));
}
