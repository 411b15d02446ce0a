// What a lane keeps of its rounds, its sinks and its windows. How it moves between Weirs: tests/scaling.
#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "engine/lane.h"
#include "weir/spec.h"

using namespace weir;

namespace {

constexpr auto kNever = std::numeric_limits<std::int64_t>::max();

struct OneLane {
  std::vector<std::string> losses;
  engine::Lane lane{
      {"share", "readings", 3}, {"table", "topic"}, [this](const std::string& why) { losses.push_back(why); }};
};

}  // namespace

TEST_CASE("a lane's name is the same in every Weir") {
  OneLane one;
  CHECK(view(one.lane.id()) == "share@readings/3");
}

TEST_CASE("where the group is counts only once every sink has claimed its place") {
  OneLane one;
  CHECK(!one.lane.claimed());
  one.lane.claim(to_text("table"), 0);
  CHECK(!one.lane.claimed());
  one.lane.claim(to_text("topic"), 70);
  CHECK(one.lane.claimed());
}

TEST_CASE("no sink gets what it has already, and none what was done before") {
  OneLane one;
  one.lane.claim(to_text("table"), 60);
  one.lane.claim(to_text("topic"), 90);
  one.lane.go_on(70);
  CHECK(one.lane.stop_after(20) == 60);  // rounds end where a sink's silence does
  CHECK(one.lane.stop_after(60) == 70);
  CHECK(one.lane.stop_after(70) == 90);
  CHECK(one.lane.stop_after(90) == kNever);
  one.lane.round(60, 70);
  CHECK(one.lane.rebuilding());
  CHECK(one.lane.silent("table"));
  CHECK(one.lane.silent("another, at least once"));
  one.lane.round(70, 90);
  CHECK(!one.lane.rebuilding());
  CHECK(!one.lane.silent("table"));
  CHECK(one.lane.silent("topic"));
  CHECK(!one.lane.silent("another, at least once"));
  one.lane.round(90, 95);
  CHECK(!one.lane.silent("topic"));
}

TEST_CASE("what a window processor kept elsewhere holds until it says otherwise itself") {
  OneLane one;
  CHECK(one.lane.needed_from(70) == 70);
  one.lane.restore(to_text("mean"), 40, to_text("17"));
  one.lane.restore(to_text("total"), 40, to_text("18"));
  one.lane.keep(to_text("mean"), 65, to_text("19"));
  CHECK(one.lane.needed_from(70) == 40);  // the other has had no reading yet
  one.lane.keep(to_text("total"), kNever, to_text("20"));
  CHECK(one.lane.needed_from(70) == 65);
  CHECK(one.lane.needed_from(50) == 50);
}

TEST_CASE("a lane is lost once, whoever finds out first") {
  OneLane one;
  one.lane.lost(to_text("claimed by another"));
  one.lane.lost(to_text("a commit in doubt"));
  CHECK(one.losses == std::vector<std::string>{"claimed by another"});
}
