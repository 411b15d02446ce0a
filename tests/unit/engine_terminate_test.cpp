// A processor that does not return from a call is terminated: what it was at is queued again, another takes its place,
// and what its thread does when it comes back at last has no effect.
#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "tests/unit/engine_terminate_fixture.h"
#include "weir/quality.h"

using namespace weir;
using namespace weir::test;
using engine::Instance;
using engine::Operation;
using Status = Instance::Status;

namespace {

/// Tells what a processor found out about the quality of a key.
void find(const Context& context, std::uint64_t pass, std::uint64_t fail) {
  weir::abi::KeyFindings found{};
  found.key = to_text("k");
  found.pass = pass;
  found.fail = fail;
  auto* quality = context.raw()->interface(weir::abi::kQualityInterface);
  static_cast<weir::abi::Quality*>(quality)->found(&found, 1);
}

std::size_t threads_of_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

}  // namespace

TEST_CASE_FIXTURE(Terminated, "what a terminated step had is queued again, in its order, and a start does it") {
  auto& latch = hold();
  hang_at(latch, "2");
  open();
  start();
  order(Operation::stop);
  REQUIRE(becomes(Status::stopped));
  for (const auto& number : numbers(5)) give(number);
  order(Operation::start);
  REQUIRE(latch.holds());
  for (const auto* late : {"5", "6"}) give(late);
  order(Operation::stop);
  CHECK(status() == Status::stopping);
  order(Operation::terminate);
  CHECK(status() == Status::stopped);
  CHECK(queued() == 7);
  CHECK(threads_left() == 1);
  look("act", [](const auto& instance) {
    CHECK(instance.stopped_by == "anna");
    CHECK(instance.active == 0);
  });
  order(Operation::start);
  REQUIRE(arrive(7));
  CHECK(collected().of("sink") == numbers(7));
  latch.open();
  CHECK(comes_back());
  CHECK(threads_left() == 0);
  give("7");
  REQUIRE(arrive(8));
  CHECK(collected().of("sink") == numbers(8));
}

TEST_CASE_FIXTURE(Terminated, "nothing shows of what a thread does that comes back from a terminated step") {
  auto& latch = hold();
  std::vector<Context> contexts;
  std::mutex mutex;
  std::atomic<int> durable = 0;
  std::atomic<int> late = 0;
  scripts()["act"].durable = [&](std::uint64_t token) { durable += token == 77 ? 1 : 0; };
  scripts()["act"].start = [&](Context& context) {
    const std::lock_guard lock(mutex);
    contexts.push_back(context);
    context.counter("done", "").add(1);
    find(context, 1, 0);
  };
  scripts()["act"].process = [&](FlowFile file, Session& session) {
    const auto before = session.state("n");
    const auto next = (before ? std::stoi(std::string(*before)) : 0) + 1;
    session.set_state("n", std::to_string(next));
    session.set_state("last", file.content());
    if (file.content() == "stuck" && latch.pass()) {
      auto& context = contexts.front();
      CHECK(session.state("n") == std::to_string(next));
      CHECK(file.content() == "stuck");
      session.set_state("n", "999");
      session.erase_state("last");
      auto made = session.create();
      session.append(made, std::string(9 * MiB, 'x'));  // so large that it goes to a file
      session.transfer(made, 0);
      session.transfer(file, 0);
      session.tick_at(session.now() + 1);
      session.when_durable(77);
      session.again();
      session.event("SEND", "far://away", "");
      context.counter("done", "").add(1000);
      context.counter("another", "").add(1);
      context.bulletin(Level::error, "from the dead");
      context.log(Level::info, "from the dead");
      context.not_ready("the dead wait");
      context.wake();
      CHECK(context.inputs().size() == 1);
      CHECK(!context.folder().empty());
      find(context, 0, 1);
      ++late;
      return;
    }
    session.transfer(file, 0);
  };
  open();
  start();
  give("one");
  REQUIRE(arrive(1));
  give("stuck");
  REQUIRE(latch.holds());
  terminate();
  CHECK(state("n") == "1");
  CHECK(state("last") == "one");
  order(Operation::start);
  REQUIRE(arrive(2));
  give("three");
  REQUIRE(arrive(3));
  latch.open();
  REQUIRE(comes_back());
  CHECK(late == 1);
  CHECK(durable == 0);
  CHECK(collected().of("sink") == std::vector<std::string>{"one", "stuck", "three"});
  CHECK(state("n") == "3");
  CHECK(state("last") == "three");
  CHECK(!told("from the dead"));
  look("act", [](const auto& instance) {
    CHECK(instance.not_ready().empty());
    CHECK(instance.tick_at == 0);
    CHECK(instance.statistics.sessions == 3);
    int metrics = 0;
    instance.each_metric([&](const auto& metric) {
      ++metrics;
      CHECK(metric.name == "done");
      CHECK(metric.value() == 2);  // one for each start: it goes on counting
    });
    CHECK(metrics == 1);
  });
  const auto quality = run->engine->quality().find("test", "act")->overview().since_start;
  CHECK(quality.pass == 2);
  CHECK(quality.fail == 0);
  // And so it is on disk.
  run->engine->stop();
  CHECK(run->engine->left_behind().empty());
  run.reset();
  open();
  CHECK(state("n") == "3");
  CHECK(queued(0) == 0);
  CHECK(queued(1) == 0);
}

TEST_CASE_FIXTURE(Terminated, "one that hangs in start() is terminated, also while Weir starts") {
  auto& latch = hold(2);
  scripts()["act"].start = [&](Context&) { latch.pass(); };
  open();
  std::thread starter([this] { start(); });
  REQUIRE(latch.holds(1));
  CHECK(status("source") == Status::starting);
  CHECK_THROWS_WITH_AS(order(Operation::terminate),
                       "stop test/act first: it can be terminated if it does not come to an end then", engine::NotNow);
  terminate();
  CHECK(status() == Status::stopped);
  starter.join();  // the others have started
  CHECK(becomes(Status::running, "source"));
  order(Operation::start);
  REQUIRE(latch.holds(2));
  terminate();
  CHECK(status() == Status::stopped);
  CHECK(threads_left() == 2);
  give("x");
  order(Operation::start);
  CHECK(arrive(1));
  CHECK(status() == Status::running);
  latch.open();
  CHECK(eventually([&] { return threads_left() == 0; }));
  CHECK(comes_back());
  CHECK(status() == Status::running);
}

TEST_CASE_FIXTURE(Terminated, "one that hangs in stop() is terminated, with all that it did") {
  auto& latch = hold();
  scripts()["act"].stop = [&] { latch.pass(); };
  open();
  start();
  give("x");
  REQUIRE(arrive(1));
  order(Operation::stop);
  REQUIRE(latch.holds());
  CHECK(status() == Status::stopping);
  give("y");
  order(Operation::terminate);
  CHECK(status() == Status::stopped);
  order(Operation::start);
  CHECK(arrive(2));
  latch.open();
  CHECK(comes_back());
  CHECK(status() == Status::running);
  CHECK(collected().of("sink") == std::vector<std::string>{"x", "y"});
}

TEST_CASE_FIXTURE(Terminated, "a source that hangs in a poll goes on where its last session left it") {
  auto& latch = hold();
  scripts()["source"].poll = [&](Session& session, std::uint64_t) {
    const auto at = session.state("at");
    const auto next = at ? std::stoi(std::string(*at)) : 0;
    if (next == 6) return;
    auto file = session.create();
    session.append(file, std::to_string(next));
    session.transfer(file, 0);
    session.set_state("at", std::to_string(next + 1));
    if (next == 3) latch.pass();
    session.again();
  };
  open();
  start();
  REQUIRE(latch.holds());
  terminate("source");
  order(Operation::start, "source");
  REQUIRE(arrive(6));
  latch.open();
  CHECK(comes_back());
  CHECK(collected().of("sink") == numbers(6));
}

TEST_CASE_FIXTURE(Terminated,
                  "whichever thread of the pool hangs, the others' work goes on, and none is too many then") {
  constexpr int kTimes = 5;  // the pool has two
  auto& latch = hold(kTimes);
  scripts()["act"].process = [&](FlowFile file, Session& session) {
    if (file.content() == "stuck") latch.pass();
    session.transfer(file, 0);
  };
  open("Do", {}, [](engine::Options& options) { options.workers = 2; });
  start();
  give("0");
  REQUIRE(arrive(1));
  const auto threads = threads_of_process();
  give("stuck");
  for (std::uint32_t i = 1; i <= kTimes; ++i) {
    REQUIRE(latch.holds(i));
    terminate();
    order(Operation::start);
  }
  REQUIRE(arrive(2));
  CHECK(threads_left() == kTimes);
  CHECK(threads_of_process() == threads + kTimes);
  latch.open();
  CHECK(eventually([&] { return threads_left() == 0 && threads_of_process() == threads; }));
  give("2");
  CHECK(arrive(3));
}

TEST_CASE_FIXTURE(Terminated, "one that blocks on threads of its own is terminated, and its next has its own, too") {
  auto& latch = hold(2);
  hang_at(latch, "stuck");
  open("Block");
  start();
  give("stuck");
  REQUIRE(latch.holds(1));
  terminate();
  order(Operation::start);
  REQUIRE(latch.holds(2));
  terminate();
  order(Operation::start);
  REQUIRE(arrive(1));
  latch.open();
  CHECK(eventually([&] { return threads_left() == 0; }));
  give("x");
  CHECK(arrive(2));
}

TEST_CASE_FIXTURE(Terminated,
                  "all sessions of one that runs several are abandoned, also one that only waits for its turn") {
  auto& latch = hold(2);
  std::atomic<int> ended = 0;
  scripts()["act"].process = [&](FlowFile file, Session& session) {
    if (file.content() != "ends") latch.pass();
    session.transfer(file, 0);
    ended += file.content() == "ends" ? 1 : 0;
  };
  open("Do", [](flow::Processor& processor) { processor.concurrency = 3; }, [](auto& options) { options.workers = 4; });
  start();
  give("first");
  REQUIRE(latch.holds(1));
  give("second");
  REQUIRE(latch.holds(2));
  give("ends");
  REQUIRE(eventually([&] { return ended == 1; }));
  terminate();
  CHECK(threads_left() == 2);
  CHECK(queued() == 3);
  order(Operation::start);
  REQUIRE(arrive(3));
  CHECK(collected().of("sink") == std::vector<std::string>{"first", "second", "ends"});
  latch.open();
  CHECK(comes_back());
  CHECK(collected().of("sink").size() == 3);
}

TEST_CASE_FIXTURE(Terminated, "what one held that hangs in its last flush comes again, before what came later") {
  auto& latch = hold();
  std::atomic<bool> holds = true;
  scripts()["act"].process = [&](FlowFile file, Session& session) {
    holds ? session.hold(file) : session.transfer(file, 0);
  };
  scripts()["act"].flush = [&](Session& session) {
    if (!latch.pass()) return;
    for (std::uint32_t i = 0; i < session.held_count(); ++i) session.transfer(session.take_held(i), 0);
  };
  open("Do", {}, [](engine::Options& options) { options.epoch_interval = std::chrono::seconds(60); });
  start();
  for (const auto& number : numbers(3)) give(number);
  REQUIRE(eventually([&] {
    std::size_t held = 0;
    look("act", [&](const auto& instance) { held = instance.held.size(); });
    return held == 3;
  }));
  order(Operation::stop);
  REQUIRE(latch.holds());
  for (const auto* late : {"3", "4"}) give(late);
  order(Operation::terminate);
  holds = false;
  order(Operation::start);
  REQUIRE(arrive(5));
  CHECK(collected().of("sink") == numbers(5));
  latch.open();
  CHECK(comes_back());
  CHECK(collected().of("sink").size() == 5);
}

TEST_CASE_FIXTURE(Terminated, "what it holds comes again before what it was at") {
  auto& latch = hold();
  std::atomic<bool> holds = true;
  scripts()["act"].process = [&](FlowFile file, Session& session) {
    if (!holds) return session.transfer(file, 0);
    if (file.content() == "2") latch.pass();
    session.hold(file);
  };
  open("Do", {}, [](engine::Options& options) { options.epoch_interval = std::chrono::seconds(60); });
  start();
  for (const auto& number : numbers(2)) give(number);
  REQUIRE(eventually([&] {
    std::size_t held = 0;
    look("act", [&](const auto& instance) { held = instance.held.size(); });
    return held == 2;
  }));
  give("2");
  REQUIRE(latch.holds());
  give("3");
  terminate();
  holds = false;
  order(Operation::start);
  REQUIRE(arrive(4));
  CHECK(collected().of("sink") == numbers(4));
}

TEST_CASE_FIXTURE(Terminated, "run once after it takes one FlowFile alone, so that the one can be found that hangs") {
  auto& latch = hold();
  std::atomic<bool> is_away = false;
  SUBCASE("at its first attempt") {}
  SUBCASE("after a far side was away") {
    is_away = true;
  }
  scripts()["act"].process = [&](FlowFile file, Session& session) {
    if (file.content() == "1" && is_away.exchange(false)) throw Unavailable("away");
    if (file.content() == "1") latch.pass();
    session.transfer(file, 0);
  };
  open();
  start();
  order(Operation::stop);
  REQUIRE(becomes(Status::stopped));
  for (const auto& number : numbers(4)) give(number);
  order(Operation::start);
  REQUIRE(latch.holds());
  terminate();
  CHECK(queued() == 4);
  order(Operation::run_once);
  REQUIRE(arrive(1));
  REQUIRE(becomes(Status::stopped));
  CHECK(queued() == 3);
}

TEST_CASE_FIXTURE(Terminated, "one whose entries are still being read from the disk is terminated, too") {
  scripts()["act"].process = [](FlowFile, Session&) { throw Unavailable("not yet"); };
  open();
  start();
  for (const auto& number : numbers(3)) give(number);
  run->engine->stop();
  run.reset();
  scripts().clear();
  auto& latch = hold();
  open("Do", {}, {}, {.read = [&](std::uint32_t, std::uint64_t, std::uint32_t) { latch.pass(); }});
  start();
  REQUIRE(latch.holds());
  terminate();
  CHECK(queued() == 3);
  order(Operation::start);
  REQUIRE(arrive(3));
  latch.open();
  CHECK(comes_back());
  CHECK(collected().of("sink") == numbers(3));
}

TEST_CASE_FIXTURE(Terminated, "what is not stopping is not terminated, and is told what to do") {
  std::atomic<bool> writes = true;
  auto& latch = hold();
  open("Do", {}, {}, {.write = [&](const store::Epoch&) {
         if (!writes) latch.pass();
       }});
  start();
  CHECK_THROWS_WITH_AS(order(Operation::terminate),
                       "stop test/act first: it can be terminated if it does not come to an end then", engine::NotNow);
  order(Operation::stop);
  REQUIRE(becomes(Status::stopped));
  CHECK_THROWS_WITH_AS(order(Operation::terminate), "test/act does not run: there is nothing to terminate",
                       engine::NotNow);
  CHECK_THROWS_AS(order(Operation::terminate, "atc"), std::invalid_argument);
  order(Operation::start);
  REQUIRE(becomes(Status::running));
  writes = false;  // nothing of the processor runs: the disk keeps it
  order(Operation::stop);
  REQUIRE(latch.holds());
  CHECK_THROWS_WITH_AS(order(Operation::terminate),
                       "test/act has come to its end, and is stopped as soon as what it did is durable: if that takes "
                       "long, see what keeps the disk from taking epochs",
                       engine::NotNow);
  latch.open();
  CHECK(becomes(Status::stopped));
}
