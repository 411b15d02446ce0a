// What goes on while the thread of a terminated processor is still away: load, a changed flow, and the end of the
// engine.
#include <doctest/doctest.h>

#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "tests/unit/engine_terminate_fixture.h"
#include "weir/lane.h"

using namespace weir;
using namespace weir::test;
using engine::Instance;
using engine::Operation;
using Status = Instance::Status;

TEST_CASE_FIXTURE(Terminated, "one that does not return from durable() keeps the epochs, and a restart is what helps") {
  auto& latch = hold();
  hang_in_durable(latch);
  open();
  start();
  give("x");
  REQUIRE(latch.holds());
  order(Operation::stop);
  CHECK_THROWS_WITH_AS(order(Operation::terminate),
                       "test/act is being told what is durable, and does not return from that: no epoch is written "
                       "until it does. Restart Weir, which loses nothing",
                       engine::NotNow);
  latch.open();
  CHECK(becomes(Status::stopped));
}

TEST_CASE_FIXTURE(Terminated,
                  "the lanes of a member that is terminated end, and its successor says anew which it has") {
  struct Host final : weir::abi::Lanes {
    void want(weir::abi::Text topic, std::int32_t partition) override { note("+", topic, partition); }
    void give_up(weir::abi::Text topic, std::int32_t partition) override { note("-", topic, partition); }
    void note(const char* what, weir::abi::Text topic, std::int32_t partition) {
      const std::lock_guard lock(mutex);
      said += what + std::string(view(topic)) + std::to_string(partition) + " ";
    }
    std::string all() {
      const std::lock_guard lock(mutex);
      return said;
    }
    std::mutex mutex;
    std::string said;
  } host;
  auto& latch = hold();
  FlowBuilder flow;
  flow.member().processor("source", "Count").processor("act", "Collect").connect("source", "success", "act");
  weir::abi::Lanes* first = nullptr;
  scripts()["source"].start = [&](Context& context) {
    auto* lanes = static_cast<weir::abi::Lanes*>(context.raw()->interface(weir::abi::kLanesInterface));
    if (first == nullptr) first = lanes;
    for (const auto partition : {1, 2, 3}) lanes->want(to_text("t"), partition);
    lanes->give_up(to_text("t"), 2);
  };
  scripts()["source"].poll = [&](Session&, std::uint64_t) {
    if (!latch.pass()) return;
    first->want(to_text("t"), 7);
    first->give_up(to_text("t"), 1);
  };
  scripts()["source"].endless = true;
  run = std::make_unique<Run>(folder.path(), flow, false, [&](engine::Options& options) {
    options.lanes = [&](const std::string&) { return &host; };
  });
  start();
  REQUIRE(latch.holds());
  terminate("source");
  CHECK(host.all() == "+t1 +t2 +t3 -t2 -t1 -t3 ");
  order(Operation::start, "source");
  REQUIRE(becomes(Status::running, "source"));
  latch.open();
  CHECK(comes_back());
  CHECK(host.all() == "+t1 +t2 +t3 -t2 -t1 -t3 +t1 +t2 +t3 -t2 ");
  run.reset();
}

TEST_CASE_FIXTURE(Terminated, "a thread that comes back while others work under load leaves them alone") {
  constexpr std::uint64_t kCount = 20'000;
  auto& latch = hold(3);
  FlowBuilder flow;
  for (const auto* name : {"a", "b"}) {
    const std::string x(name);
    flow.processor("source-" + x, "Count").processor("act-" + x, "Do").processor("sink-" + x, "Collect");
    flow.connect("source-" + x, "success", "act-" + x, {.max_count = 500}).connect("act-" + x, "success", "sink-" + x);
    scripts()["source-" + x].count = kCount;
  }
  scripts()["act-a"].process = [&latch](FlowFile file, Session& session) {
    if (file.content() == "777") latch.pass();
    session.transfer(file, 0);
  };
  run = std::make_unique<Run>(folder.path(), flow, false);
  start();
  for (std::uint32_t i = 1; i <= 3; ++i) {
    REQUIRE(latch.holds(i));
    terminate("act-a");
    order(Operation::start, "act-a");
  }
  latch.open();
  for (const auto* sink : {"sink-a", "sink-b"})
    CHECK(eventually([&] { return collected().of(sink).size() == kCount; }));
  CHECK(comes_back());
  CHECK(collected().of("sink-a") == numbers(kCount));
  CHECK(collected().of("sink-b") == numbers(kCount));
}

TEST_CASE_FIXTURE(Terminated, "a flow is changed while a thread of what was terminated is still away") {
  const auto with = [](const std::string& setting, bool has_act) {
    FlowBuilder flow;
    flow.processor("source", "Count");
    if (has_act) flow.processor("act", "Do", [&](auto& act) { act.settings.put("setting", setting); });
    flow.processor("sink", "Collect").connect("source", "success", has_act ? "act" : "sink");
    if (has_act) flow.connect("act", "success", "sink");
    return flow.share();
  };
  const auto changed = with("changed", true);
  const auto without = with("", false);
  auto& latch = hold();
  hang_at(latch, "stuck");
  open();
  start();
  give("stuck");
  REQUIRE(latch.holds());
  terminate();
  engine::ApplyOptions options;
  run->engine->apply({changed}, options);
  CHECK(status() == Status::stopped);  // it stays so
  CHECK(threads_left() == 1);
  order(Operation::start);
  REQUIRE(arrive(1));
  run->engine->apply({without}, options);  // its connection is gone, which the thread may still ask about
  give("x");
  REQUIRE(arrive(2));
  latch.open();
  CHECK(comes_back());
  CHECK(told("test/act: what was terminated by anna has come back"));
  CHECK(collected().of("sink") == std::vector<std::string>{"stuck", "x"});
}

TEST_CASE_FIXTURE(Terminated, "a change is rolled back although something new hangs, and what ran runs on") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("act", "Do").processor("sink", "Collect");
  flow.processor("hangs", "Do").processor("refuses", "Do").connect("source", "success", "act");
  flow.connect("act", "success", "sink").connect("act", "other", "hangs").connect("act", "failure", "refuses");
  const auto changed = flow.share();
  auto& latch = hold();
  scripts()["hangs"].start = [&](Context&) { latch.pass(); };
  scripts()["refuses"].start = [](Context&) { throw Misconfigured("no such table"); };
  open();
  start();
  engine::ApplyOptions options;
  options.patience = std::chrono::milliseconds(200);
  CHECK_THROWS_WITH_AS(run->engine->apply({changed}, options), "test/refuses: no such table", engine::NotApplied);
  CHECK(latch.holds());
  give("x");
  CHECK(arrive(1));
  latch.open();
  CHECK(eventually(
      [&] { return told("test/hangs: what was terminated by a change that was not applied has come back"); }));
  CHECK(eventually([&] { return run->engine->left_behind().empty(); }));
}

TEST_CASE_FIXTURE(Terminated, "an engine ends with a thread still away, and all the rest is in its last epoch") {
  auto& latch = hold();
  hang_at(latch, "stuck");
  open();
  start();
  give("stuck");
  REQUIRE(latch.holds());
  terminate();
  give("more");
  run->engine->stop();
  const auto left = run->engine->left_behind();
  REQUIRE(left.size() == 1);
  CHECK(left[0].name == "test/act");
  CHECK(left[0].terminated);
  latch.open();
  run.reset();
  open();
  CHECK(queued() == 2);
  look("act", [](const auto& instance) { CHECK(instance.stopped_by == "anna"); });
}

TEST_CASE_FIXTURE(Terminated, "an engine ends though processors hang, wherever they do, and says which") {
  auto& latch = hold();
  SUBCASE("in a step") {
    hang_at(latch, "stuck");
    open();
    start();
  }
  SUBCASE("in a step, on a thread of its own") {
    hang_at(latch, "stuck");
    open("Block");
    start();
  }
  SUBCASE("in stop()") {
    scripts()["act"].stop = [&] { latch.pass(); };
    open();
    start();
  }
  SUBCASE("in start()") {
    scripts()["act"].start = [&](Context&) { latch.pass(); };
    open();
    std::thread starter([this] { start(); });
    REQUIRE(latch.holds());
    run->engine->stop_waiting();
    starter.join();
  }
  SUBCASE("in durable()") {
    hang_in_durable(latch);
    open();
    start();
  }
  give("stuck");
  if (!scripts()["act"].stop) REQUIRE(latch.holds());
  run->engine->stop();
  const auto left = run->engine->left_behind();
  REQUIRE(left.size() == 1);
  CHECK(left[0].name == "test/act");
  CHECK(!left[0].terminated);
  latch.open();
  run.reset();
  scripts().clear();
  open();
  start();
  CHECK(arrive(1));
  run->engine->stop();
  CHECK(collected().of("sink") == std::vector<std::string>{"stuck"});
}
