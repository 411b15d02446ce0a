#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

#include "weir/plugin.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace {

using std::chrono::seconds;
using weir::testkit::Options;
using weir::testkit::Runner;

const char* const kRecord = R"(
sensor_id: {type: text}
ts: {type: time, format: unix_s}
temperature: {type: number}
)";

const weir::abi::ProcessorType* type() {
  return weir::testkit::find_type(weir_plugin_abi_1(), "WindowMean");
}

std::string reading(std::string_view sensor, std::int64_t time, std::string_view value) {
  return R"({"sensor_id":")" + std::string(sensor) + R"(","ts":)" + std::to_string(time) + R"(,"temperature":)" +
         std::string(value) + "}";
}

/// A runner over the readings above; 1,700,000,000 lies 20 s into its minute, which ends at 1,700,000,040.
struct Means : Runner {
  explicit Means(const std::string& more = "", Options options = {.record = kRecord})
      : Runner(type(), "key: sensor_id\ntime: ts\nvalue: temperature\nwindow: 1m\n" + more, options) {}
  void push_reading(std::string_view sensor, std::int64_t time, std::string_view value) {
    push(reading(sensor, time, value));
  }
  std::vector<std::string> contents(std::string_view relationship) {
    std::vector<std::string> result;
    for (const auto& output : take(relationship)) result.push_back(output.content);
    return result;
  }
};

constexpr std::int64_t kMinute = 1'699'999'980;  // 22:13:00

std::string mean(std::string_view sensor, std::string_view start, std::string_view end, std::string_view value,
                 int count, int revision = 0) {
  return R"({"sensor_id":")" + std::string(sensor) + R"(","window_start":"2023-11-14T)" + std::string(start) +
         R"(Z","window_end":"2023-11-14T)" + std::string(end) + R"(Z","mean":)" + std::string(value) + R"(,"count":)" +
         std::to_string(count) + R"(,"revision":)" + std::to_string(revision) + "}";
}

using Texts = std::vector<std::string>;

TEST_CASE("a mean per key and window, when the watermark reaches the window's end") {
  Means means;
  means.push_reading("a", kMinute, "20");
  means.push_reading("b", kMinute + 5, "1.5");
  means.push_reading("a", kMinute + 59, "22");
  means.run();
  CHECK(means.take("success").empty());
  means.push_reading("b", kMinute + 60, "9");
  means.run();
  CHECK(means.contents("success") ==
        Texts{mean("a", "22:13:00", "22:14:00", "21.0", 2), mean("b", "22:13:00", "22:14:00", "1.5", 1)});
  means.finish();
  CHECK(means.contents("success") == Texts{mean("b", "22:14:00", "22:15:00", "9.0", 1)});
  CHECK(means.dropped().size() == 4);
}

TEST_CASE("a mean names all the readings in it, and no other") {
  Means means("allowed_lateness: 10m\n");
  means.push_reading("a", kMinute, "1");
  means.push_reading("b", kMinute + 1, "2");
  means.run();
  means.push(reading("a", kMinute + 2, "3") + "\n" + reading("b", kMinute + 3, "4") + "\n");
  means.push_reading("a", kMinute + 60, "5");
  means.run();
  auto out = means.take("success");
  REQUIRE(out.size() == 2);
  CHECK(out[0].parents == std::vector<std::uint64_t>{0, 2});
  CHECK(out[1].parents == std::vector<std::uint64_t>{1, 2});
  means.push_reading("a", kMinute + 4, "8");
  means.run();
  out = means.take("success");
  REQUIRE(out.size() == 1);
  CHECK(out[0].parents == std::vector<std::uint64_t>{0, 2, 4});
}

TEST_CASE("a late reading within the allowed lateness makes a revision, one for those that come together") {
  Means means("allowed_lateness: 30s\n");
  means.push_reading("a", kMinute, "10");
  means.push_reading("a", kMinute + 60, "1");
  means.run();
  CHECK(means.contents("success") == Texts{mean("a", "22:13:00", "22:14:00", "10.0", 1)});
  means.push_reading("a", kMinute + 10, "20");
  means.push_reading("a", kMinute + 11, "30");
  means.push_reading("c", kMinute + 12, "5");
  means.run();
  CHECK(means.contents("success") ==
        Texts{mean("a", "22:13:00", "22:14:00", "20.0", 3, 1), mean("c", "22:13:00", "22:14:00", "5.0", 1)});
  means.push_reading("a", kMinute + 13, "60");
  means.run();
  CHECK(means.contents("success") == Texts{mean("a", "22:13:00", "22:14:00", "30.0", 4, 2)});
  CHECK(means.take("late").empty());
}

TEST_CASE("a reading beyond the allowed lateness goes to late, byte for byte, and leaves the mean alone") {
  Means means("allowed_lateness: 30s\n");
  means.push_reading("a", kMinute, "10");
  means.push_reading("a", kMinute + 89, "1");
  means.run();
  means.take("success");
  means.push_reading("a", kMinute + 1, "10");  // the watermark is at :89, the window is kept to :90
  means.run();
  CHECK(means.contents("success").size() == 1);
  means.push_reading("a", kMinute + 90, "1");
  means.run();
  const std::string late = R"(  {"sensor_id": "a", "ts":  1699999980, "temperature": 1e1, "more": [1, 2] })";
  means.push(late, {{"source", "x"}});
  means.run();
  auto out = means.take("late");
  REQUIRE(out.size() == 1);
  CHECK(out[0].content == late);
  CHECK(out[0].attributes.at("source") == "x");
  CHECK(means.metric("window_late_readings") == 1);
  CHECK(means.take("success").empty());
  for (const auto& [key, value] : means.state()) CHECK(key[0] != 'f');
}

TEST_CASE("late readings are split off a FlowFile that has others") {
  Means means;
  means.push_reading("a", kMinute + 120, "1");
  means.run();
  means.push(reading("a", kMinute + 121, "3") + "\n" + reading("a", kMinute, "4") + "\n" +
             reading("b", kMinute + 1, "5") + "\n" + reading("a", kMinute + 122, "5") + "\n");
  means.run();
  auto out = means.take("late");
  REQUIRE(out.size() == 1);
  CHECK(out[0].content == reading("a", kMinute, "4") + "\n" + reading("b", kMinute + 1, "5") + "\n");
  CHECK(out[0].records == 2);
  means.finish();
  CHECK(means.contents("success") == Texts{mean("a", "22:15:00", "22:16:00", "3.0", 3)});
}

TEST_CASE("the watermark stays behind by the out-of-orderness") {
  Means means("out_of_orderness: 10s\n");
  means.push_reading("a", kMinute + 30, "1");
  means.push_reading("a", kMinute + 69, "2");
  means.push_reading("a", kMinute + 50, "3");
  means.run();
  CHECK(means.take("success").empty());
  means.push_reading("a", kMinute + 70, "2");
  means.run();
  CHECK(means.contents("success") == Texts{mean("a", "22:13:00", "22:14:00", "2.0", 2)});
}

TEST_CASE("what is counted does not depend on how readings are batched") {
  const auto run = [](std::uint32_t batch, bool chunk) {
    Means means("allowed_lateness: 0s\n", {.record = kRecord, .batch = batch});
    std::string all;
    for (int i = 0; i < 500; ++i) {
      const auto late = i % 7 == 0 ? 45 : 0;
      const auto one = reading(i % 3 == 0 ? "a" : "b", kMinute + i - late, std::to_string(0.1 * i));
      if (chunk) {
        all += one + "\n";
      } else {
        means.push(one);
      }
    }
    if (chunk) means.push(all);
    means.run();
    means.finish();
    auto out = means.contents("success");
    std::sort(out.begin(), out.end());
    return out;
  };
  const auto expected = run(1, false);
  CHECK(expected.size() > 10);
  CHECK(run(7, false) == expected);
  CHECK(run(1000, false) == expected);
  CHECK(run(1, true) == expected);
}

TEST_CASE("after a crash the windows are as of the last epoch, and the result is the same as without") {
  const auto run = [](bool crash) {
    Means means("allowed_lateness: 20s\n");
    Texts out;
    for (int i = 0; i < 200; ++i) {
      means.push_reading("a", kMinute + i, std::to_string(i));
      if (i % 50 == 25) means.durable();
      if (crash && i == 130) {
        means.run();
        for (auto& text : means.contents("success")) out.push_back(text);
        means.crash();  // readings 126 … 130 are no longer queued: their source hands them over again
        for (int k = 126; k <= 130; ++k) means.push_reading("a", kMinute + k, std::to_string(k));
      }
      means.run();
      for (auto& text : means.contents("success")) out.push_back(text);
    }
    means.finish();
    for (auto& text : means.contents("success")) out.push_back(text);
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  };
  CHECK(run(true) == run(false));
}

TEST_CASE("group numbers are dense and go on after a crash") {
  Means means;
  means.push_reading("a", kMinute, "1");
  means.push_reading("b", kMinute, "1");
  means.run();
  means.durable();
  const auto before = means.state();
  means.crash();
  CHECK(means.state() == before);
  means.push_reading("c", kMinute, "1");
  means.run();
  CHECK(means.state().at("g") == std::string("\0\0\0\0\0\0\0\4", 8));
}

TEST_CASE("finish closes every window; readings that come after it are revisions") {
  Means means;
  means.push_reading("a", kMinute + 1, "10");
  means.push_reading("a", kMinute + 61, "20");
  means.run();
  CHECK(means.take("success").size() == 1);
  means.finish();
  CHECK(means.contents("success") == Texts{mean("a", "22:14:00", "22:15:00", "20.0", 1)});
  means.finish();
  CHECK(means.take("success").empty());
  means.push_reading("a", kMinute + 62, "30");
  means.push_reading("a", kMinute + 200, "1");
  means.run();
  CHECK(means.contents("success") == Texts{mean("a", "22:14:00", "22:15:00", "25.0", 2, 1)});
}

TEST_CASE("emit: batch makes one FlowFile of a window, whose lineage names the readings of all keys") {
  Means means("emit: batch\n");
  means.push_reading("b", kMinute, "1");
  means.push_reading("a", kMinute + 1, "2");
  means.push_reading("a", kMinute + 61, "2");
  means.push_reading("a", kMinute + 120, "2");
  means.run();
  auto out = means.take("success");
  REQUIRE(out.size() == 2);
  CHECK(out[0].content ==
        mean("a", "22:13:00", "22:14:00", "2.0", 1) + "\n" + mean("b", "22:13:00", "22:14:00", "1.0", 1) + "\n");
  CHECK(out[0].records == 2);
  CHECK(out[0].parents == std::vector<std::uint64_t>{0, 1});
  CHECK(out[1].parents == std::vector<std::uint64_t>{2});
}

TEST_CASE("without a key there is one mean over all") {
  Runner means(type(), "time: ts\nvalue: temperature\nwindow: 1m\n", {.record = kRecord});
  means.push(reading("a", kMinute, "1"));
  means.push(reading("b", kMinute, "2"));
  means.run();
  means.finish();
  CHECK(
      means.take("success").at(0).content ==
      R"({"window_start":"2023-11-14T22:13:00Z","window_end":"2023-11-14T22:14:00Z","mean":1.5,"count":2,"revision":0})");
}

TEST_CASE("key, time and value may be expressions") {
  Runner means(type(), "key: lower(sensor_id)\ntime: ts\nvalue: temperature * 2\nwindow: 1m\n", {.record = kRecord});
  means.push(reading("A", kMinute, "1"));
  means.push(reading("a", kMinute, "2"));
  means.run();
  means.finish();
  CHECK(means.take("success").at(0).content.find(R"({"key":"a",)") == 0);
}

TEST_CASE("without a declaration times are RFC 3339 or Unix times, and keys keep their kind") {
  Runner means(type(), "key: id\nvalue: v\nwindow: 1h\n");
  means.push(R"([{"id":7,"timestamp":"2023-11-14T22:13:20Z","v":1},{"id":"7","timestamp":1700000001,"v":2},
                 {"id":7.0,"timestamp":1700000001000,"v":3}])");
  means.run();
  means.finish();
  const auto out = means.take("success");
  REQUIRE(out.size() == 2);
  CHECK(out[0].content.find(R"({"id":"7",)") == 0);
  CHECK(
      out[1].content ==
      R"({"id":7,"window_start":"2023-11-14T22:00:00Z","window_end":"2023-11-14T23:00:00Z","mean":2.0,"count":2,"revision":0})");
}

TEST_CASE("bad records go to failure with their bytes and the reason, the others are counted") {
  Means means;
  const std::string no_key = R"({"ts":1699999980,"temperature":1})";
  const std::string null_key = R"({"sensor_id":null,"ts":1699999980,"temperature":1})";
  const std::string no_time = R"({"sensor_id":"a","temperature":1})";
  const std::string text_time = R"({"sensor_id":"a","ts":"yesterday","temperature":1})";
  const std::string text_value = R"({"sensor_id":"a","ts":1699999980,"temperature":"warm"})";
  const std::string nan = R"({"sensor_id":"a","ts":1699999980,"temperature":NaN})";
  const std::string huge = R"({"sensor_id":"a","ts":1699999980,"temperature":1e999})";
  const std::string far = R"({"sensor_id":"a","ts":1800000000,"temperature":1})";
  const std::string broken = R"({"sensor_id":"a","ts":1699)";
  std::string all = reading("a", kMinute, "5") + "\n";
  for (const auto& bad : {no_key, null_key, no_time, text_time, text_value, nan, huge, far, broken}) all += bad + "\n";
  means.push(all + reading("a", kMinute + 1, "7") + "\n");
  means.run();
  const auto failed = means.take("failure");
  const auto reason_of = [&](const std::string& record) -> std::string {
    for (const auto& output : failed) {
      if (output.content.find(record) != std::string::npos) return output.attributes.at("error.message");
    }
    return "not found: " + record;
  };
  CHECK(reason_of(no_key) == "no key: sensor_id is NULL");
  CHECK(reason_of(null_key) == "no key: sensor_id is NULL");
  CHECK(reason_of(no_time) == "no time: ts is NULL");
  CHECK(reason_of(text_time).find("ts") != std::string::npos);
  CHECK(reason_of(text_value).find("temperature") != std::string::npos);
  CHECK(reason_of(nan).find("not found") == std::string::npos);
  CHECK(reason_of(huge).find("not found") == std::string::npos);
  CHECK(reason_of(far).find("max_ahead") != std::string::npos);
  CHECK(reason_of(broken).find("not found") == std::string::npos);
  means.finish();
  CHECK(means.contents("success") == Texts{mean("a", "22:13:00", "22:14:00", "6.0", 2)});
}

TEST_CASE("one reading from the future does not make everybody's readings late") {
  Means means;
  means.push_reading("a", kMinute + 86'400, "1");
  means.push_reading("b", kMinute, "2");
  means.run();
  CHECK(means.take("failure").size() == 1);
  CHECK(means.take("late").empty());
  SUBCASE("unless the author allows any time") {
    Means any("max_ahead: 0s\n");
    any.push_reading("a", kMinute + 86'400, "1");
    any.push_reading("b", kMinute, "2");
    any.run();
    CHECK(any.take("failure").empty());
    CHECK(any.take("late").size() == 1);
  }
}

TEST_CASE("a value that is NULL is not counted, but its time is") {
  Means means;
  means.push_reading("a", kMinute, "4");
  means.push_reading("a", kMinute + 1, "null");
  means.push(R"({"sensor_id":"b","ts":1700000040})");
  means.run();
  CHECK(means.contents("success") == Texts{mean("a", "22:13:00", "22:14:00", "4.0", 1)});
  CHECK(means.metric("window_ignored_readings") == 2);
  CHECK(means.take("failure").empty());
}

TEST_CASE("an empty message is rejected, an empty array ends quietly") {
  Means means;
  means.push("");
  means.push("[]");
  means.run();
  CHECK(means.take("failure").size() == 1);
  CHECK(means.queued() == 0);
}

TEST_CASE("times before 1970 and numbers beyond 2^53 are taken as they are") {
  Means means("max_ahead: 0s\n");
  means.push_reading("a", -1, "9007199254740993");
  means.push_reading("a", -60, "1.5e300");
  means.run();
  means.finish();
  const auto out = means.contents("success");
  REQUIRE(out.size() == 1);
  CHECK(out[0].find(R"("window_start":"1969-12-31T23:59:00Z")") != std::string::npos);
  CHECK(out[0].find(R"("mean":7.5e+299,"count":2)") != std::string::npos);
}

TEST_CASE("a sum that leaves the range of a double rejects the reading, not the window") {
  Means means;
  means.push_reading("a", kMinute, "1.7e308");
  means.push_reading("a", kMinute, "1.7e308");
  means.run();
  CHECK(means.take("failure").at(0).attributes.at("error.message").find("range of a double") != std::string::npos);
  means.finish();
  CHECK(means.contents("success") == Texts{mean("a", "22:13:00", "22:14:00", "1.7e+308", 1)});
}

TEST_CASE("many windows that close at once come out in several steps, each once") {
  Means means;
  std::string all;
  for (int i = 0; i < 25'000; ++i) all += reading("s-" + std::to_string(i), kMinute, "1") + "\n";
  means.push(all);
  means.push_reading("a", kMinute + 60, "1");
  means.run();
  CHECK(means.take("success").size() == 25'000);
  CHECK(means.next_tick() == 0);
}

TEST_CASE("a processor that cannot work is refused with the reason") {
  const auto message = [](const std::string& properties) -> std::string {
    try {
      Runner runner(type(), properties, {.record = kRecord});
    } catch (const std::exception& error) {
      return error.what();
    }
    return "accepted";
  };
  CHECK(message("value: temperature\ntime: ts\nwindow: 0s\n").find("window") != std::string::npos);
  CHECK(message("value: temperature\ntime: ts\n").find("window") != std::string::npos);
  CHECK(message("value: temprature\ntime: ts\nwindow: 1m\n").find("temperature") != std::string::npos);
  CHECK(message("value: temperature\ntime: ts\nwindow: 1m\nkey: mean\n") != "accepted");
  CHECK(message("value: temperature\nwindow: 1m\n").find("timestamp") != std::string::npos);
}

}  // namespace
