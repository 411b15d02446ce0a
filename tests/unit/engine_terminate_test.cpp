// A processor that does not return from a call is terminated: what it was at is queued again, another takes its place,
// and what its thread does when it comes back at last has no effect.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "tests/unit/engine_fixture.h"
#include "weir/lane.h"
#include "weir/quality.h"

using namespace weir;
using namespace weir::test;
using engine::Instance;
using engine::Operation;

namespace {

/// Keeps whoever comes, as often as was asked for, until it is opened.
class Latch {
 public:
  explicit Latch(std::uint32_t holds) : holds_(holds) {}
  /// True: it was kept.
  bool pass() {
    std::unique_lock lock(mutex_);
    if (taken_ == holds_) return false;
    ++taken_;
    opened_.wait(lock, [this] { return is_open_; });
    return true;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    opened_.notify_all();
  }
  bool holds(std::uint32_t count = 1) {
    return eventually([&] {
      const std::lock_guard lock(mutex_);
      return taken_ == count;
    });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  const std::uint32_t holds_;
  std::uint32_t taken_ = 0;
  bool is_open_ = false;
};

/// source -> act -> sink, and what a test asks of it. Latches are opened before the engine ends.
struct Terminated : EngineTest {
  Terminated() { scripts().clear(); }
  ~Terminated() {
    for (auto& latch : latches) latch.open();
  }
  void open(const std::string& type = "Do", const std::function<void(flow::Processor&)>& change = {},
            const std::function<void(engine::Options&)>& options = {}, WatchedStore::Watch watch = {}) {
    auto kept = scripts();
    FlowBuilder flow;
    flow.processor("source", "Count").processor("act", type, change).processor("sink", "Collect");
    flow.connect("source", "success", "act").connect("act", "success", "sink");
    scripts() = std::move(kept);
    scripts()["source"].endless = true;
    run = std::make_unique<Run>(
        folder.path(), flow, false,
        [&](engine::Options& each) {
          each.stop_patience = std::chrono::milliseconds(250);
          if (options) options(each);
        },
        std::move(watch));
  }
  void start() { run->start(); }
  void give(const std::string& content) { run->engine->give(0, 0, content, {}, 1); }
  void order(Operation operation, const std::string& name = "act") {
    run->engine->operate("test", name, operation, "anna");
  }
  void terminate(const std::string& name = "act") {
    order(Operation::stop, name);
    order(Operation::terminate, name);
  }
  template <class Visit>
  void look(const std::string& name, const Visit& visit) {
    run->engine->inspect([&](const auto& instances, const auto&, const auto&) {
      for (const auto& instance : instances) {
        if (instance->processor_name() == name) visit(*instance);
      }
    });
  }
  Instance::Status status(const std::string& name = "act") {
    auto status = Instance::Status::finished;
    look(name, [&](const auto& instance) { status = instance.status; });
    return status;
  }
  bool becomes(Instance::Status wanted, const std::string& name = "act") {
    return eventually([&] { return status(name) == wanted; });
  }
  std::uint64_t queued(std::size_t connection = 0) {
    std::uint64_t queued = 0;
    run->engine->inspect(
        [&](const auto&, const auto& connections, const auto&) { queued = connections[connection]->queued_count(); });
    return queued;
  }
  std::size_t threads_left(const std::string& name = "act") {
    std::size_t threads = 99;
    look(name, [&](const auto& instance) { threads = instance.threads_left(); });
    return threads;
  }
  std::string state(const std::string& key) {
    std::string value;
    look("act", [&](const auto& instance) {
      const auto at = instance.state.find(key);
      value = at == instance.state.end() ? "none" : at->second;
    });
    return value;
  }
  bool arrive(std::size_t count) {
    return eventually([&] { return collected().of("sink").size() == count; });
  }
  bool told(const std::string& message) {
    const auto bulletins = run->engine->bulletins();
    return std::any_of(bulletins.begin(), bulletins.end(),
                       [&](const auto& each) { return each.message.find(message) != std::string::npos; });
  }
  bool comes_back() {
    return eventually([&] { return told("has come back after") && run->engine->left_behind().empty(); });
  }
  /// Outlives the engine.
  Latch& hold(std::uint32_t holds = 1) { return latches.emplace_back(holds); }
  void hang_at(Latch& latch, const std::string& content) {
    scripts()["act"].process = [&latch, content](FlowFile file, Session& session) {
      if (file.content() == content) latch.pass();
      session.transfer(file, 0);
    };
  }

  std::list<Latch> latches;
  std::unique_ptr<Run> run;
};

using Status = Instance::Status;

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

TEST_CASE_FIXTURE(Terminated, "one that does not return from durable() keeps the epochs, and a restart is what helps") {
  auto& latch = hold();
  scripts()["act"].durable = [&](std::uint64_t) { latch.pass(); };
  scripts()["act"].process = [](FlowFile file, Session& session) {
    session.when_durable(1);
    session.transfer(file, 0);
  };
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
    scripts()["act"].durable = [&](std::uint64_t) { latch.pass(); };
    scripts()["act"].process = [](FlowFile file, Session& session) {
      session.when_durable(1);
      session.transfer(file, 0);
    };
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
