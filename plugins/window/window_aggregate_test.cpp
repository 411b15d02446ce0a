#include <doctest/doctest.h>

#include "weir/plugin.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace {

using weir::testkit::Options;
using weir::testkit::Runner;
using Texts = std::vector<std::string>;

const char* const kRecord = R"(
sensor_id: {type: text}
ts: {type: time, format: unix_s}
temperature: {type: number}
humidity: {type: number}
status: {type: any}
)";

struct Aggregate : Runner {
  explicit Aggregate(const std::string& aggregates, const std::string& more = "")
      : Runner(weir::testkit::find_type(weir_plugin_abi_1(), "WindowAggregate"),
               "key: sensor_id\ntime: ts\nwindow: 1m\naggregates:\n" + aggregates + more, {.record = kRecord}) {}
  void reading(std::int64_t time, const std::string& fields) {
    push(R"({"sensor_id":"a","ts":)" + std::to_string(time) + (fields.empty() ? "" : ",") + fields + "}");
  }
  /// The results, without key and window, which are what WindowMean's tests are about.
  Texts results() {
    Texts texts;
    for (const auto& output : take("success")) {
      const auto from = output.content.find("\"window_end\"");
      texts.push_back(output.content.substr(output.content.find(',', from) + 1));
    }
    return texts;
  }
};

constexpr std::int64_t kMinute = 1'699'999'980;  // 22:13:00

const std::string kAll = R"(
  readings: {function: count}
  values: {function: count, of: temperature}
  sum: {function: sum, of: temperature}
  min: {function: min, of: temperature}
  max: {function: max, of: temperature}
  mean: {function: mean, of: temperature}
  sample: {function: deviation_sample, of: temperature}
  population: {function: deviation_population, of: temperature}
  median: {function: median, of: temperature}
  most: {function: quantile, of: temperature, quantile: 1}
  first: {function: first, of: status}
  last: {function: last, of: status}
  humid: {function: mean, of: humidity}
)";

TEST_CASE("several aggregates over several fields at once, in the author's order") {
  Aggregate aggregate(kAll);
  aggregate.reading(kMinute + 5, R"("temperature":2,"humidity":40,"status":"b")");
  aggregate.reading(kMinute + 1, R"("temperature":4,"status":80.10)");
  aggregate.reading(kMinute + 9, R"("temperature":4,"status":null)");
  aggregate.reading(kMinute + 7, R"("temperature":4,"status":[1, 2])");
  for (const auto* value : {"5", "5", "7", "9"})
    aggregate.reading(kMinute + 6, std::string("\"temperature\":") + value);
  aggregate.reading(kMinute + 6, "");
  aggregate.run();
  CHECK(aggregate.results().empty());
  aggregate.finish();
  const auto results = aggregate.results();
  REQUIRE(results.size() == 1);
  CHECK(
      results[0] ==
      R"("readings":9,"values":8,"sum":40.0,"min":2.0,"max":9.0,"mean":5.0,"sample":2.138089935299395,)"
      R"("population":2.0,"median":4.014835333028587,"most":9.0,"first":80.10,"last":[1, 2],"humid":40.0,"revision":0})");
}

TEST_CASE("the record has key and window as WindowMean's has") {
  Aggregate aggregate("  n: {function: count}\n");
  aggregate.reading(kMinute, "");
  aggregate.run();
  aggregate.finish();
  const auto out = aggregate.take("success");
  REQUIRE(out.size() == 1);
  CHECK(
      out[0].content ==
      R"({"sensor_id":"a","window_start":"2023-11-14T22:13:00Z","window_end":"2023-11-14T22:14:00Z","n":1,"revision":0})");
  CHECK(out[0].parents == std::vector<std::uint64_t>{0});
}

TEST_CASE("NULLs are left out; where nothing is left it is null, and a reading of NULLs alone opens no window") {
  Aggregate nothing("  m: {function: mean, of: temperature}\n  l: {function: last, of: status}\n");
  nothing.reading(kMinute, "");
  nothing.reading(kMinute, R"("temperature":null)");
  nothing.run();
  nothing.finish();
  CHECK(nothing.results().empty());
  CHECK(nothing.metric("window_ignored_readings") == 2);
  Aggregate all(kAll);
  all.reading(kMinute, "");
  all.run();
  all.finish();
  CHECK(all.results() ==
        Texts{R"("readings":1,"values":0,"sum":null,"min":null,"max":null,"mean":null,"sample":null,)"
              R"("population":null,"median":null,"most":null,"first":null,"last":null,"humid":null,"revision":0})"});
}

TEST_CASE("a sample's deviation needs two values, a population's one") {
  Aggregate aggregate(
      "  s: {function: deviation_sample, of: temperature}\n  p: {function: deviation_population, of: temperature}\n");
  aggregate.reading(kMinute, R"("temperature":3)");
  aggregate.run();
  aggregate.finish();
  CHECK(aggregate.results() == Texts{R"("s":null,"p":0.0,"revision":0})"});
}

TEST_CASE("deviation keeps what squares and sums would lose") {
  Aggregate aggregate("  p: {function: deviation_population, of: temperature}\n");
  for (const auto* value : {"1000000004", "1000000007", "1000000013", "1000000016"})
    aggregate.reading(kMinute, std::string("\"temperature\":") + value);
  aggregate.run();
  aggregate.finish();
  CHECK(aggregate.results() == Texts{R"("p":4.743416490252569,"revision":0})"});
}

TEST_CASE("first and last go by event time, and among equals by arrival") {
  Aggregate aggregate("  f: {function: first, of: status}\n  l: {function: last, of: status}\n");
  aggregate.reading(kMinute + 30, R"("status":"mid1")");
  aggregate.reading(kMinute + 30, R"("status":"mid2")");
  aggregate.run();
  aggregate.finish();
  CHECK(aggregate.results() == Texts{R"("f":"mid1","l":"mid2","revision":0})"});
  aggregate.reading(kMinute + 40, R"("status":"late")");
  aggregate.reading(kMinute + 20, R"("status":"early")");
  aggregate.run();
  aggregate.finish();
  CHECK(aggregate.results() == Texts{R"("f":"early","l":"late","revision":1})"});
}

TEST_CASE("a late reading corrects all aggregates, in a revision") {
  Aggregate aggregate(kAll, "allowed_lateness: 10m\n");
  aggregate.reading(kMinute, R"("temperature":1)");
  aggregate.reading(kMinute + 60, R"("temperature":5)");
  aggregate.run();
  REQUIRE(aggregate.results().size() == 1);
  aggregate.reading(kMinute + 1, R"("temperature":3,"status":"x")");
  aggregate.run();
  const auto revised = aggregate.results();
  REQUIRE(revised.size() == 1);
  CHECK(revised[0].starts_with(R"("readings":2,"values":2,"sum":4.0,"min":1.0,"max":3.0,"mean":2.0,)"));
  CHECK(revised[0].ends_with(R"("first":"x","last":"x","humid":null,"revision":1})"));
}

TEST_CASE("batches, restarts and crashes change nothing in the result") {
  const auto run = [](int batch, bool disturbed) {
    Aggregate aggregate(kAll);
    for (int i = 0; i < 200; ++i) {
      aggregate.reading(kMinute + i / 4, "\"temperature\":" + std::to_string(i * 37 % 101 - 50) +
                                             ".125,\"status\":" + std::to_string(i));
      if (i % batch == 0) aggregate.run();
      if (disturbed && i % 20 == 0) aggregate.durable(), aggregate.crash();
      if (disturbed && i % 50 == 0) aggregate.restart();
    }
    aggregate.run();
    aggregate.finish();
    return aggregate.results();
  };
  const auto expected = run(1000, false);
  REQUIRE(expected.size() == 1);
  CHECK(run(1, false) == expected);
  CHECK(run(7, true) == expected);
}

TEST_CASE("a value of the wrong type, or beyond what a double can sum, is rejected and counted nowhere") {
  Aggregate aggregate(
      "  n: {function: count}\n  s: {function: sum, of: temperature}\n  h: {function: deviation_sample, of: "
      "humidity}\n");
  aggregate.reading(kMinute, R"("temperature":1e308,"humidity":1)");
  aggregate.reading(kMinute, R"("temperature":1e308,"humidity":2)");
  aggregate.reading(kMinute, R"("temperature":1,"humidity":1e200)");
  aggregate.reading(kMinute, R"("temperature":"warm")");
  aggregate.run();
  aggregate.finish();
  CHECK(aggregate.results() == Texts{R"("n":1,"s":1e+308,"h":null,"revision":0})"});
  const auto bad = aggregate.take("failure");
  REQUIRE(bad.size() == 3);
  CHECK(bad[0].attributes.at("error.message") ==
        "what is kept of temperature in its window is beyond the range of a double");
  CHECK(bad[1].attributes.at("error.message") ==
        "what is kept of humidity in its window is beyond the range of a double");
}

TEST_CASE("settings that cannot work are refused with what to do") {
  CHECK_THROWS_WITH(Aggregate("  revision: {function: count}\n"),
                    "aggregates.revision: the result has a field of that name already");
  CHECK_THROWS_WITH(Aggregate("  m: {function: mean}\n"),
                    "aggregates.m: mean needs the field that it is of: of: FIELD");
  CHECK_THROWS_WITH(Aggregate("  q: {function: quantile, of: temperature}\n"),
                    "aggregates.q: which quantile? As in quantile: 0.9");
  CHECK_THROWS_WITH(Aggregate("  q: {function: mean, of: temperature, quantile: 0.5}\n"),
                    "aggregates.q: only function: quantile has a quantile");
  CHECK_THROWS_WITH(Aggregate("  sensor_id: {function: count}\n"),
                    "key: the result has a field 'sensor_id' of its own; rename the key's field by a Select before");
  CHECK_THROWS(Aggregate("  m: {function: meen, of: temperature}\n"));
  CHECK_THROWS(Aggregate("  m: {function: mean, of: temprature}\n"));
  CHECK_THROWS(Aggregate("  q: {function: quantile, of: temperature, quantile: 1.5}\n"));
}

}  // namespace
