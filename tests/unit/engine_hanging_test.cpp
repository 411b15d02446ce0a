// What operators wish of an engine in which a processor hangs, several at once, and what they are told.
#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "tests/unit/engine_terminate_fixture.h"

using namespace weir;
using namespace weir::test;
using engine::Instance;
using engine::Operation;
using Status = Instance::Status;

namespace {

constexpr std::uint64_t kAll = 1'000;  ///< a sequence that no queue of these tests comes to

/// Something that waits in the engine, on a thread of its own, and whether it has come back from there.
class Waiting {
 public:
  explicit Waiting(std::function<void()> wish)
      : thread_([this, wish = std::move(wish)] {
          wish();
          is_back_ = true;
        }) {}
  ~Waiting() { thread_.join(); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  bool comes_back() {
    return eventually([this] { return is_back_.load(); });
  }

 private:
  std::atomic<bool> is_back_{false};
  std::thread thread_;
};

}  // namespace

TEST_CASE_FIXTURE(Terminated, "what waits behind a session that hangs is dropped when that has ended, or not at all") {
  auto& latch = hold();
  hang_at(latch, "stuck");
  open();
  start();
  give("stuck");
  REQUIRE(latch.holds());
  give("a");
  give("b");
  const std::string queue = "test/source/success/act";
  CHECK_THROWS_WITH_AS(run->engine->drop_queued(queue, kAll, "anna"),
                       "nothing was dropped: test/act is at what came before it, and does not come to an end with "
                       "that. Stop and terminate it, and drop then",
                       engine::NotNow);
  CHECK(queued() == 3);
  CHECK_FALSE(told("dropped by anna"));
  SUBCASE("the session ends") {
    latch.open();
    CHECK(arrive(3));
    CHECK(collected().of("sink") == std::vector<std::string>{"stuck", "a", "b"});
  }
  SUBCASE("it is terminated first") {
    terminate();
    CHECK(run->engine->drop_queued(queue, kAll, "anna") == 3);
    CHECK(queued() == 0);
  }
}

TEST_CASE_FIXTURE(Terminated, "what was dropped behind a session under way stays dropped, whatever comes") {
  auto& latch = hold();
  hang_at(latch, "slow");
  open("Do", {}, [](engine::Options& options) { options.stop_patience = std::chrono::seconds(20); });
  start();
  give("slow");
  REQUIRE(latch.holds());
  give("a");
  std::uint64_t dropped = 0;
  {
    Waiting drop([&] { dropped = run->engine->drop_queued("test/source/success/act", kAll, "anna"); });
    CHECK(eventually([&] {
      return run->engine->queue("test/source/success/act", 0, 10).entries.back().state ==
             engine::QueueEntry::State::active;
    }));
    latch.open();
    CHECK(drop.comes_back());
  }
  CHECK(dropped == 1);
  CHECK(arrive(1));
  CHECK(queued() == 0);
  CHECK(collected().of("sink") == std::vector<std::string>{"slow"});
}

TEST_CASE_FIXTURE(Terminated,
                  "state that is cleared after a terminate stays so, though the disk had not taken it yet") {
  auto& latch = hold();
  auto& disk = hold();
  std::atomic<bool> disk_hangs = false;
  scripts()["act"].process = [&](FlowFile file, Session& session) {
    if (file.content() == "stuck") latch.pass();
    if (file.content() == "remember") session.set_state("key", "value");
    session.transfer(file, 0);
  };
  open("Do", {}, {}, {.write = [&](const store::Epoch&) {
         if (disk_hangs) disk.pass();
       }});
  start();
  disk_hangs = true;
  give("x");
  REQUIRE(disk.holds());
  give("remember");
  REQUIRE(eventually([&] { return state("key") == "value"; }));
  give("stuck");
  REQUIRE(latch.holds());
  terminate();
  {
    Waiting clear([&] { CHECK(run->engine->clear_state("test", "act", "anna") == 1); });
    CHECK(eventually([&] { return state("key") == "none"; }));
    disk.open();
    CHECK(clear.comes_back());
  }
  latch.open();
  run.reset();
  open();
  CHECK(state("key") == "none");
}

TEST_CASE_FIXTURE(Terminated, "who waits for an epoch is told when the engine ends without one, as durable() hangs") {
  auto& latch = hold();
  hang_in_durable(latch);
  open();
  start();
  order(Operation::stop, "sink");
  REQUIRE(becomes(Status::stopped, "sink"));
  give("x");
  REQUIRE(latch.holds());
  bool refused = false;
  {
    Waiting drop([&] {
      try {
        run->engine->drop_queued("test/act/success/sink", kAll, "anna");
      } catch (const engine::NotNow&) {
        refused = true;
      }
    });
    CHECK(eventually([&] { return told("dropped by anna"); }));
    run->engine->stop();
    CHECK(drop.comes_back());
    latch.open();
  }
  CHECK(refused);
}

TEST_CASE_FIXTURE(Terminated, "an engine ends though more processors hang in stop() than it has workers") {
  constexpr std::uint32_t kHanging = 5;
  auto& latch = hold(kHanging);
  FlowBuilder flow;
  flow.processor("source", "Count");
  scripts()["source"].endless = true;
  for (std::uint32_t i = 0; i < kHanging; ++i) {
    const auto name = "act" + std::to_string(i);
    flow.processor(name, "Do").connect("source", "success", name);
    scripts()[name].stop = [&] { latch.pass(); };
  }
  run = std::make_unique<Run>(folder.path(), flow, false, [](engine::Options& options) {
    options.workers = 2;
    options.stop_patience = std::chrono::milliseconds(250);
  });
  start();
  {
    Waiting end([&] { run->engine->stop(); });
    CHECK(end.comes_back());
    CHECK(run->engine->left_behind().size() == kHanging);
    latch.open();
  }
  CHECK(eventually([&] { return run->engine->left_behind().empty(); }));
}

TEST_CASE_FIXTURE(Terminated, "a thread that has come back and hangs in stop() is still away") {
  auto& latch = hold();
  auto& stop = hold();
  hang_at(latch, "stuck");
  scripts()["act"].stop = [&] { stop.pass(); };
  open();
  start();
  give("stuck");
  REQUIRE(latch.holds());
  terminate();
  latch.open();
  REQUIRE(stop.holds());
  CHECK(threads_left() == 1);
  stop.open();
  CHECK(comes_back());
  CHECK(threads_left() == 0);
}

TEST_CASE_FIXTURE(Terminated, "one that is terminated before there was a worker for its end takes no worker with it") {
  auto& latch = hold();
  auto& stop = hold();
  FlowBuilder flow;
  flow.processor("source", "Count").processor("act", "Do").processor("beside", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "act").connect("act", "success", "sink").connect("act", "other", "beside");
  hang_at(latch, "stuck");
  scripts()["source"].endless = true;
  scripts()["beside"].stop = [&] { stop.pass(); };
  run = std::make_unique<Run>(folder.path(), flow, false, [](engine::Options& options) {
    options.workers = 1;
    options.stop_patience = std::chrono::milliseconds(250);
  });
  start();
  give("stuck");
  REQUIRE(latch.holds());
  order(Operation::stop, "beside");
  REQUIRE(eventually([&] {
    std::uint32_t waits = 0;
    look("beside", [&](const auto& instance) { waits = instance.active; });
    return waits == 1;
  }));
  order(Operation::terminate, "beside");
  terminate();
  CHECK(stop.holds());
  order(Operation::start);
  CHECK(arrive(1));
  run->engine->stop();
  CHECK(run->engine->left_behind().size() == 2);
}

TEST_CASE_FIXTURE(Terminated, "what hangs in a change that was rolled back counts nothing for who runs on") {
  const auto with = [](const std::string& setting) {
    FlowBuilder flow;
    flow.processor("source", "Count").processor("act", "Do", [&](auto& act) { act.settings.put("setting", setting); });
    flow.processor("sink", "Collect").processor("refuses", "Do").connect("source", "success", "act");
    flow.connect("act", "success", "sink").connect("act", "other", "refuses");
    return flow.share();
  };
  const auto changed = with("changed");
  auto& latch = hold();
  std::atomic<int> starts = 0;
  scripts()["source"].endless = true;
  scripts()["act"].start = [&](Context& context) {
    const auto number = ++starts;
    auto rows = context.counter("rows", "Rows.");
    if (number == 1) rows.add(5);
    if (number != 2) return;
    latch.pass();
    rows.add(100);
  };
  scripts()["refuses"].start = [](Context&) { throw Misconfigured("no such table"); };
  open();
  start();
  engine::ApplyOptions options;
  options.patience = std::chrono::milliseconds(200);
  CHECK_THROWS_AS(run->engine->apply({changed}, options), engine::NotApplied);
  REQUIRE(becomes(Status::running));
  CHECK(starts == 3);
  latch.open();
  CHECK(comes_back());
  double rows = 0;
  look("act", [&](const auto& instance) { instance.each_metric([&](const auto& each) { rows = each.value(); }); });
  CHECK(rows == 5);
}

TEST_CASE_FIXTURE(Terminated, "of a stop and a start in the same moment, one comes after the other") {
  std::atomic<bool> is_meant = true;
  open("Do", {}, [&](engine::Options& options) {
    options.report = [&](weir::abi::Level, const std::string&, const std::string& message) {
      if (message == "stopped by anna" && is_meant.exchange(false)) order(Operation::start);
    };
  });
  start();
  order(Operation::stop);
  CHECK(becomes(Status::running));
  give("x");
  CHECK(arrive(1));
  look("act", [](const auto& instance) { CHECK(instance.stopped_by.empty()); });
}

TEST_CASE_FIXTURE(Terminated, "what is held stays as light as it was, however often its processor stops and starts") {
  constexpr std::size_t kHeld = 200;
  scripts()["act"].process = [](FlowFile file, Session& session) { session.hold(file); };
  open();
  start();
  std::size_t arenas = 0;
  const auto all_held = [&] {
    return eventually([&] {
      std::size_t held = 0;
      look("act", [&](const auto& instance) {
        held = instance.held.size();
        if (held != 0) arenas = instance.held.front().batch->arenas.size();
      });
      return held == kHeld;
    });
  };
  for (std::size_t i = 0; i < kHeld; ++i) {
    give("x");
    REQUIRE(eventually([&] { return queued() == 0; }));  // each came alone
  }
  for (int times = 0; times < 3; ++times) {
    REQUIRE(all_held());
    order(Operation::stop);
    REQUIRE(becomes(Status::stopped));
    order(Operation::start);
  }
  REQUIRE(all_held());
  CHECK(arenas <= kHeld);
}
