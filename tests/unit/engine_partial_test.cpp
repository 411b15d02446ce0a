#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "tests/unit/engine_fixture.h"

using namespace weir;
using namespace weir::test;

namespace {

/// Emits an input's characters from its offset on, one a session.
void emit_one_character(FlowFile file, Session& session) {
  auto part = session.create(file);
  session.share(part, file, file.offset(), 1);
  session.transfer(part, 0);
  if (file.offset() + 1 < file.size()) session.consume_until(file, file.offset() + 1);
}

std::string joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const auto& part : parts) all += part;
  return all;
}

}  // namespace

TEST_CASE_FIXTURE(EngineTest, "an input consumed in part comes again from its offset, and keeps its place") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("split", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "split").connect("split", "success", "sink");
  scripts()["source"].count = 150;
  scripts()["split"].process = &emit_one_character;
  Run run(folder.path(), flow);
  run.start();
  CHECK(run.finish());
  CHECK(joined(collected().of("sink")) == joined(numbers(150)));
}

TEST_CASE_FIXTURE(EngineTest,
                  "a FlowFile that was put aside and is consumed in part goes on where it was, once for all") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("split", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "split").connect("split", "success", "sink");
  scripts()["source"].count = 150;
  std::set<std::string> put_aside;
  scripts()["split"].process = [&](FlowFile file, Session& session) {
    if (put_aside.emplace(file.content()).second) return session.penalize(file, std::chrono::milliseconds(1));
    emit_one_character(file, session);
  };
  Run run(folder.path(), flow);
  run.start();
  CHECK(run.finish());
  CHECK(joined(collected().of("sink")) == joined(numbers(150)));
}

TEST_CASE_FIXTURE(EngineTest, "what is put aside or held midway goes on where it was, also after a start") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("split", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "split").connect("split", "success", "sink");
  scripts()["source"].poll = [](Session& session, std::uint64_t) {
    if (session.state("done")) return;
    for (const auto* content : {"abcdef", "ghijkl", "mnopqr"}) {
      auto file = session.create();
      session.append(file, content);
      session.transfer(file, 0);
    }
    session.set_state("done", "yes");
  };
  bool again = false;
  scripts()["split"].process = [&](FlowFile file, Session& session) {
    if (!again && file.offset() == 2 && file.content()[0] == 'a') return session.penalize(file, std::chrono::hours(1));
    if (!again && file.offset() == 3 && file.content()[0] == 'g') return session.hold(file);
    if (!again && file.offset() == 4) throw Unavailable("closed");
    emit_one_character(file, session);
  };
  scripts()["split"].flush = [](Session& session) {
    REQUIRE(session.held_count() == 1);
    auto held = session.take_held(0);
    CHECK(held.offset() == 3);
    session.hold(held);
  };
  engine::VirtualClock clock(1'000'000'000);
  const auto with_clock = [&](engine::Options& options) { options.clock = &clock; };
  {
    Run run(folder.path(), flow, false, with_clock);
    run.start();
    CHECK(eventually([&] { return collected().of("sink").size() == 9; }));
    run.engine->stop();
    CHECK(joined(collected().of("sink")) == "abghimnop");
  }
  again = true;
  clock.set(clock.now() + 2 * std::chrono::nanoseconds(std::chrono::hours(1)).count());
  Run run(folder.path(), flow, true, with_clock);
  run.start();
  CHECK(run.finish());
  auto rest = joined(collected().of("sink")).substr(9);
  std::sort(rest.begin(), rest.end());
  CHECK(rest == "cdefjklqr");
}
