#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <future>

#include "engine/engine.h"
#include "tests/unit/engine_fixture.h"

using namespace weir;
using namespace weir::test;

namespace {

void work_for(std::chrono::microseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) continue;
}

}  // namespace

TEST_CASE_FIXTURE(EngineTest, "what a busy consumer can still do before a cut need not be written") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("work", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "work", {.max_count = 500}).connect("work", "success", "sink");
  scripts()["source"].count = 30'000;
  scripts()["work"].process = [](FlowFile file, Session& session) {
    work_for(std::chrono::microseconds(10));  // the source is faster: its queue is never empty by itself
    session.transfer(file, 0);
  };
  std::atomic<int> epochs{0};
  std::atomic<int> wrote_no_queue{0};
  Run run(folder.path(), flow, true,
          [](engine::Options& options) {
            options.workers = 2;
            options.epoch_interval = std::chrono::milliseconds(10);
          },
          {.write = [&](const store::Epoch& epoch) {
            if (collected().of("sink").size() == 30'000) return;  // it is at its end
            ++epochs;
            bool wrote = false;
            for (const auto& connection : epoch.connections) wrote |= !connection.appended.empty();
            if (!wrote) ++wrote_no_queue;
          }});
  run.start();
  CHECK(run.finish());
  CHECK(collected().of("sink") == numbers(30'000));
  const int total = epochs;
  const int without_queue = wrote_no_queue;
  INFO(total, " epochs");
  CHECK(without_queue >= 3);
}

TEST_CASE_FIXTURE(EngineTest, "a source does not wait for a consumer that does not get on, nor do epochs") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("slow", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "slow", {.max_count = 0}).connect("slow", "success", "sink");
  scripts()["source"].count = 20'000;
  std::promise<void> far_side_answers;
  const auto answer = far_side_answers.get_future().share();
  scripts()["slow"].process = [&](FlowFile file, Session& session) {
    answer.wait();
    session.transfer(file, 0);
  };
  Run run(folder.path(), flow, true, [](engine::Options& options) {
    options.workers = 2;
    options.epoch_interval = std::chrono::milliseconds(1);
  });
  run.start();
  CHECK(eventually([&] {
    std::uint64_t next = 0;
    run.engine->inspect(
        [&](const auto&, const auto& connections, const auto&) { next = connections[0]->durable_next(); });
    return next == 20'000;
  }));
  CHECK(collected().of("sink").empty());
  far_side_answers.set_value();
  CHECK(run.finish());
  CHECK(collected().of("sink") == numbers(20'000));
}
