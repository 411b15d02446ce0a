#include <doctest/doctest.h>

#include "weir/plugin.h"
#include "weir/testkit.h"
#include "weir/testkit_lane.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace {

using weir::testkit::Options;
using weir::testkit::Runner;

const weir::abi::ProcessorType* type() {
  return weir::testkit::find_type(weir_plugin_abi_1(), "QualityCheck");
}

const std::string kRules = R"(
key: id
time: ts
rules:
  t: {not_null: true, range: [-40, 60], suspect_range: [-10, 40], rate_of_change: 5/s}
)";

std::string reading(std::string_view id, std::int64_t second, std::string_view value) {
  return R"({"id":")" + std::string(id) + R"(","ts":)" + std::to_string(1'700'000'000 + second) + R"(,"t":)" +
         std::string(value) + "}";
}

/// The content of the single FlowFile that a relationship got.
std::string only(Runner& runner, std::string_view relationship) {
  const auto out = runner.take(relationship);
  return out.size() == 1 ? out[0].content : std::to_string(out.size()) + " FlowFiles";
}

TEST_CASE("a record gets its flag and the reasons, and keeps its other bytes") {
  Runner check(type(), kRules);
  check.push("{\"id\" : \"a\", \"ts\":1700000000,\t\"t\":80.10 , \"x\":[1,  2]}");
  check.run();
  CHECK(only(check, "fail") ==
        "{\"id\" : \"a\", \"ts\":1700000000,\t\"t\":80.10 , \"x\":[1,  2],"
        "\"quality\":{\"flag\":4,\"reasons\":[\"t: range 80.10 is outside of [-40, 60]\"]}}");
  check.push(reading("a", 1, "20.50"));
  check.run();
  CHECK(only(check, "pass") == R"({"id":"a","ts":1700000001,"t":20.50,"quality":{"flag":1}})");
  check.push(reading("a", 2, "50"));
  check.run();
  CHECK(only(check, "suspect").find(R"("quality":{"flag":3,"reasons":["t: suspect_range 50 is)") != std::string::npos);
  CHECK(check.metric("quality_pass") == 1);
  CHECK(check.metric("quality_suspect") == 1);
  CHECK(check.metric("quality_fail") == 1);
  CHECK(check.metric("quality_t_range") == 1);
  CHECK(check.metric("quality_t_rate_of_change") == 1);
}

TEST_CASE("in a lane it checks what needs nothing of before, and nothing else") {
  weir::testkit::TestLane lane;
  Runner check(type(), "rules: {t: {not_null: true, range: [0, 60]}}", {.lane = &lane});
  check.push(reading("a", 0, "80"));
  check.run();
  CHECK(only(check, "fail").find("\"flag\":4") != std::string::npos);
  for (const std::string rule : {"rate_of_change: 5/s", "spike: {fail: 8}", "flat_line: 10m", "flat_line_fail: 1h",
                                 "gap: 30s", "unique: true"}) {
    CAPTURE(rule);
    CHECK_THROWS_WITH_AS(Runner(type(), "time: ts\nrules: {t: {" + rule + "}}", {.lane = &lane}),
                         doctest::Contains("do not work in a flow that scales out"), weir::Misconfigured);
  }
}

TEST_CASE("a FlowFile with records of different flags is divided and keeps its form") {
  Runner check(type(), kRules);
  check.push("[" + reading("a", 0, "1") + ", " + reading("a", 1, "99") + "," + reading("a", 2, "2") + "]",
             {{"k", "v"}});
  check.run();
  auto pass = check.take("pass");
  REQUIRE(pass.size() == 1);
  CHECK(pass[0].content == R"([{"id":"a","ts":1700000000,"t":1,"quality":{"flag":1}},)"
                           R"({"id":"a","ts":1700000002,"t":2,"quality":{"flag":1}}])");
  CHECK(pass[0].attributes.at("k") == "v");
  CHECK(pass[0].records == 2);
  CHECK(pass[0].parents == std::vector<std::uint64_t>{0});
  CHECK(only(check, "fail").substr(0, 2) == "[{");
  check.push(reading("b", 0, "1") + "\n" + reading("b", 1, "null") + "\n");
  check.run();
  CHECK(only(check, "pass").back() == '\n');
  CHECK(only(check, "fail").find("not_null null") != std::string::npos);
}

TEST_CASE("a record that has been flagged before gets the new flag in its place") {
  Runner check(type(), kRules);
  check.push(R"({"quality":{"flag":4,"reasons":["old"]},"id":"a","ts":1700000000,"t":1})");
  check.run();
  CHECK(only(check, "pass") == R"({"quality":{"flag":1},"id":"a","ts":1700000000,"t":1})");
}

TEST_CASE("the names of what is written are the author's") {
  Runner check(type(), "rules: {t: {range: [0, 1]}}\nquality_field: qc\nflag_field: f\nreasons_field: why\n");
  check.push(R"({"t":2})");
  check.push("{}");
  check.run();
  CHECK(only(check, "fail") == R"({"t":2,"qc":{"f":4,"why":["t: range 2 is outside of [0, 1]"]}})");
  CHECK(only(check, "pass") == R"({"qc":{"f":9}})");
}

TEST_CASE("annotate: none leaves every byte, and passes whole FlowFiles on") {
  Runner check(type(), kRules + "annotate: none\n");
  const auto content = " " + reading("a", 0, "1") + " \r\n\n" + reading("a", 1, "2") + "   ";
  check.push(content);
  check.run();
  CHECK(only(check, "pass") == content);
  Runner flagged(type(), kRules + "annotate: flagged\n");
  flagged.push(reading("a", 0, "1"));
  flagged.push(reading("a", 0, "100"));
  flagged.run();
  CHECK(only(flagged, "pass") == reading("a", 0, "1"));
  CHECK(only(flagged, "fail").find("quality") != std::string::npos);
}

TEST_CASE("each key has a history of its own, which survives a crash") {
  Runner check(type(), kRules);
  check.push(reading("a", 0, "0"));
  check.push(reading("b", 0, "30"));
  check.run();
  check.durable();
  check.take("pass");
  check.crash();
  check.push(reading("a", 1, "30"));
  check.push(reading("b", 1, "30"));
  check.run();
  CHECK(only(check, "suspect").find("rate_of_change 30/s is more than 5/s") != std::string::npos);
  CHECK(only(check, "pass").find("\"b\"") != std::string::npos);
}

TEST_CASE("what a crash took back is judged again with the same result") {
  Runner check(type(), kRules);
  check.push(reading("a", 0, "0"));
  check.run();
  check.push(reading("a", 1, "20"));
  check.durable();
  check.run();
  const auto before = only(check, "suspect");
  check.crash();
  check.run();
  CHECK(only(check, "suspect") == before);
}

TEST_CASE("the result does not depend on how readings are batched") {
  const auto run = [](std::uint32_t batch, bool chunk) {
    Runner check(type(), kRules, {.batch = batch});
    std::string all;
    for (int i = 0; i < 300; ++i) {
      const auto one = reading(i % 3 == 0 ? "a" : "b", i - (i % 11 == 0 ? 20 : 0), std::to_string((i * 37) % 70));
      all += one + "\n";
      if (!chunk) check.push(one);
    }
    if (chunk) check.push(all);
    check.run();
    std::string result;
    for (const auto* relationship : {"pass", "suspect", "fail"}) {
      for (const auto& out : check.take(relationship)) {
        result += out.content;
        if (!chunk) result += '\n';
      }
    }
    return result;
  };
  const auto expected = run(1, false);
  CHECK(expected.size() > 10'000);
  CHECK(run(1000, false) == expected);
  CHECK(run(1, true) == expected);
}

TEST_CASE("what is no JSON in any byte goes to failure unchanged, the rest goes on") {
  Runner check(type(), kRules);
  const std::string broken = R"({"id":"a","ts":1700000000,"t":1,"unchecked":{"deep":[tru]}})";
  const std::string utf8 = "{\"id\":\"a\",\"ts\":1700000000,\"t\":1,\"x\":\"\xff\"}";
  check.push(reading("a", 0, "1") + "\n" + broken + "\n" + reading("a", 1, "1") + "\n");
  check.push(utf8);
  check.push("garbage");
  check.push("");
  check.push("[]");
  check.run();
  const auto failed = check.take("failure");
  REQUIRE(failed.size() == 4);
  CHECK(failed[0].content == broken + "\n");
  CHECK(failed[0].attributes.at("error.message").find("at byte") != std::string::npos);
  CHECK(failed[1].content == utf8);
  CHECK(failed[2].content == "garbage");
  const auto pass = check.take("pass");
  REQUIRE(pass.size() == 2);
  CHECK(pass[0].records == 2);
  CHECK(pass[1].content == "[]");
}

TEST_CASE("a time that is missing or absurd fails, and does not spoil the history") {
  Runner check(type(), kRules);
  check.push(reading("a", 0, "1"));
  check.push(R"({"id":"a","t":1})");
  check.push(reading("a", 1'000'000, "1"));
  check.push(reading("a", 1, "2"));
  check.push(reading("a", 2, "30"));
  check.run();
  CHECK(check.take("pass").size() == 2);
  CHECK(check.take("suspect").size() == 1);
  const auto failed = check.take("fail");
  REQUIRE(failed.size() == 2);
  CHECK(failed[0].content.find(R"("reasons":["ts: time missing"])") != std::string::npos);
  CHECK(failed[1].content.find("further ahead than max_ahead") != std::string::npos);
}

TEST_CASE("a key that is missing fails where a history is needed") {
  Runner check(type(), kRules);
  check.push(R"({"ts":1700000000,"t":1})");
  check.run();
  CHECK(only(check, "fail").find("id: key missing") != std::string::npos);
}

TEST_CASE("times before 1970 are times") {
  Runner check(type(), kRules);
  check.push(R"({"id":"a","ts":"1969-12-31T23:59:58Z","t":1})");
  check.push(R"({"id":"a","ts":"1969-12-31T23:59:59Z","t":20})");
  check.run();
  CHECK(only(check, "suspect").find("rate_of_change 19/s") != std::string::npos);
}

TEST_CASE("checks are SQL: false fails or is suspect, NULL is not evaluated") {
  Runner check(type(), "checks: {order: low <= high}\nsuspect_checks: {\"not cold\": low > 0}\n");
  check.push(R"({"low":1,"high":2})");
  check.push(R"({"low":3,"high":2})");
  check.push(R"({"low":-1,"high":2})");
  check.push(R"({"high":2})");
  check.run();
  CHECK(only(check, "fail").find(R"("order: check is not true")") != std::string::npos);
  CHECK(only(check, "suspect").find(R"("not cold: check is not true")") != std::string::npos);
  const auto pass = check.take("pass");
  REQUIRE(pass.size() == 2);
  CHECK(pass[0].content.find(R"({"flag":1})") != std::string::npos);
  CHECK(pass[1].content.find(R"({"flag":2})") != std::string::npos);
  CHECK(check.metric("quality_check_not_cold") == 1);
}

TEST_CASE("the keys without a reading for longest are forgotten beyond max_keys") {
  Runner check(type(), kRules + "max_keys: 3\n");
  const auto push = [&](std::string_view id, std::int64_t second, std::string_view value) {
    check.push(reading(id, second, value));
    check.run();
    check.advance(std::chrono::minutes(1));
  };
  push("a", 0, "0");
  push("b", 0, "0");
  push("c", 0, "0");
  push("a", 1, "0");
  push("d", 0, "0");  // b is forgotten
  CHECK(check.metric("quality_keys") == 3);
  check.take("pass");
  push("a", 2, "30");
  CHECK(check.take("suspect").size() == 1);
  push("b", 1, "30");
  CHECK(check.take("pass").size() == 1);
  std::size_t keys = 0;
  for (const auto& [key, value] : check.state()) keys += key[0] == 'k' ? 1 : 0;
  CHECK(keys == 3);
  CHECK(check.state().size() == 7);
}

TEST_CASE("a value of a declared field with the wrong type is judged by its rules") {
  Runner check(type(), "rules: {t: {type: number}}\n", {.record = "t: {type: number}\n"});
  check.push(R"({"t":"warm"})");
  check.run();
  CHECK(only(check, "fail").find(R"(t: type is not number: \"warm\")") != std::string::npos);
}

TEST_CASE("a check that has nothing to check, or cannot be read, is refused") {
  const auto message = [](const std::string& properties) -> std::string {
    try {
      Runner runner(type(), properties, {.record = "t: {type: number}\nts: {type: time, format: unix_s}\n"});
    } catch (const std::exception& error) {
      return error.what();
    }
    return "accepted";
  };
  CHECK(message("key: t\n").find("nothing to check") != std::string::npos);
  CHECK(message("rules: {t: {range: [1]}}\n").find("two numbers") != std::string::npos);
  CHECK(message("rules: {t: {rnge: [1, 2]}}\n").find("range") != std::string::npos);
  CHECK(message("rules: {t: {rate_of_change: 5/s}}\n").find("timestamp") != std::string::npos);
  CHECK(message("checks: {a: nobody > 1}\n").find("nobody") != std::string::npos);
  CHECK(message("rules: {quality: {not_null: true}}\n").find("quality_field") != std::string::npos);
  CHECK(message("rules: {t: {range: [1, 2]}}\n") == "accepted");
}

}  // namespace
