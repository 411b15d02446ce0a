#include "watermark.h"

#include <doctest/doctest.h>

#include "state_session.h"

namespace weir::window {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

/// A tracker with its state, fed in steps.
struct Bench {
  StateSession raw;
  WatermarkTracker tracker;
  Bench(std::int64_t out_of_orderness, std::int64_t idle_timeout, const std::vector<std::string>& inputs)
      : tracker("t", out_of_orderness * kSecond, idle_timeout * kSecond) {
    tracker.start(inputs);
  }
  /// A step of `input` with readings at these seconds; the watermark after it, in seconds.
  std::int64_t step(std::string_view input, std::initializer_list<std::int64_t> seconds) {
    Session session(&raw);
    tracker.begin(session, input);
    for (const auto second : seconds) tracker.observe(second * kSecond);
    const auto result = tracker.watermark();
    tracker.end(session);
    return result == kLongAgo ? result : result / kSecond;
  }
};

TEST_CASE("the watermark is the latest event time less the out-of-orderness") {
  Bench bench(5, 0, {"a"});
  CHECK(bench.step("", {}) == kLongAgo);
  CHECK(bench.step("a", {100}) == 95);
  CHECK(bench.step("a", {103, 90, 101}) == 98);
}

TEST_CASE("the slowest of several inputs holds the watermark") {
  Bench bench(0, 0, {"a", "b"});
  CHECK(bench.step("a", {100}) == kLongAgo);
  CHECK(bench.step("b", {40}) == 40);
  CHECK(bench.step("a", {200}) == 40);
  CHECK(bench.step("b", {150}) == 150);
  CHECK(bench.step("b", {300}) == 200);
}

TEST_CASE("without an idle timeout a silent input holds the watermark for ever, and nothing ticks") {
  Bench bench(0, 0, {"a", "b"});
  bench.step("a", {100});
  bench.raw.clock += 1'000'000 * kSecond;
  CHECK(bench.step("a", {200}) == kLongAgo);
  CHECK(bench.raw.tick == 0);
}

TEST_CASE("an input that is silent for the idle timeout no longer holds the watermark; ticks find it out") {
  Bench bench(0, 8, {"a", "b"});
  CHECK(bench.step("a", {100}) == kLongAgo);
  std::int64_t watermark = kLongAgo;
  for (int looks = 0; looks < 4; ++looks) {
    REQUIRE(bench.raw.tick > bench.raw.clock);
    CHECK(watermark == kLongAgo);
    bench.raw.clock = std::exchange(bench.raw.tick, 0);
    watermark = bench.step("", {});
  }
  CHECK(watermark == 100);
}

TEST_CASE("an input that comes back counts again, but the watermark does not go back") {
  Bench bench(0, 8, {"a", "b"});
  bench.step("a", {100});
  for (int i = 0; i < 5; ++i) {
    bench.raw.clock += 2 * kSecond;
    bench.step("a", {100 + i});
  }
  CHECK(bench.step("a", {110}) == 110);
  CHECK(bench.step("b", {50}) == 110);
  CHECK(bench.step("a", {500}) == 110);
  CHECK(bench.step("b", {120}) == 120);
}

TEST_CASE("when all inputs are idle the furthest counts, and nothing ticks any more") {
  Bench bench(0, 8, {"a", "b"});
  bench.step("a", {100});
  bench.step("b", {60});
  std::int64_t watermark = 0;
  for (int i = 0; i < 5; ++i) {
    bench.raw.clock += 2 * kSecond;
    bench.raw.tick = 0;
    watermark = bench.step("", {});
  }
  CHECK(watermark == 100);
  CHECK(bench.raw.tick == 0);
}

TEST_CASE("time in which the processor had no turn is not held against its inputs") {
  Bench bench(0, 8, {"a", "b"});
  bench.step("a", {100});
  bench.step("b", {100});
  bench.raw.clock += 3600 * kSecond;  // blocked by a full queue behind it
  CHECK(bench.step("a", {5000}) == 100);
  CHECK(bench.step("b", {4000}) == 4000);
}

TEST_CASE("a restart goes on with the watermark that was stored, and an input that was removed counts no more") {
  Bench before(0, 0, {"a", "b"});
  before.step("a", {100});
  before.step("b", {40});
  Bench after(0, 0, {"a", "c"});
  after.raw.entries = before.raw.entries;
  CHECK(after.step("", {}) == 40);
  CHECK(after.step("a", {300}) == 40);
  CHECK(after.step("c", {250}) == 250);
}

TEST_CASE("times at the ends of what can be counted do not wrap") {
  Bench bench(5, 0, {"a"});
  Session session(&bench.raw);
  bench.tracker.begin(session, "a");
  bench.tracker.observe(kLongAgo + 1);
  CHECK(bench.tracker.watermark() == kLongAgo);
  bench.tracker.observe(std::numeric_limits<std::int64_t>::max());
  CHECK(bench.tracker.watermark() == std::numeric_limits<std::int64_t>::max() - 5 * kSecond);
}

}  // namespace
}  // namespace weir::window
