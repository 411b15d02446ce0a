#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "tests/unit/engine_fixture.h"

using namespace weir;
using namespace weir::test;

TEST_CASE_FIXTURE(EngineTest,
                  "what is queued at a stop flows on after the next start, nothing lost and nothing twice") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("gate", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "gate").connect("gate", "success", "sink");
  scripts()["source"].count = 3'000;
  scripts()["gate"].process = [](FlowFile file, Session& session) {
    if (std::stoi(std::string(file.content())) >= 1'000) throw Unavailable("closed");
    session.transfer(file, 0);
  };
  {
    Run run(folder.path(), flow, false);
    run.start();
    CHECK(eventually([&] {  // everything is read, and the gate is shut
      std::uint64_t next = 0;
      std::uint64_t rolled_back = 0;
      run.engine->inspect([&](const auto& instances, const auto& connections, const auto&) {
        next = connections[0]->next();
        rolled_back = instances[1]->statistics.rolled_back;
      });
      return next == 3'000 && rolled_back > 0;
    }));
    run.engine->stop();
    CHECK(collected().of("sink").size() <= 1'000);
  }
  scripts()["gate"].process = nullptr;
  Run run(folder.path(), flow);
  run.start();
  CHECK(run.finish());
  CHECK(collected().of("sink") == numbers(3'000));
}

TEST_CASE_FIXTURE(
    EngineTest, "what is held after a flush, while others are at theirs, is flushed without anything else happening") {
  FlowBuilder flow;
  flow.processor("first", "Count").processor("second", "Count").processor("gate", "Do");
  flow.processor("fast", "Do").processor("slow", "Do");
  flow.connect("first", "success", "fast").connect("first", "success", "slow");
  flow.connect("second", "success", "gate").connect("gate", "success", "fast");
  scripts()["first"].count = scripts()["second"].count = 1;
  std::atomic<int> held{0};
  std::atomic<int> flushed{0};
  std::atomic<bool> slow_flushes{false};
  const auto drop_held = [](Session& session) {
    for (std::uint32_t i = 0; i < session.held_count(); ++i) session.drop(session.take_held(i), {});
  };
  scripts()["gate"].process = [&](FlowFile file, Session& session) {
    eventually([&] { return slow_flushes && flushed == 1; });
    session.transfer(file, 0);
  };
  scripts()["fast"].process = [&](FlowFile file, Session& session) {
    session.hold(file);
    ++held;
  };
  scripts()["fast"].flush = [&](Session& session) {
    flushed += static_cast<int>(session.held_count());
    drop_held(session);
  };
  scripts()["slow"].process = [](FlowFile file, Session& session) { session.hold(file); };
  scripts()["slow"].flush = [&](Session& session) {
    slow_flushes = true;
    eventually([&] { return held == 2; });
    drop_held(session);
  };
  Run run(folder.path(), flow, false, [](auto& options) { options.workers = 4; });
  run.start();
  CHECK(eventually([&] { return flushed == 2; }));
  run.engine->stop();
}

TEST_CASE_FIXTURE(EngineTest, "held FlowFiles are finished by a flush, and queued again after a restart without one") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("bin", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "bin").connect("bin", "success", "sink");
  scripts()["source"].count = 100;
  scripts()["bin"].process = [](FlowFile file, Session& session) { session.hold(file); };
  {
    Run run(folder.path(), flow, false);
    run.start();
    CHECK(eventually([&] {
      std::uint64_t held = 0;
      run.engine->inspect(
          [&](const auto&, const auto& connections, const auto&) { held = connections[0]->held_count(); });
      return held == 100;
    }));
    run.engine->stop();
  }
  scripts()["bin"].flush = [](Session& session) {
    std::vector<FlowFile> all;
    for (std::uint32_t i = 0; i < session.held_count(); ++i) all.push_back(session.take_held(i));
    if (all.empty()) return;
    auto merged = session.create(all);
    for (const auto& file : all) session.append(merged, std::string(file.content()) + ",");
    session.transfer(merged, 0);
  };
  Run run(folder.path(), flow);
  run.start();
  CHECK(run.finish());
  std::string joined;
  for (const auto& content : collected().of("sink")) joined += content;
  std::string expected;
  for (const auto& n : numbers(100)) expected += n + ",";
  CHECK(joined == expected);
}

TEST_CASE_FIXTURE(EngineTest, "a source hears that its session is durable only after the epoch") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("sink", "Collect");
  flow.connect("source", "success", "sink");
  std::atomic<std::uint64_t> durable{0};
  scripts()["source"].count = 1;
  scripts()["source"].poll = [&](Session& session, std::uint64_t) {
    auto file = session.create();
    session.append(file, "x");
    session.transfer(file, 0);
    session.when_durable(42);
  };
  scripts()["source"].durable = [&](std::uint64_t token) { durable = token; };
  Run run(folder.path(), flow, false);
  CHECK(durable == 0);
  run.start();
  CHECK(eventually([&] { return durable == 42; }));
  run.engine->stop();
}

TEST_CASE_FIXTURE(EngineTest,
                  "a source that somebody waits for hears it at once, and others when the interval is over") {
  for (const std::string type : {"Awaited", "Count"}) {
    CAPTURE(type);
    const TemporaryFolder own;
    FlowBuilder flow;
    flow.processor("source", type).processor("sink", "Collect");
    flow.connect("source", "success", "sink");
    std::atomic<std::uint64_t> durable{0};
    scripts()["source"].endless = true;
    scripts()["source"].poll = [&](Session& session, std::uint64_t) {
      auto file = session.create();
      session.append(file, type);
      session.transfer(file, 0);
      session.when_durable(42);
    };
    scripts()["source"].durable = [&](std::uint64_t token) { durable = token; };
    Run run(own.path(), flow, false, [](engine::Options& options) { options.epoch_interval = std::chrono::hours(1); });
    run.start();
    CHECK(eventually([&] { return collected().of("sink").size() == (type == "Awaited" ? 1 : 2); }));
    if (type == "Awaited") {
      CHECK(eventually([&] { return durable == 42; }));
    } else {
      CHECK(durable == 0);
    }
    run.engine->stop();
    CHECK(durable == 42);
  }
}

TEST_CASE_FIXTURE(EngineTest, "a connection that no flow has any more keeps its data and says so") {
  {
    FlowBuilder flow;
    flow.processor("source", "Count").processor("gate", "Do").processor("sink", "Collect");
    flow.connect("source", "success", "gate").connect("gate", "success", "sink");
    scripts()["source"].count = 10;
    scripts()["gate"].process = [](FlowFile, Session&) { throw Unavailable("closed"); };
    Run run(folder.path(), flow, false);
    run.start();
    CHECK(eventually([&] {
      std::uint64_t next = 0;
      run.engine->inspect([&](const auto&, const auto& connections, const auto&) { next = connections[0]->next(); });
      return next == 10;
    }));
    run.engine->stop();
  }
  {
    FlowBuilder flow;
    flow.processor("source", "Count").processor("sink", "Collect");
    flow.connect("source", "success", "sink");
    Run run(folder.path(), flow);
    REQUIRE(run.engine->orphans().size() == 1);
    CHECK(run.engine->orphans()[0].id == "test/source/success/gate");
    run.start();
    CHECK(run.finish());
  }
  FlowBuilder flow;
  flow.processor("source", "Count").processor("gate", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "gate").connect("gate", "success", "sink");
  Run run(folder.path(), flow);
  run.start();
  CHECK(run.finish());
  CHECK(collected().of("sink") == numbers(10));
}
