// Windows of a lane that moves from one Weir to another.
#include <doctest/doctest.h>

#include <map>
#include <random>

#include "weir/plugin.h"
#include "weir/testkit.h"
#include "weir/testkit_lane.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace {

using weir::testkit::Runner;
using weir::testkit::TestLane;

struct Reading {
  std::string key;
  std::int64_t time;
  double value;
};

/// Two sensors whose readings are up to 90 s out of order.
std::vector<Reading> readings(std::uint32_t seed, std::size_t count) {
  std::mt19937 random(seed);
  std::vector<Reading> all;
  for (std::size_t i = 0; i < count; ++i)
    all.push_back({random() % 2 == 0 ? "a" : "b",
                   1'700'000'000 + static_cast<std::int64_t>(i) * 7 - static_cast<std::int64_t>(random() % 90),
                   static_cast<double>(random() % 1000) / 8});
  return all;
}

/// What a table holds that is upserted by key and window, with the emission that has the highest revision.
using Table = std::map<std::string, std::pair<std::uint64_t, std::string>>;

void upsert(Table& table, Runner& runner, bool silent) {
  for (const auto& output : runner.take("success")) {
    if (silent) continue;
    const auto mean = output.content.find("\"mean\"");
    const auto revision = output.content.find("\"revision\":");
    const auto number = std::stoull(output.content.substr(revision + 11));
    const auto [row, is_new] = table.try_emplace(output.content.substr(0, mean));
    if (is_new || number > row->second.first) row->second = {number, output.content.substr(mean, revision - mean)};
  }
}

/// An owner of the lane, from an offset on.
struct Owner {
  TestLane lane;
  Runner runner;
  Table& table;
  std::size_t late = 0;

  Owner(const std::string& more, Table& to, const TestLane* before, std::int64_t offset)
      : lane(next(before, offset)),
        runner(weir::testkit::find_type(weir_plugin_abi_1(), "WindowMean"),
               "key: k\ntime: t\nvalue: v\nwindow: 1m\nmax_ahead: 0s\n" + more,
               {.record = "k: {type: text}\nt: {type: time, format: unix_s}\nv: {type: number}\n", .lane = &lane}),
        table(to) {}
  static TestLane next(const TestLane* before, std::int64_t offset) {
    TestLane lane;
    lane.before = offset;
    if (before != nullptr) lane.was_kept = before->value;
    return lane;
  }
  void round(const std::vector<Reading>& all, std::size_t begin, std::size_t end) {
    lane.round(static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end));
    for (auto i = begin; i < end; ++i)
      runner.push("{\"k\":\"" + all[i].key + "\",\"t\":" + std::to_string(all[i].time) +
                  ",\"v\":" + std::to_string(all[i].value) + "}");
    runner.run();
    upsert(table, runner, lane.rebuilding());
    const auto came_late = runner.take("late").size();
    if (!lane.rebuilding()) late += came_late;
  }
};

void compare(const std::string& more, std::uint32_t seed) {
  CAPTURE(more);
  CAPTURE(seed);
  constexpr std::size_t kCount = 400;
  const auto all = readings(seed, kCount);
  Table whole;
  Owner one(more, whole, nullptr, 0);
  for (std::size_t i = 0; i < kCount; i += 20) one.round(all, i, i + 20);

  std::mt19937 random(seed + 1);
  Table table;
  std::size_t late = 0;
  auto owner = std::make_unique<Owner>(more, table, nullptr, 0);
  for (std::size_t at = 0; at < kCount;) {
    const auto end = std::min(kCount, at + 1 + random() % 30);
    owner->round(all, at, end);
    at = end;
    if (random() % 4 != 0) continue;
    // Somebody else goes on here, who reads again what the windows need, in other rounds.
    const auto offset = static_cast<std::int64_t>(at);
    auto from = static_cast<std::size_t>(owner->lane.needed_from(offset));
    late += owner->late;
    auto heir = std::make_unique<Owner>(more, table, &owner->lane, offset);
    for (const auto step = 1 + random() % 50; from < at;) {
      const auto to = std::min(at, from + step);
      heir->round(all, from, to);
      from = to;
    }
    owner = std::move(heir);
  }
  late += owner->late;
  REQUIRE(!whole.empty());
  REQUIRE(table.size() == whole.size());
  for (const auto& [row, mean] : whole) {
    CAPTURE(row);
    CHECK(table.at(row).second == mean.second);
  }
  CHECK(late == one.late);
}

}  // namespace

TEST_CASE("a lane that moves has the windows of one that stays, whatever the rounds and wherever it moves") {
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    compare("", seed);
    compare("out_of_orderness: 30s\n", seed);
    compare("allowed_lateness: 2m\n", seed);
  }
}

TEST_CASE("once a window has closed, its readings are not needed any more") {
  Table table;
  Owner owner("", table, nullptr, 0);
  const std::vector<Reading> all{{"a", 1'699'999'980, 1}, {"a", 1'699'999'990, 2}, {"a", 1'700'000'050, 3}};
  owner.round(all, 0, 2);
  CHECK(owner.lane.from == 0);
  owner.round(all, 2, 3);
  CHECK(owner.lane.from == 2);
  CHECK(table.size() == 1);
}
