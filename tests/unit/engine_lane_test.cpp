// What a lane keeps of its rounds, its sinks and its windows. How it moves between Weirs: tests/scaling.
#include <doctest/doctest.h>

#include <limits>
#include <mutex>
#include <vector>

#include "engine/lane.h"
#include "tests/unit/engine_fixture.h"
#include "weir/spec.h"

using namespace weir;

namespace {

constexpr auto kNever = std::numeric_limits<std::int64_t>::max();

/// What `table` refuses goes by `marked` to `dead`, which gets something of its own too.
test::FlowBuilder shared_flow() {
  const auto exactly_once = [](flow::Processor& processor) { processor.exactly_once = true; };
  test::FlowBuilder builder;
  builder.named("share");
  builder.processor("in", "Count").processor("table", "Do", exactly_once).processor("topic", "Do", exactly_once);
  builder.processor("plain", "Do").processor("marked", "Do").processor("dead", "Collect", exactly_once);
  for (const auto* sink : {"table", "topic", "plain", "dead"}) builder.connect("in", "success", sink);
  return builder.connect("table", "failure", "marked").connect("marked", "success", "dead");
}

struct OneLane {
  std::vector<std::string> losses;
  flow::Flow flow = shared_flow().build().front();
  engine::Lane lane{{"share", "readings", 3}, flow, [this](const std::string& why) { losses.push_back(why); }};

  bool silent(const std::string& from, const std::string& to) const {
    for (const auto& connection : flow.connections) {
      if (flow.processors[connection.from].name == from && flow.processors[connection.to].name == to)
        return lane.done_before(connection).has_value();
    }
    FAIL("no connection from ", from, " to ", to);
    return false;
  }
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
  CHECK(!one.lane.claimed());
  one.lane.claim(to_text("dead"), 70);
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
  CHECK(one.silent("in", "table"));
  CHECK(one.silent("in", "plain"));
  one.lane.round(70, 90);
  CHECK(!one.lane.rebuilding());
  CHECK(!one.silent("in", "table"));
  CHECK(one.silent("in", "topic"));
  CHECK(!one.silent("in", "plain"));
  one.lane.round(90, 95);
  CHECK(!one.silent("in", "topic"));
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

TEST_CASE("what a sink holds for longer than a round comes again, with the windows as they were where it began") {
  OneLane one;
  const auto keep = [&](std::int64_t from, const std::string& value) {
    one.lane.keep(to_text("plain"), from, to_text(value));
  };
  const auto kept = [&] {
    struct First final : weir::abi::StateVisitor {
      std::string value;
      bool entry(weir::abi::Text, weir::abi::Text text) override {
        value = view(text);
        return false;
      }
    } first;
    one.lane.visit_kept(&first);
    return first.value;
  };
  one.lane.will_hold(to_text("topic"));
  one.lane.will_hold(to_text("dead"));
  keep(5, "at 10");
  one.lane.round(10, 20);
  keep(12, "at 20");
  one.lane.hold(to_text("topic"), 10);
  CHECK(one.lane.held_from(20) == 10);
  CHECK(one.lane.needed_from(20) == 5);
  CHECK(kept() == "at 10");
  one.lane.round(20, 30);
  keep(23, "at 30");
  one.lane.hold(to_text("topic"), 10);  // still
  one.lane.hold(to_text("dead"), 20);
  CHECK(one.lane.held_from(30) == 10);
  CHECK(!one.lane.take_released());
  one.lane.release(to_text("topic"));
  CHECK(one.lane.take_released());
  CHECK(!one.lane.take_released());
  CHECK(kept() == "at 10");  // while the source is at asking
  CHECK(one.lane.held_from(30) == 20);
  CHECK(one.lane.needed_from(30) == 12);
  CHECK(kept() == "at 20");
  one.lane.release(to_text("dead"));
  CHECK(one.lane.held_from(30) == 30);
  CHECK(one.lane.needed_from(30) == 23);
  CHECK(kept() == "at 30");
}

TEST_CASE("a sink that holds what it gets has of what was done before only what it has claimed") {
  OneLane one;
  one.lane.will_hold(to_text("topic"));
  one.lane.will_hold(to_text("dead"));
  one.lane.claim(to_text("table"), 90);
  one.lane.claim(to_text("topic"), 50);
  one.lane.claim(to_text("dead"), 50);
  one.lane.go_on(90);
  one.lane.windows_at(40);
  CHECK(one.lane.stop_after(20) == 40);
  CHECK(one.lane.stop_after(40) == 50);
  CHECK(one.lane.stop_after(50) == 90);
  one.lane.round(20, 40);
  CHECK(one.lane.rebuilding());
  CHECK(one.silent("in", "topic"));
  one.lane.round(40, 50);
  CHECK(!one.lane.rebuilding());
  CHECK(one.silent("in", "topic"));
  one.lane.round(50, 90);
  CHECK(!one.silent("in", "topic"));
  CHECK(one.silent("in", "table"));
  CHECK(one.silent("in", "plain"));
  CHECK(one.silent("marked", "dead"));  // a refusal is never held beyond its round
  CHECK(!one.silent("in", "dead"));
}

TEST_CASE("a sink knows what does not come again: what another refuses") {
  OneLane one;
  CHECK(one.lane.comes_again(to_text("share/in/success/dead")));
  CHECK(!one.lane.comes_again(to_text("share/table/failure/marked")));
  CHECK(!one.lane.comes_again(to_text("share/marked/success/dead")));
}

TEST_CASE("a lane is lost once, whoever finds out first") {
  OneLane one;
  one.lane.lost(to_text("claimed by another"));
  one.lane.lost(to_text("a commit in doubt"));
  CHECK(one.losses == std::vector<std::string>{"claimed by another"});
}

TEST_CASE("a lane that is given up is not lost any more, and says so to who waits in it") {
  OneLane one;
  CHECK(!one.lane.given_up());
  one.lane.give_up();
  CHECK(one.lane.given_up());
  one.lane.lost(to_text("found out too late"));
  CHECK(one.losses.empty());
}

TEST_CASE("why a lane is lost says no secret, whatever the far side did") {
  auto flow = shared_flow().build().front();
  flow.secrets = {"hunter2"};
  std::string told;
  engine::Lane lane{{"share", "readings", 3}, flow, [&](const std::string& why) { told = why; }};
  lane.lost(to_text("403: no user has the key hunter2"));
  CHECK(told == "403: no user has the key ***");
}

TEST_CASE("what a sink refuses again comes to the sink for it, though that has claimed the round") {
  OneLane one;
  one.lane.go_on(40);
  one.lane.claim(to_text("table"), 40);
  one.lane.claim(to_text("topic"), 90);
  one.lane.claim(to_text("dead"), 90);
  one.lane.round(40, 90);
  CHECK(one.silent("in", "dead"));
  CHECK(!one.silent("marked", "dead"));
  one.lane.claim(to_text("table"), 90);
  CHECK(one.silent("marked", "dead"));
  one.lane.round(90, 95);
  CHECK(!one.silent("in", "dead"));
}

TEST_CASE("at the end of a round a sink is asked for what it holds after all that is on the way, and behind it") {
  test::EngineTest test;
  auto builder = shared_flow();
  std::mutex mutex;
  std::vector<std::string> asked;
  const auto hold = [](FlowFile file, Session& session) { session.hold(file); };
  // The first time, table refuses the one FlowFile that it holds.
  const auto flush_of = [&](const std::string& name) {
    return [&, name, refused = false](Session& session) mutable {
      const std::lock_guard lock(mutex);
      if (session.held_count() == 0) return;
      asked.push_back(name);
      const auto file = session.take_held(0);
      if (name == "table" && !std::exchange(refused, true)) {
        session.reject(session.create(file), "refused");
        return session.hold(file);
      }
      name == "marked" ? session.transfer(file, 0) : session.drop(file, {});
    };
  };
  test::scripts()["in"].count = 1;
  for (const auto* name : {"table", "marked"}) {
    test::scripts()[name].process = hold;
    test::scripts()[name].flush = flush_of(name);
  }
  for (const auto* name : {"topic", "plain"})
    test::scripts()[name].process = [](FlowFile file, Session& session) { session.drop(file, {}); };
  const auto lane = std::make_shared<engine::Lane>(flow::LaneName{"share", "readings", 3}, builder.build().front(),
                                                   [](const std::string&) {});
  lane->round(0, 1);
  test::Run run(test.folder.path(), builder, false, [&](engine::Options& options) { options.lane = lane; });
  run.start();
  const auto done = [&] {
    const std::lock_guard lock(mutex);
    return asked.size() >= 3;
  };
  CHECK(test::eventually(done));
  run.engine->stop();
  CHECK(asked == std::vector<std::string>{"table", "marked", "table"});
  CHECK(test::collected().of("dead") == std::vector<std::string>{"0", ""});
}
