#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "tests/unit/engine_fixture.h"

using namespace weir;
using namespace weir::test;

TEST_CASE_FIXTURE(EngineTest, "virtual time passes when told, and everything happens at its own time, in order") {
  constexpr std::int64_t kSecond = 1'000'000'000, kStart = 1'700'000'000 * kSecond;
  FlowBuilder flow;
  flow.processor("source", "Count").processor("act", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "act").connect("act", "success", "sink");
  scripts()["source"].poll = [&](Session& session, std::uint64_t) {
    const auto file = session.create();
    session.append(file, std::to_string((session.now() - kStart) / kSecond));
    session.transfer(file, 0);
    session.tick_at(session.now() + 10 * kSecond);
  };
  scripts()["source"].tick = [](Session& session) { scripts()["source"].poll(session, 0); };
  scripts()["act"].process = [&](FlowFile file, Session& session) {  // the one of 20 s is put aside for an hour
    if (file.content() == "20" && session.now() < kStart + 3'000 * kSecond)
      return session.penalize(file, std::chrono::hours(1));
    const auto child = session.create(file);
    session.append(child, std::string(file.content()) + "@" + std::to_string((session.now() - kStart) / kSecond));
    session.transfer(child, 0);
  };
  engine::VirtualClock clock(kStart);
  Run run(folder.path(), flow, false, [&](engine::Options& options) { options.clock = &clock; });
  run.start();
  const auto patience = std::chrono::seconds(20);
  REQUIRE(run.engine->advance(kStart + 35 * kSecond, patience));
  CHECK(collected().of("sink") == std::vector<std::string>{"0@0", "10@10", "30@30"});
  CHECK(run.engine->next_due() == kStart + 40 * kSecond);
  CHECK(clock.now() == kStart + 35 * kSecond);
  REQUIRE(run.engine->advance(kStart + 3'625 * kSecond, patience));
  const auto seen = collected().of("sink");
  REQUIRE(seen.size() == 363);
  CHECK(std::find(seen.begin(), seen.end(), "20@3620") >= seen.end() - 2);
  CHECK(run.engine->advance(kStart, patience));  // what is past only waits
  CHECK(clock.now() == kStart + 3'625 * kSecond);
}

TEST_CASE_FIXTURE(EngineTest, "a scheduled source is polled also where it has a tick when it is due") {
  constexpr std::int64_t kSecond = 1'000'000'000, kStart = 1'700'000'000 * kSecond;
  FlowBuilder flow;
  flow.processor("source", "Count", [](flow::Processor& source) { source.schedule.every = std::chrono::seconds(10); });
  flow.processor("sink", "Collect").connect("source", "success", "sink");
  int calls = 0;
  scripts()["source"].endless = true;
  scripts()["source"].poll = [&](Session& session, std::uint64_t) {
    const bool first_page = ++calls % 2 == 1;
    const auto file = session.create();
    session.append(file, (first_page ? "1@" : "2@") + std::to_string((session.now() - kStart) / kSecond));
    session.transfer(file, 0);
    if (first_page) session.tick_at(session.now() + 10 * kSecond);  // the server takes its time
  };
  engine::VirtualClock clock(kStart);
  Run run(folder.path(), flow, false, [&](engine::Options& options) { options.clock = &clock; });
  run.start();
  REQUIRE(run.engine->advance(kStart + 25 * kSecond, std::chrono::seconds(20)));
  std::string seen;
  for (const auto& page : collected().of("sink")) seen += page + ' ';
  CHECK(seen == "1@0 2@10 1@10 2@20 1@20 ");
}

TEST_CASE_FIXTURE(EngineTest, "virtual time does not pass while something runs that never rests") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("sink", "Collect");
  flow.connect("source", "success", "sink");
  scripts()["source"].poll = [](Session&, std::uint64_t) {};
  scripts()["source"].count = 1;  // so it always has more to give
  engine::VirtualClock clock(1'000);
  Run run(folder.path(), flow, false, [&](engine::Options& options) { options.clock = &clock; });
  run.start();
  CHECK_FALSE(run.engine->advance(2'000, std::chrono::milliseconds(200)));
  CHECK(clock.now() == 1'000);
}
