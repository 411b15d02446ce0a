#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "tests/unit/engine_fixture.h"

using namespace weir;
using namespace weir::test;

namespace {

/// Leaves so many FlowFiles of a source queued on disk, in `test/source/success/gate`.
void leave_queued(const std::filesystem::path& folder, std::uint64_t count) {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("gate", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "gate", {.max_count = 0}).connect("gate", "success", "sink");
  scripts()["source"].count = count;
  scripts()["gate"].process = [](FlowFile, Session&) { throw Unavailable("closed"); };
  Run run(folder, flow, false);
  run.start();
  REQUIRE(eventually([&] {
    std::uint64_t next = 0;
    run.engine->inspect(
        [&](const auto&, const auto& connections, const auto&) { next = connections[0]->durable_next(); });
    return next == count;
  }));
  run.engine->stop();
}

}  // namespace

TEST_CASE_FIXTURE(EngineTest, "a full memory budget moves durable FlowFiles to disk, and they come back in order") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("gate", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "gate", {.max_count = 0, .max_bytes = 0}).connect("gate", "success", "sink");
  const std::string filler(2'000, 'x');
  scripts()["source"].count = 20'000;
  scripts()["source"].poll = nullptr;
  std::atomic<bool> open{false};
  scripts()["gate"].process = closed_until(open);
  Run run(folder.path(), flow, true, [](engine::Options& options) { options.memory_budget = 256 * KiB; });
  run.start();
  CHECK(eventually([&] {
    std::uint64_t next = 0;
    run.engine->inspect(
        [&](const auto&, const auto& connections, const auto&) { next = connections[0]->durable_next(); });
    return next == 20'000;
  }));
  open = true;
  CHECK(run.finish());
  CHECK(collected().of("sink") == numbers(20'000));
}

TEST_CASE_FIXTURE(EngineTest,
                  "while one connection is read back slowly, everybody else works, and epochs are written") {
  leave_queued(folder.path(), 3'000);
  FlowBuilder flow;
  flow.processor("source", "Count").processor("gate", "Do").processor("sink", "Collect");
  flow.processor("other", "Count").processor("others", "Collect");
  flow.connect("source", "success", "gate").connect("gate", "success", "sink").connect("other", "success", "others");
  scripts()["source"].count = 3'000;  // all of them have been counted
  scripts()["other"].count = 2'000;
  std::atomic<bool> reading{false};
  std::promise<void> disk_goes_on;
  const auto goes_on = disk_goes_on.get_future().share();
  Run run(folder.path(), flow, true, [](engine::Options& options) { options.workers = 2; },
          {.read = [&](std::uint32_t, std::uint64_t, std::uint32_t) {
            reading = true;
            goes_on.wait();
          }});
  run.start();
  CHECK(eventually([&] { return reading && collected().of("others").size() == 2'000; }));
  CHECK(eventually([&] {  // also on disk: the other source's position is durable, its queue empty
    bool durable = false;
    run.engine->inspect([&](const auto&, const auto& connections, const auto&) {
      durable = connections[2]->durable_next() == 2'000 && connections[2]->durable_cursor() == 2'000;
    });
    return durable;
  }));
  CHECK(collected().of("sink").empty());
  disk_goes_on.set_value();
  CHECK(run.finish());
  CHECK(collected().of("sink") == numbers(3'000));
}

TEST_CASE_FIXTURE(EngineTest,
                  "concurrent sessions settle in input order, also when the first is the last to be read back") {
  leave_queued(folder.path(), 5'000);
  FlowBuilder flow;
  flow.processor("source", "Count");
  flow.processor("gate", "Do", [](flow::Processor& p) { p.concurrency = 4; }).processor("sink", "Collect");
  flow.connect("source", "success", "gate").connect("gate", "success", "sink");
  scripts()["source"].count = 5'000;
  std::atomic<std::uint64_t> passed{0};
  scripts()["gate"].process = [&](FlowFile file, Session& session) {
    ++passed;
    session.transfer(file, 0);
  };
  Run run(folder.path(), flow, true, [](engine::Options& options) { options.workers = 4; },
          {.read = [&](std::uint32_t, std::uint64_t first, std::uint32_t count) {
            CHECK(count <= 1'000);
            if (first == 0) CHECK(eventually([&] { return passed >= 2'000; }));
          }});
  run.start();
  CHECK(run.finish());
  CHECK(collected().of("sink") == numbers(5'000));
}

TEST_CASE_FIXTURE(EngineTest,
                  "content too large for memory stays until it is read, also where it is all that a session made") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("act", "Do").processor("gate", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "act").connect("act", "success", "gate").connect("gate", "success", "sink");
  scripts()["source"].count = 3;
  scripts()["act"].process = [](FlowFile file, Session& session) {
    auto child = session.create(file);
    session.append(child, std::string(9 * MiB, file.content().front()));
    session.transfer(child, 0);
  };
  scripts()["gate"].process = [](FlowFile file, Session& session) {
    CHECK(file.content().data() == file.content().data());  // some ask for each record
    auto child = session.create(file);
    session.append(child, std::to_string(file.size()) + file.content().back());
    session.transfer(child, 0);
  };
  Run run(folder.path(), flow);
  run.start();
  CHECK(run.finish());
  CHECK(collected().of("sink") == std::vector<std::string>{"94371840", "94371841", "94371842"});
}

TEST_CASE_FIXTURE(EngineTest, "content may be left out where nobody reads it, and nowhere else") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("act", "Do").processor("good", "Collect").processor("bad", "Collect");
  flow.connect("source", "success", "act").connect("act", "success", "good").connect("act", "failure", "bad");
  scripts()["source"].count = 10;
  scripts()["act"].process = [](FlowFile file, Session& session) {
    constexpr std::uint32_t success = 0, other = 2;
    REQUIRE(session.routed(success));
    REQUIRE_FALSE(session.routed(other));
    auto counted = session.create(file);
    session.omit(counted, 1'000);
    session.transfer(counted, file.content() == "7" ? success : other);
    auto child = session.create(file);
    session.append(child, file.content());
    session.transfer(child, success);
  };
  Run run(folder.path(), flow);
  run.start();
  CHECK(run.finish());
  auto expected = numbers(10);
  expected.erase(expected.begin() + 7);
  CHECK(collected().of("good") == expected);
  CHECK(collected().of("bad") == std::vector<std::string>{"7"});  // a defect of the processor
  run.engine->inspect([](const auto& instances, const auto&, const auto&) {
    CHECK(instances[1]->statistics.out[2].files == 9);
    CHECK(instances[1]->statistics.out[2].bytes == 9'000);
  });
}

TEST_CASE_FIXTURE(EngineTest, "a redrive holds little of the queue in memory, however much it sends back") {
  constexpr std::uint64_t kFiles = 20'000;
  const std::string filler(10 * KiB, 'x');
  FlowBuilder flow;
  flow.processor("source", "Count").processor("act", "Do").processor("sink", "Collect");
  flow.processor("dead", "Do", [](flow::Processor& dead) { dead.enabled = false; });
  flow.connect("source", "success", "act", {.max_count = 0, .max_bytes = 0});
  flow.connect("act", "success", "sink").connect("act", "failure", "dead", {.max_count = 0, .max_bytes = 0});
  scripts()["source"].endless = true;
  std::uint64_t made = 0;
  scripts()["source"].poll = [&](Session& session, std::uint64_t) {
    for (int i = 0; i < 100; ++i, ++made) {
      const auto file = session.create();
      session.append(file, filler);
      session.transfer(file, 0);
    }
    if (made < kFiles) session.again();
  };
  scripts()["act"].process = [](FlowFile, Session&) { throw Rejected("not today"); };
  Run run(folder.path(), flow, false, [](engine::Options& options) { options.memory_budget = 8 * MiB; });
  const auto stopped = [&](const char* name) {
    run.engine->operate("test", name, engine::Operation::stop, "me");
    return eventually([&] {
      bool is = false;
      run.engine->inspect([&](const auto& instances, const auto&, const auto&) {
        for (const auto& in : instances)
          is |= in->definition().name == name && in->status == engine::Instance::Status::stopped;
      });
      return is;
    });
  };
  run.start();
  const auto queued = [&](std::size_t connection) {
    std::uint64_t count = 0;
    run.engine->inspect(
        [&](const auto&, const auto& connections, const auto&) { count = connections[connection]->queued_count(); });
    return count;
  };
  for (std::uint64_t arrived = 0; arrived != kFiles; arrived = queued(2))  // as long as it gets on, slow disk or not
    REQUIRE(eventually([&] { return queued(2) > arrived; }));
  REQUIRE(stopped("act"));
  std::atomic<bool> over{false};
  auto most = std::async(std::launch::async, [&] {
    std::uint64_t seen = 0;
    while (!over) {
      seen = std::max(seen, store::Arena::total_bytes());
      std::this_thread::yield();
    }
    return seen;
  });
  const auto result = run.engine->redrive("test/act/failure/dead", kFiles, "me");
  over = true;
  CHECK(result.redriven == kFiles);
  CHECK(queued(0) == kFiles);
  CHECK(most.get() < kFiles * filler.size() / 2);
}
