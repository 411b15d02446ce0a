#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "tests/unit/engine_fixture.h"

using namespace weir;
using namespace weir::test;

TEST_CASE_FIXTURE(EngineTest, "a rejected FlowFile goes to failure with its reason, and takes nobody with it") {
  FlowBuilder flow;
  flow.processor("source", "Count")
      .processor("act", "Do")
      .processor("good", "Collect")
      .processor("bad", "Do")
      .processor("seen", "Collect");
  flow.connect("source", "success", "act").connect("act", "success", "good").connect("act", "failure", "bad");
  flow.connect("bad", "success", "seen");
  scripts()["source"].count = 500;
  scripts()["act"].process = [](FlowFile file, Session& session) {
    auto child = session.create(file);
    session.append(child, file.content());
    session.transfer(child, 0);
    if (file.content() == "77") throw Rejected("no seventy-sevens");
  };
  scripts()["bad"].process = [](FlowFile file, Session& session) {
    auto child = session.create(file);
    session.append(child, std::string(file.content()) + "|" + std::string(*file.attribute("error.message")) + "|" +
                              std::string(*file.attribute("error.processor")) + "|" +
                              std::string(*file.attribute("error.kind")));
    session.transfer(child, 0);
  };
  Run run(folder.path(), flow);
  run.start();
  CHECK(run.finish());
  auto expected = numbers(500);
  expected.erase(expected.begin() + 77);
  CHECK(collected().of("good") == expected);
  CHECK(collected().of("seen") == std::vector<std::string>{"77|no seventy-sevens|act|rejected"});
}

TEST_CASE_FIXTURE(EngineTest, "what is rejected after it was held says by which of several connections it had come") {
  FlowBuilder flow;
  flow.processor("one", "Count").processor("two", "Count").processor("act", "Do").processor("bad", "Do");
  flow.processor("seen", "Collect");
  flow.connect("one", "success", "act").connect("two", "success", "act");
  flow.connect("act", "failure", "bad").connect("bad", "success", "seen");
  scripts()["one"].count = scripts()["two"].count = 2;
  scripts()["act"].process = [](FlowFile file, Session& session) { session.hold(file); };
  scripts()["act"].flush = [](Session& session) {
    for (std::uint32_t i = 0; i < session.held_count(); ++i) {
      const auto held = session.take_held(i);
      if (held.content() == "0") {
        session.reject(held, "no");
      } else {
        session.reject(session.create(held), "no");
      }
    }
  };
  scripts()["bad"].process = [](FlowFile file, Session& session) {
    auto child = session.create(file);
    session.append(child, std::string(*file.attribute("error.connection")));
    session.transfer(child, 0);
  };
  Run run(folder.path(), flow);
  run.start();
  CHECK(run.finish());
  auto seen = collected().of("seen");
  std::sort(seen.begin(), seen.end());
  CHECK(seen == std::vector<std::string>{"test/one/success/act", "test/one/success/act", "test/two/success/act",
                                         "test/two/success/act"});
}

TEST_CASE_FIXTURE(EngineTest, "a defect is tried again, then goes to failure alone, with a bulletin") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("act", "Do").processor("good", "Collect").processor("bad", "Collect");
  flow.connect("source", "success", "act").connect("act", "success", "good").connect("act", "failure", "bad");
  scripts()["source"].count = 200;
  std::atomic<int> tries{0};
  scripts()["act"].process = [&](FlowFile file, Session& session) {
    if (file.content() == "33" && ++tries > 0) throw std::runtime_error("a bug");
    session.transfer(file, 0);
  };
  Run run(folder.path(), flow);
  run.start();
  CHECK(run.finish());
  auto expected = numbers(200);
  expected.erase(expected.begin() + 33);
  auto good = collected().of("good");
  CHECK(good == expected);
  CHECK(collected().of("bad") == std::vector<std::string>{"33"});
  CHECK(tries == 4);  // once among others, three times alone
  const auto bulletins = run.engine->bulletins();
  CHECK(std::any_of(bulletins.begin(), bulletins.end(),
                    [](const auto& b) { return b.message.find("a bug") != std::string::npos; }));
}

TEST_CASE_FIXTURE(EngineTest, "an unavailable far side is tried again for as long as it takes, and loses nothing") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("act", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "act").connect("act", "success", "sink");
  scripts()["source"].count = 50;
  std::atomic<int> tries{0};
  scripts()["act"].process = [&](FlowFile file, Session& session) {
    if (++tries < 4) throw Unavailable("the far side is down");
    session.transfer(file, 0);
  };
  Run run(folder.path(), flow);
  run.start();
  CHECK(run.finish());
  CHECK(collected().of("sink") == numbers(50));
}

TEST_CASE_FIXTURE(EngineTest, "what a far side says on several lines is told on one") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("act", "Do").processor("bad", "Do").processor("seen", "Collect");
  flow.connect("source", "success", "act").connect("act", "failure", "bad").connect("bad", "success", "seen");
  scripts()["source"].count = 1;
  std::atomic<int> tries{0};
  scripts()["act"].process = [&](FlowFile, Session&) {
    if (++tries < 2) throw Unavailable("refused\n\tIs it running  there?\r\n");
    throw Rejected("no column \"x  y\"\nLINE 1:\n        ^\n");
  };
  scripts()["bad"].process = [](FlowFile file, Session& session) {
    auto child = session.create(file);
    session.append(child, std::string(*file.attribute("error.message")));
    session.transfer(child, 0);
  };
  Run run(folder.path(), flow);
  run.start();
  CHECK(run.finish());
  CHECK(collected().of("seen") == std::vector<std::string>{"no column \"x  y\" LINE 1: ^"});
  const auto bulletins = run.engine->bulletins();
  CHECK(std::any_of(bulletins.begin(), bulletins.end(), [](const auto& bulletin) {
    return bulletin.message == "refused Is it running  there?; trying again (attempt 1)";
  }));
}

TEST_CASE_FIXTURE(EngineTest, "one cause is told once, though other sessions succeed between the attempts") {
  constexpr int kRounds = 5;
  FlowBuilder flow;
  flow.processor("source", "Count").processor("act", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "act").connect("act", "success", "sink");
  scripts()["source"].count = 5000;
  scripts()["source"].batch = 1;
  int rounds = 0;
  std::atomic<int> ticks{0};
  scripts()["act"].tick = [&](Session& session) {
    if (++ticks <= kRounds) session.tick_at(session.now() + 20'000'000);
  };
  scripts()["act"].process = [&](FlowFile file, Session& session) {
    if (ticks == 0) session.tick_at(session.now() + 1);
    if (ticks > rounds && rounds < kRounds) {
      ++rounds;
      throw Unavailable("the far side is down");
    }
    session.transfer(file, 0);
  };
  Run run(folder.path(), flow);
  run.start();
  CHECK(run.finish());
  CHECK(collected().of("sink") == numbers(5000));
  CHECK(rounds == kRounds);
  const auto bulletins = run.engine->bulletins();
  CHECK(std::count_if(bulletins.begin(), bulletins.end(),
                      [](const auto& b) { return b.message.find("the far side is down") != std::string::npos; }) == 1);
}

TEST_CASE_FIXTURE(EngineTest, "a relationship with retry gets only what failed every attempt; others do not wait") {
  FlowBuilder flow;
  flow.processor("source", "Count")
      .processor(
          "act", "Do",
          [](flow::Processor& p) { p.retries[1] = {2, std::chrono::milliseconds(5), std::chrono::milliseconds(50)}; })
      .processor("good", "Collect")
      .processor("bad", "Collect");
  flow.connect("source", "success", "act").connect("act", "success", "good").connect("act", "failure", "bad");
  scripts()["source"].count = 20;
  std::map<std::string, int> tries;
  scripts()["act"].process = [&](FlowFile file, Session& session) {
    const std::string content(file.content());
    const auto n = ++tries[content];
    const bool fails = content == "5" || (content == "6" && n == 1);
    session.transfer(file, fails ? 1 : 0);
  };
  Run run(folder.path(), flow);
  run.start();
  CHECK(run.finish());
  CHECK(tries["5"] == 3);
  CHECK(tries["6"] == 2);
  CHECK(collected().of("bad") == std::vector<std::string>{"5"});
  CHECK(collected().of("good").size() == 19);
  CHECK(collected().of("good").back() == "6");
}
