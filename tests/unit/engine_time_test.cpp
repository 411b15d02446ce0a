#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <set>
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

TEST_CASE_FIXTURE(EngineTest,
                  "by a cron expression, a source is polled and a processor takes its input at those times") {
  constexpr std::int64_t kSecond = 1'000'000'000, kHour = 3'600 * kSecond,
                         kStart = 1'700'006'400 * kSecond;  // midnight
  FlowBuilder flow;
  flow.processor("source", "Count", [](flow::Processor& source) { source.schedule.cron = "0 6 * * *"; });
  flow.processor("noon", "Do", [](flow::Processor& act) { act.schedule.cron = "30 12 * * *"; });
  flow.processor("sink", "Collect").connect("source", "success", "noon").connect("noon", "success", "sink");
  const auto hours = [](Session& session) {
    return std::to_string(static_cast<double>(session.now() - kStart) / static_cast<double>(kHour)).substr(0, 4);
  };
  scripts()["source"].endless = true;
  scripts()["source"].poll = [&](Session& session, std::uint64_t) {
    const auto file = session.create();
    session.append(file, hours(session));
    session.transfer(file, 0);
  };
  scripts()["noon"].process = [&](FlowFile file, Session& session) {
    const auto child = session.create(file);
    session.append(child, std::string(file.content()) + "@" + hours(session));
    session.transfer(child, 0);
  };
  engine::VirtualClock clock(kStart);
  Run run(folder.path(), flow, false, [&](engine::Options& options) { options.clock = &clock; });
  run.start();
  REQUIRE(run.engine->advance(kStart + 12 * kHour, std::chrono::seconds(20)));
  CHECK(collected().of("sink").empty());
  REQUIRE(run.engine->advance(kStart + 61 * kHour, std::chrono::seconds(20)));
  CHECK(collected().of("sink") == std::vector<std::string>{"6.00@12.5", "30.0@36.5", "54.0@60.5"});
}

TEST_CASE_FIXTURE(EngineTest, "a batch run does not wait for the next time of a schedule once all has flowed") {
  FlowBuilder flow;
  const auto seldom = [](flow::Processor& p) { p.schedule.every = std::chrono::hours(1); };
  flow.processor("source", "Count", seldom).processor("sink", "Collect", seldom).connect("source", "success", "sink");
  scripts()["source"].count = 3;
  Run run(folder.path(), flow);
  run.start();
  CHECK(run.finish());
  CHECK(collected().of("sink") == numbers(3));
}

TEST_CASE_FIXTURE(EngineTest,
                  "a batch run waits for no time of a cron expression: all is brought, and flows, at once") {
  constexpr std::int64_t kMinute = 60'000'000'000, kStart = 1'700'006'400'000'000'000;  // midnight
  FlowBuilder flow;
  const auto at_six = [](flow::Processor& p) { p.schedule.cron = "0 6 * * *"; };
  flow.processor("source", "Count", at_six).processor("sink", "Collect", at_six).connect("source", "success", "sink");
  scripts()["source"].endless = true;  // it says itself when it ends
  std::uint64_t polls = 0;
  scripts()["source"].poll = [&](Session& session, std::uint64_t) {
    const auto file = session.create();
    session.append(file, std::to_string(polls));
    session.transfer(file, 0);
    if (++polls < 3) return session.tick_at(session.now() + kMinute);  // it has not got all yet
    session.finished();
  };
  engine::VirtualClock clock(kStart);
  Run run(folder.path(), flow, true, [&](engine::Options& options) { options.clock = &clock; });
  run.start();
  REQUIRE(run.engine->advance(kStart + 3 * kMinute, std::chrono::seconds(20)));
  CHECK(run.finish());
  CHECK(collected().of("sink") == numbers(3));
}

namespace {

/// One FlowFile, through a processor whose script says what becomes of it.
FlowBuilder one_through_act() {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("act", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "act").connect("act", "success", "sink");
  scripts()["source"].count = 1;
  return flow;
}

}  // namespace

TEST_CASE_FIXTURE(EngineTest,
                  "a far side that was down for long is back within ten seconds, tried ever more seldom till then") {
  constexpr std::int64_t kSecond = 1'000'000'000, kStart = 1'700'000'000 * kSecond;
  const auto flow = one_through_act();
  std::vector<std::int64_t> tries;
  scripts()["act"].process = [&](FlowFile file, Session& session) {
    tries.push_back(session.now() - kStart);
    if (tries.back() < 600 * kSecond) throw Unavailable("the far side is down");
    session.transfer(file, 0);
  };
  engine::VirtualClock clock(kStart);
  Run run(folder.path(), flow, false, [&](engine::Options& options) { options.clock = &clock; });
  run.start();
  REQUIRE(run.engine->advance(kStart + 610 * kSecond, std::chrono::seconds(20)));
  CHECK(collected().of("sink") == std::vector<std::string>{"0"});
  REQUIRE(tries.size() > 10);
  CHECK(tries.size() < 80);
  for (std::size_t i = 2; i + 1 < tries.size(); ++i) CHECK(tries[i + 1] - tries[i] >= tries[i] - tries[i - 1]);
}

TEST_CASE_FIXTURE(EngineTest, "attempts at a far side come at moments of their own") {
  const auto flow = one_through_act();
  std::vector<std::int64_t> tries;
  scripts()["act"].process = [&](FlowFile file, Session& session) {
    tries.push_back(session.now());
    if (tries.size() < 3) throw Unavailable("the far side is down");
    session.transfer(file, 0);
  };
  std::set<std::int64_t> pauses;  // in milliseconds, of 100 but for the jitter
  for (int i = 0; i < 8; ++i) {
    tries.clear();
    Run run(folder.path() / std::to_string(i), flow);
    run.start();
    CHECK(run.finish());
    REQUIRE(tries.size() == 3);
    CHECK(tries[1] - tries[0] >= 75'000'000);
    pauses.insert((tries[1] - tries[0]) / 1'000'000);
  }
  CHECK(*pauses.begin() < 98);  // all of eight in the last 2 ms of 25: one in ten million
}

TEST_CASE_FIXTURE(EngineTest, "a relationship's retries wait longer each time, up to its longest pause") {
  constexpr std::int64_t kSecond = 1'000'000'000, kStart = 1'700'000'000 * kSecond;
  FlowBuilder flow;
  flow.processor("source", "Count");
  flow.processor("act", "Do", [](flow::Processor& act) {
    act.retries[1] = {4, std::chrono::seconds(1), std::chrono::seconds(3)};
    act.retries[2] = {2, std::chrono::seconds(10), std::chrono::seconds(10)};
  });
  flow.processor("bad", "Collect").processor("other", "Collect");
  flow.connect("source", "success", "act").connect("act", "failure", "bad").connect("act", "other", "other");
  scripts()["source"].count = 2;
  std::map<std::string, std::string> tries;
  scripts()["act"].process = [&](FlowFile file, Session& session) {
    const std::string content(file.content());
    tries[content] += std::to_string((session.now() - kStart) / kSecond) + ' ';
    session.transfer(file, content == "0" ? 1 : 2);
  };
  engine::VirtualClock clock(kStart);
  Run run(folder.path(), flow, false, [&](engine::Options& options) { options.clock = &clock; });
  run.start();
  REQUIRE(run.engine->advance(kStart + 60 * kSecond, std::chrono::seconds(20)));
  CHECK(tries["0"] == "0 1 3 6 9 ");
  CHECK(tries["1"] == "0 10 20 ");
  CHECK(collected().of("bad") == std::vector<std::string>{"0"});
  CHECK(collected().of("other") == std::vector<std::string>{"1"});
}

TEST_CASE_FIXTURE(EngineTest, "with order: strict, one that is tried again blocks those behind it; else they pass it") {
  constexpr std::int64_t kSecond = 1'000'000'000, kStart = 1'700'000'000 * kSecond;
  FlowBuilder flow;
  flow.processor("source", "Count");
  flow.processor("strict", "Do", [](flow::Processor& act) { act.strict_order = true; }).processor("loose", "Do");
  flow.processor("in order", "Collect").processor("as it comes", "Collect");
  flow.connect("source", "success", "strict").connect("source", "success", "loose");
  flow.connect("strict", "success", "in order").connect("loose", "success", "as it comes");
  scripts()["source"].count = 300;
  const auto act = [](FlowFile file, Session& session) {
    if (file.content() == "150" && session.now() < kStart + 60 * kSecond)
      return session.penalize(file, std::chrono::seconds(30));
    session.transfer(file, 0);
  };
  scripts()["strict"].process = scripts()["loose"].process = act;
  engine::VirtualClock clock(kStart);
  Run run(folder.path(), flow, false, [&](engine::Options& options) { options.clock = &clock; });
  run.start();
  const auto patience = std::chrono::seconds(20);
  REQUIRE(run.engine->advance(kStart + 31 * kSecond, patience));
  const auto until = collected().of("in order").size();
  CHECK(until <= 300 - 150);
  CHECK(collected().of("as it comes").size() == 299);
  REQUIRE(run.engine->advance(kStart + 61 * kSecond, patience));
  CHECK(collected().of("in order") == numbers(300));
  auto loose = collected().of("as it comes");
  REQUIRE(loose.size() == 300);
  CHECK(loose.back() == "150");
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

namespace {

/// The system's clock, until it is set anew.
class AdjustedClock final : public engine::Clock {
 public:
  std::int64_t now() const override { return system_.now() + by_.load(); }
  void set(Duration by) { by_.store(by.count()); }

 private:
  engine::RealClock system_;
  std::atomic<std::int64_t> by_{0};
};

}  // namespace

TEST_CASE_FIXTURE(EngineTest, "a clock that is set back keeps nothing waiting, and one set ahead neither") {
  constexpr std::int64_t kMillisecond = 1'000'000;
  FlowBuilder flow;
  flow.processor("ticks", "Count").processor("ticked", "Collect").connect("ticks", "success", "ticked");
  flow.processor("every", "Count", [](flow::Processor& p) { p.schedule.every = std::chrono::milliseconds(1'500); });
  flow.processor("scheduled", "Collect").connect("every", "success", "scheduled");
  flow.processor("source", "Count").processor("act", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "act").connect("act", "success", "sink");
  for (const auto* name : {"ticks", "every"}) {
    scripts()[name].endless = true;
    scripts()[name].poll = [name = std::string(name)](Session& session, std::uint64_t) {
      session.transfer(session.create(), 0);
      if (name == "ticks") session.tick_at(session.now() + 1'500 * kMillisecond);
    };
  }
  scripts()["ticks"].tick = [](Session& session) { scripts()["ticks"].poll(session, 0); };
  scripts()["source"].count = 3;
  scripts()["source"].endless = true;
  std::atomic<int> tries{0};
  scripts()["act"].process = [&](FlowFile file, Session& session) {
    if (tries++ < 3) return session.penalize(file, std::chrono::milliseconds(1'500));
    session.transfer(file, 0);
  };
  AdjustedClock clock;
  Run run(folder.path(), flow, false, [&](engine::Options& options) { options.wall = &clock; });
  run.start();
  const auto count = [](const char* name) { return collected().of(name).size(); };
  REQUIRE(eventually([&] { return tries == 3 && count("ticked") == 1 && count("scheduled") == 1; }));
  clock.set(-std::chrono::hours(100));
  CHECK(eventually([&] { return count("sink") == 3; }));
  CHECK(eventually([&] { return count("ticked") > 2 && count("scheduled") > 2; }));
  const auto bulletins = run.engine->bulletins();
  CHECK(std::count_if(bulletins.begin(), bulletins.end(), [](const auto& b) {
          return b.message.find("clock was set back by 3") != std::string::npos;
        }) == 1);
  const auto ticked = count("ticked"), scheduled = count("scheduled");
  clock.set(std::chrono::hours(100));
  CHECK(eventually([&] { return count("ticked") > ticked + 1 && count("scheduled") > scheduled + 1; }));
  run.engine->stop();
}
