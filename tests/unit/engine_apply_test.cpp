#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "tests/unit/engine_fixture.h"

using namespace weir;
using namespace weir::test;
using engine::Instance;

namespace {

/// How often each processor was started.
class Starts {
 public:
  void count(const std::vector<std::string>& processors) {
    for (const auto& name : processors) {
      scripts()[name].start = [this, name](Context&) {
        const std::lock_guard lock(mutex_);
        ++starts_[name];
      };
    }
  }
  int of(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return starts_[name];
  }

 private:
  std::mutex mutex_;
  std::map<std::string, int> starts_;
};

FlowBuilder line(const std::function<void(flow::Processor&)>& change = {}) {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("gate", "Do", change).processor("sink", "Collect");
  flow.connect("source", "success", "gate").connect("gate", "success", "sink");
  return flow;
}

std::size_t arrived(const std::string& sink = "sink") {
  return collected().of(sink).size();
}

engine::ApplyOptions by_test() {
  engine::ApplyOptions options;
  options.who = "the test";
  options.patience = std::chrono::seconds(10);
  return options;
}

void set(flow::Processor& processor, const std::string& value) {
  processor.settings.put("setting", value);
}

Instance::Status status_of(Run& run, const std::string& name) {
  auto status = Instance::Status::finished;
  run.engine->inspect([&](const auto& instances, const auto&, const auto&) {
    for (const auto& instance : instances) {
      if (instance->full_name() == name) status = instance->status;
    }
  });
  return status;
}

std::uint64_t next_of(Run& run, const std::string& id) {
  std::uint64_t next = 0;
  run.engine->inspect([&](const auto&, const auto& connections, const auto&) {
    for (const auto& connection : connections) {
      if (connection->id() == id) next = connection->next();
    }
  });
  return next;
}

bool is_empty(Run& run) {
  bool empty = true;
  run.engine->inspect([&](const auto&, const auto& connections, const auto&) {
    for (const auto& connection : connections) empty &= connection->idle() && connection->held_count() == 0;
  });
  return empty;
}

bool has_bulletin(Run& run, const std::string& text) {
  for (const auto& bulletin : run.engine->bulletins()) {
    if (bulletin.message.find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE_FIXTURE(EngineTest, "a changed setting starts its processor anew, and nothing else, and data goes on") {
  const auto before = line([](auto& p) { set(p, "1"); });
  const auto after = line([](auto& p) { set(p, "2"); });
  Starts starts;
  starts.count({"source", "gate"});
  scripts()["source"].count = 20'000;
  scripts()["source"].batch = 20;
  Run run(folder.path(), before, false);
  run.start();
  REQUIRE(eventually([] { return arrived() > 100; }));
  run.engine->apply({after.share()}, by_test());
  CHECK(eventually([] { return arrived() == 20'000; }));
  run.engine->stop();
  CHECK(collected().of("sink") == numbers(20'000));
  CHECK(starts.of("source") == 1);
  CHECK(starts.of("gate") == 2);
  CHECK(has_bulletin(run, "applied by the test: test: 1 processor changed (gate)"));
}

TEST_CASE_FIXTURE(EngineTest, "a processor is put into a connection and taken out again while data flows") {
  const auto direct = line();
  FlowBuilder with;
  with.processor("source", "Count").processor("gate", "Do").processor("more", "Do").processor("sink", "Collect");
  with.connect("source", "success", "gate").connect("gate", "success", "more").connect("more", "success", "sink");
  const auto again = line();
  Starts starts;
  starts.count({"source", "gate", "more"});
  scripts()["source"].count = 30'000;
  scripts()["source"].batch = 20;
  Run run(folder.path(), direct, false);
  run.start();
  REQUIRE(eventually([] { return arrived() > 100; }));
  run.engine->apply({with.share()}, by_test());
  CHECK(next_of(run, "test/source/success/gate") > 0);
  REQUIRE(eventually([&] { return next_of(run, "test/more/success/sink") > 100; }));
  run.engine->apply({again.share()}, by_test());
  run.engine->apply({with.share()}, by_test());
  run.engine->apply({again.share()}, by_test());
  REQUIRE(eventually([&] { return next_of(run, "test/source/success/gate") == 30'000 && is_empty(run); }));
  // What waited in the connections that are gone flows on when they come back.
  run.engine->apply({with.share()}, by_test());
  REQUIRE(eventually([&] { return is_empty(run); }));
  run.engine->apply({again.share()}, by_test());
  CHECK(eventually([] { return arrived() == 30'000; }));
  CHECK(run.engine->orphans().empty());
  run.engine->stop();
  auto got = collected().of("sink");
  auto wanted = numbers(30'000);
  std::sort(got.begin(), got.end());
  std::sort(wanted.begin(), wanted.end());
  CHECK(got == wanted);
  CHECK(starts.of("source") == 1);
  CHECK(starts.of("gate") == 1);  // where its FlowFiles go is no reason to start anew
}

TEST_CASE_FIXTURE(EngineTest, "a connection that goes keeps what is queued, says so, and goes on where it was") {
  const auto before = line();
  FlowBuilder without;
  without.processor("source", "Count").processor("sink", "Collect").connect("source", "success", "sink");
  scripts()["source"].count = 10;
  std::atomic<bool> open{false};
  scripts()["gate"].process = closed_until(open);
  Run run(folder.path(), before, false);
  run.start();
  REQUIRE(eventually([&] { return next_of(run, "test/source/success/gate") == 10; }));
  run.engine->apply({without.share()}, by_test());
  REQUIRE(run.engine->orphans().size() == 1);
  CHECK(run.engine->orphans()[0].id == "test/source/success/gate");
  CHECK(run.engine->orphans()[0].next == 10);
  CHECK(has_bulletin(run, "test/source/success/gate is in no flow any more and keeps 10 queued"));
  open = true;
  run.engine->apply({before.share()}, by_test());
  CHECK(run.engine->orphans().empty());
  CHECK(next_of(run, "test/source/success/gate") == 10);  // numbers are never used again
  CHECK(eventually([] { return arrived() == 10; }));
  run.engine->stop();
  CHECK(collected().of("sink") == numbers(10));
}

TEST_CASE_FIXTURE(EngineTest, "a flow comes and goes with its queues and its state, and disturbs no other") {
  const auto main = line();
  FlowBuilder lane;
  lane.named("lane");
  lane.processor("numbers", "Count").processor("door", "Do").processor("end", "Collect");
  lane.connect("numbers", "success", "door").connect("door", "success", "end");
  Starts starts;
  starts.count({"source", "gate", "numbers"});
  scripts()["source"].count = 50'000;
  scripts()["source"].batch = 10;
  scripts()["numbers"].count = 1'000;
  std::atomic<bool> open{false};
  scripts()["door"].process = closed_until(open);
  {
    Run run(folder.path(), main, false);
    run.start();
    run.engine->add(lane.share(), by_test());
    CHECK(run.engine->flows().size() == 2);
    REQUIRE(eventually([&] { return next_of(run, "lane/numbers/success/door") == 1'000; }));
    run.engine->remove("lane", by_test());
    CHECK(run.engine->flows().size() == 1);
    CHECK_THROWS_AS(run.engine->remove("lane", by_test()), std::invalid_argument);
    REQUIRE(run.engine->orphans().size() == 1);
    CHECK(run.engine->orphans()[0].id == "lane/numbers/success/door");
    open = true;
    run.engine->add(lane.share(), by_test());
    CHECK(eventually([] { return arrived("end") == 1'000; }));
    run.engine->remove("lane", by_test());
    CHECK(run.engine->orphans().empty());
    run.engine->stop();
  }
  CHECK(collected().of("end") == numbers(1'000));  // its source has counted on, not anew
  CHECK(starts.of("source") == 1);
  CHECK(starts.of("gate") == 1);
}

TEST_CASE_FIXTURE(EngineTest, "a flow with a processor that does not start is rolled back, and what ran runs on") {
  const auto before = line([](auto& p) { set(p, "1"); });
  FlowBuilder after;
  after.processor("source", "Count").processor("gate", "Do", [](auto& p) { set(p, "2"); });
  after.processor("broken", "Do").processor("sink", "Collect");
  after.connect("source", "success", "gate").connect("gate", "success", "broken").connect("broken", "success", "sink");
  Starts starts;
  starts.count({"source", "gate"});
  scripts()["source"].count = 20'000;
  scripts()["source"].batch = 20;
  scripts()["broken"].start = [](Context&) { throw Misconfigured("there is no such table"); };
  Run run(folder.path(), before, false);
  run.start();
  REQUIRE(eventually([] { return arrived() > 100; }));
  bool kept = false;
  auto options = by_test();
  options.keep = [&] { kept = true; };
  CHECK_THROWS_WITH_AS(run.engine->apply({after.share()}, options), "test/broken: there is no such table",
                       engine::NotApplied);
  CHECK_FALSE(kept);
  REQUIRE(run.engine->flows().size() == 1);
  CHECK(run.engine->flows()[0]->processors.size() == 3);
  CHECK(next_of(run, "test/gate/success/sink") > 0);
  CHECK(run.engine->orphans().empty());
  CHECK(eventually([] { return arrived() == 20'000; }));
  run.engine->stop();
  CHECK(collected().of("sink") == numbers(20'000));
  CHECK(starts.of("source") == 1);
  CHECK(has_bulletin(run, "a changed flow was not applied, and what ran before runs on: test/broken"));
}

TEST_CASE_FIXTURE(EngineTest, "what cannot be kept is not applied, and no data has gone the new way") {
  const auto before = line();
  FlowBuilder after;
  after.processor("source", "Count").processor("other", "Collect").connect("source", "success", "other");
  scripts()["source"].count = 10;
  Run run(folder.path(), before, false);
  run.start();
  REQUIRE(eventually([] { return arrived() == 10; }));
  auto options = by_test();
  options.keep = [&] {
    scripts()["source"].count = 20;
    throw std::runtime_error("the file cannot be written");
  };
  CHECK_THROWS_WITH_AS(run.engine->apply({after.share()}, options), "the file cannot be written", engine::NotApplied);
  run.engine->operate("test", "source", engine::Operation::stop, "the test");
  REQUIRE(eventually([&] { return status_of(run, "test/source") == Instance::Status::stopped; }));
  run.engine->operate("test", "source", engine::Operation::start, "the test");
  CHECK(eventually([] { return arrived() == 20; }));
  run.engine->stop();
  CHECK(collected().of("sink") == numbers(20));
  CHECK(arrived("other") == 0);
}

TEST_CASE_FIXTURE(EngineTest, "a far side that is away keeps nothing from being applied") {
  const auto before = line([](auto& p) { set(p, "1"); });
  const auto after = line([](auto& p) { set(p, "2"); });
  std::atomic<bool> away{false};
  scripts()["gate"].start = [&](Context&) {
    if (away) throw Unavailable("nobody answers");
  };
  scripts()["source"].count = 100;
  Run run(folder.path(), before, false);
  run.start();
  REQUIRE(eventually([] { return arrived() == 100; }));
  away = true;
  run.engine->apply({after.share()}, by_test());
  CHECK(run.engine->flows()[0]->processors[1].settings.get<std::string>("setting") == "2");
  CHECK(status_of(run, "test/gate") == Instance::Status::starting);
  away = false;
  CHECK(eventually([&] { return status_of(run, "test/gate") == Instance::Status::running; }));
  run.engine->stop();
}

TEST_CASE_FIXTURE(EngineTest,
                  "a processor that does not come to an end in time is left to it, and nothing is applied") {
  const auto before = line([](auto& p) { set(p, "1"); });
  const auto after = line([](auto& p) { set(p, "2"); });
  std::atomic<bool> hangs{true};
  std::atomic<bool> is_in{false};
  scripts()["gate"].process = [&](FlowFile file, Session& session) {
    is_in = true;
    eventually([&] { return !hangs; });
    session.transfer(file, 0);
  };
  scripts()["source"].count = 10;
  Run run(folder.path(), before, false);
  run.start();
  REQUIRE(eventually([&] { return is_in.load(); }));
  auto options = by_test();
  options.patience = std::chrono::milliseconds(50);
  CHECK_THROWS_WITH_AS(run.engine->apply({after.share()}, options), "test/gate did not come to an end within 50ms",
                       engine::NotApplied);
  hangs = false;
  CHECK(eventually([] { return arrived() == 10; }));
  CHECK(run.engine->flows()[0]->processors[1].settings.get<std::string>("setting") == "1");
  run.engine->stop();
}

TEST_CASE_FIXTURE(EngineTest, "a renamed processor keeps its state and its queues, over a restart too") {
  FlowBuilder before, after;
  before.processor("source", "Count").processor("sink", "Collect").connect("source", "success", "sink");
  after.processor("origin", "Count", [](auto& p) { p.renamed_from = "source"; }).processor("sink", "Collect");
  after.connect("origin", "success", "sink");
  scripts()["source"].count = 1'000;
  scripts()["origin"].count = 2'000;
  {
    Run run(folder.path(), before, false);
    run.start();
    REQUIRE(eventually([] { return arrived() == 1'000; }));
    run.engine->apply({after.share()}, by_test());
    CHECK(eventually([] { return arrived() == 2'000; }));
    CHECK(next_of(run, "test/origin/success/sink") == 2'000);
    run.engine->stop();
  }
  scripts()["origin"].count = 2'500;
  Run run(folder.path(), after, false);
  CHECK(next_of(run, "test/origin/success/sink") == 2'000);
  run.start();
  CHECK(eventually([] { return arrived() == 2'500; }));
  run.engine->stop();
  CHECK(collected().of("sink") == numbers(2'500));
}

TEST_CASE_FIXTURE(EngineTest, "what a processor holds is queued again when it is started anew by a change") {
  const auto before = line([](auto& p) { set(p, "1"); });
  const auto after = line([](auto& p) { set(p, "2"); });
  std::atomic<int> version{1};
  scripts()["source"].count = 100;
  scripts()["gate"].process = [&](FlowFile file, Session& session) {
    if (version == 1) return session.hold(file);
    session.transfer(file, 0);
  };
  Run run(folder.path(), before, false);
  run.start();
  REQUIRE(eventually([&] {
    std::uint64_t held = 0;
    run.engine->inspect([&](const auto&, const auto& all, const auto&) { held = all[0]->held_count(); });
    return held == 100;
  }));
  version = 2;
  run.engine->apply({after.share()}, by_test());
  CHECK(eventually([] { return arrived() == 100; }));
  run.engine->stop();
}

TEST_CASE_FIXTURE(EngineTest, "thresholds of a queue change without anything being stopped") {
  FlowBuilder before, after;
  for (auto* flow : {&before, &after}) {
    flow->processor("source", "Count").processor("gate", "Do").processor("sink", "Collect");
    flow->connect("source", "success", "gate", {flow == &before ? 100U : 1'000U, 0});
    flow->connect("gate", "success", "sink");
  }
  Starts starts;
  starts.count({"source"});
  scripts()["source"].count = 1'500;
  std::atomic<bool> open{false};
  scripts()["gate"].process = closed_until(open);
  Run run(folder.path(), before, false);
  run.start();
  REQUIRE(eventually([&] { return next_of(run, "test/source/success/gate") == 100; }));
  run.engine->apply({after.share()}, by_test());
  CHECK(eventually([&] { return next_of(run, "test/source/success/gate") == 1'000; }));
  open = true;
  CHECK(eventually([] { return arrived() == 1'500; }));
  run.engine->stop();
  CHECK(starts.of("source") == 1);
}

TEST_CASE_FIXTURE(EngineTest, "what an operator stopped stays stopped when it changes") {
  const auto before = line([](auto& p) { set(p, "1"); });
  const auto after = line([](auto& p) { set(p, "2"); });
  scripts()["source"].count = 10;
  Run run(folder.path(), before, false);
  run.start();
  run.engine->operate("test", "gate", engine::Operation::stop, "alice");
  REQUIRE(eventually([&] { return status_of(run, "test/gate") == Instance::Status::stopped; }));
  run.engine->apply({after.share()}, by_test());
  CHECK(status_of(run, "test/gate") == Instance::Status::stopped);
  run.engine->operate("test", "gate", engine::Operation::start, "alice");
  CHECK(eventually([] { return arrived() == 10; }));
  run.engine->stop();
}

TEST_CASE_FIXTURE(EngineTest, "a batch run and an engine that stops take no changed flow") {
  const auto flow = line();
  {
    Run run(folder.path(), flow);
    run.start();
    CHECK_THROWS_AS(run.engine->apply({flow.share()}, by_test()), engine::NotNow);
    CHECK(run.finish());
  }
  Run run(folder.path(), flow, false);
  CHECK_THROWS_AS(run.engine->apply({flow.share()}, by_test()), engine::NotNow);
  run.start();
  run.engine->stop();
  CHECK_THROWS_AS(run.engine->apply({flow.share()}, by_test()), engine::NotNow);
}

TEST_CASE_FIXTURE(EngineTest, "a flow is changed over and over under load: nothing is lost and nothing comes twice") {
  std::vector<FlowBuilder> versions;
  for (int version = 0; version < 4; ++version) {
    FlowBuilder flow;
    const auto setting = [&](auto& p) { set(p, std::to_string(version)); };
    flow.processor("source", "Count", version == 3 ? setting : std::function<void(flow::Processor&)>());
    flow.processor("gate", "Do", setting).processor("sink", "Collect", [](auto& p) { p.exactly_once = true; });
    if (version % 2 == 1) {
      flow.processor("extra", "Do");
      flow.connect("source", "success", "gate", {100, 0}).connect("gate", "success", "extra", {100, 0});
      flow.connect("extra", "success", "sink", {100, 0}).connect("gate", "success", "sink", {100, 0});
    } else {
      flow.connect("source", "success", "gate", {100, 0}).connect("gate", "success", "sink", {100, 0});
    }
    versions.push_back(std::move(flow));
  }
  constexpr std::uint64_t kCount = 20'000;  // a hundred an epoch
  scripts()["source"].count = kCount;
  scripts()["source"].batch = 10;
  scripts()["extra"].process = [](FlowFile file, Session& session) { session.drop(file, "a copy"); };
  Run run(folder.path(), versions[0], false);
  run.start();
  int applied = 0;
  for (int i = 1; i <= 40; ++i) {
    run.engine->apply({versions[static_cast<std::size_t>(i % 4)].share()}, by_test());
    ++applied;
  }
  CHECK(applied == 40);
  run.engine->apply({versions[1].share()}, by_test());  // so that nothing stays in a connection that is gone
  CHECK(eventually([] { return arrived() >= kCount; }));
  run.engine->stop();
  CHECK(run.engine->fatal().empty());
  CHECK(collected().of("sink") == numbers(kCount));
}
