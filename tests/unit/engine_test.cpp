#include "engine/engine.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <future>
#include <set>

#include "store/provenance.h"
#include "tests/unit/engine_fixture.h"

using namespace weir;
using namespace weir::test;

namespace {

std::vector<std::string> numbers(std::uint64_t count) {
  std::vector<std::string> all;
  for (std::uint64_t i = 0; i < count; ++i) all.push_back(std::to_string(i));
  return all;
}

struct Fresh {
  Fresh() {
    const std::lock_guard lock(collected().mutex);
    collected().contents.clear();
  }
  TemporaryFolder folder;
};

}  // namespace

TEST_CASE_FIXTURE(Fresh, "everything a source emits arrives, in order, through several processors") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("a", "Do").processor("b", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "a").connect("a", "success", "b").connect("b", "success", "sink");
  scripts()["source"].count = 5'000;
  Run run(folder.path(), flow);
  run.start();
  CHECK(run.finish());
  CHECK(collected().of("sink") == numbers(5'000));
}

TEST_CASE_FIXTURE(Fresh, "a fan-out gives each branch every FlowFile") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("one", "Collect").processor("two", "Collect");
  flow.connect("source", "success", "one").connect("source", "success", "two");
  scripts()["source"].count = 1'234;
  Run run(folder.path(), flow);
  run.start();
  CHECK(run.finish());
  CHECK(collected().of("one") == numbers(1'234));
  CHECK(collected().of("two") == numbers(1'234));
}

TEST_CASE_FIXTURE(Fresh, "a batch run is over when a processor that asked for more in finish has done it") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("slow", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "slow").connect("slow", "success", "sink");
  scripts()["source"].count = 10;
  std::atomic<int> finishes{0};
  scripts()["slow"].finish = [&](Session& session) {
    session.transfer(session.create(), 0);
    if (++finishes < 3) session.again();
  };
  Run run(folder.path(), flow);
  run.start();
  CHECK(run.finish());
  CHECK(finishes == 3);
  CHECK(collected().of("sink").size() == 13);
}

TEST_CASE_FIXTURE(Fresh, "a full connection stops the source until its consumer goes on") {
  std::atomic<bool> open{false};
  std::atomic<std::uint64_t> emitted{0};
  FlowBuilder flow;
  flow.processor("source", "Count").processor("gate", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "gate", {.max_count = 250, .max_bytes = 0}).connect("gate", "success", "sink");
  scripts()["source"].count = 2'000;
  scripts()["gate"].process = [&](FlowFile file, Session& session) {
    if (!open) throw Unavailable("closed");
    session.transfer(file, 0);
  };
  Run run(folder.path(), flow);
  run.start();
  CHECK(eventually([&] {
    run.engine->inspect([&](const auto&, const auto& connections, const auto&) { emitted = connections[0]->next(); });
    return emitted >= 250;
  }));
  run.engine->inspect([&](const auto&, const auto& connections, const auto&) { emitted = connections[0]->next(); });
  CHECK(emitted < 350 + 1);  // soft: one session may pass the threshold
  open = true;
  CHECK(run.finish());
  CHECK(collected().of("sink") == numbers(2'000));
}

TEST_CASE_FIXTURE(Fresh, "a rejected FlowFile goes to failure with its reason, and takes nobody with it") {
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

TEST_CASE_FIXTURE(Fresh, "a defect is tried again, then goes to failure alone, with a bulletin") {
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

TEST_CASE_FIXTURE(Fresh, "an unavailable far side is tried again for as long as it takes, and loses nothing") {
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

TEST_CASE_FIXTURE(Fresh, "a relationship with retry gets only what failed every attempt; others do not wait") {
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

TEST_CASE_FIXTURE(Fresh, "concurrent sessions settle in input order") {
  FlowBuilder flow;
  flow.processor("source", "Count")
      .processor("act", "Do", [](flow::Processor& p) { p.concurrency = 4; })
      .processor("sink", "Collect");
  flow.connect("source", "success", "act").connect("act", "success", "sink");
  scripts()["source"].count = 20'000;
  scripts()["source"].batch = 37;
  Run run(folder.path(), flow, true, [](engine::Options& options) { options.workers = 4; });
  run.start();
  CHECK(run.finish());
  CHECK(collected().of("sink") == numbers(20'000));
}

TEST_CASE_FIXTURE(Fresh, "a loop with full connections does not deadlock") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("again", "Do").processor("back", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "again", {.max_count = 10, .max_bytes = 0});
  flow.connect("again", "other", "back", {.max_count = 5, .max_bytes = 0}, true);
  flow.connect("back", "success", "again", {.max_count = 5, .max_bytes = 0}, true);
  flow.connect("again", "success", "sink");
  scripts()["source"].count = 2'000;
  std::map<std::string, int> rounds;
  scripts()["again"].process = [&](FlowFile file, Session& session) {
    session.transfer(file, ++rounds[std::string(file.content())] < 3 ? 2 : 0);
  };
  Run run(folder.path(), flow);
  run.start();
  CHECK(run.finish());
  auto got = collected().of("sink");
  CHECK(std::set<std::string>(got.begin(), got.end()).size() == 2'000);
  CHECK(got.size() == 2'000);
}

TEST_CASE_FIXTURE(Fresh, "what is queued at a stop flows on after the next start, nothing lost and nothing twice") {
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

TEST_CASE_FIXTURE(Fresh, "held FlowFiles are finished by a flush, and queued again after a restart without one") {
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

TEST_CASE_FIXTURE(Fresh, "a source hears that its session is durable only after the epoch") {
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

TEST_CASE_FIXTURE(Fresh, "an input consumed in part comes again from its offset, and keeps its place") {
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

TEST_CASE_FIXTURE(Fresh, "a FlowFile that was put aside and is consumed in part goes on where it was, once for all") {
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

TEST_CASE_FIXTURE(Fresh, "what is put aside or held midway goes on where it was, also after a start") {
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

TEST_CASE_FIXTURE(Fresh, "a connection that no flow has any more keeps its data and says so") {
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

TEST_CASE_FIXTURE(Fresh, "a full memory budget moves durable FlowFiles to disk, and they come back in order") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("gate", "Do").processor("sink", "Collect");
  flow.connect("source", "success", "gate", {.max_count = 0, .max_bytes = 0}).connect("gate", "success", "sink");
  const std::string filler(2'000, 'x');
  scripts()["source"].count = 20'000;
  scripts()["source"].poll = nullptr;
  std::atomic<bool> open{false};
  scripts()["gate"].process = [&](FlowFile file, Session& session) {
    if (!open) throw Unavailable("closed");
    session.transfer(file, 0);
  };
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

TEST_CASE_FIXTURE(Fresh, "while one connection is read back slowly, everybody else works, and epochs are written") {
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
  Run run(
      folder.path(), flow, true, [](engine::Options& options) { options.workers = 2; },
      [&](std::uint32_t, std::uint64_t, std::uint32_t) {
        reading = true;
        goes_on.wait();
      });
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

TEST_CASE_FIXTURE(Fresh, "concurrent sessions settle in input order, also when the first is the last to be read back") {
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
  Run run(
      folder.path(), flow, true, [](engine::Options& options) { options.workers = 4; },
      [&](std::uint32_t, std::uint64_t first, std::uint32_t count) {
        CHECK(count <= 1'000);
        if (first == 0) CHECK(eventually([&] { return passed >= 2'000; }));
      });
  run.start();
  CHECK(run.finish());
  CHECK(collected().of("sink") == numbers(5'000));
}

/// How many of a source's FlowFiles can be replayed.
std::uint64_t kept(store::Store& store, const std::string& id, std::uint64_t count) {
  std::uint64_t found = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    try {
      found += store.retained(store.connection_number(id), i)->items.size();
    } catch (const store::NotRetained&) {
    }
  }
  return found;
}

TEST_CASE_FIXTURE(Fresh, "a running flow replays what left its source, from where it left it, with a REPLAY event") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("act", "Do").processor("sink", "Collect").processor("copy", "Collect");
  flow.connect("source", "success", "act").connect("source", "success", "copy").connect("act", "success", "sink");
  scripts()["source"].count = 500;
  const store::Place place{"test/source/success/act", 123};
  {
    Run run(folder.path(), flow, false);
    run.start();
    CHECK(eventually([&] { return collected().of("sink").size() == 500 && collected().of("copy").size() == 500; }));
    CHECK(eventually([&] { return kept(*run.store, place.connection, 500) == 500; }));
    CHECK(run.engine->replay(place) == 500);
    CHECK(eventually([&] { return collected().of("sink").size() == 501; }));
    CHECK(collected().of("sink").back() == "123");
    CHECK(collected().of("copy").size() == 500);  // the other branch does not see it again
    CHECK(run.engine->replay(place) == 501);
    CHECK_THROWS_AS(run.engine->replay({"test/act/success/sink", 1}), store::NotRetained);
    CHECK_THROWS_AS(run.engine->replay({place.connection, 9'999}), store::NotRetained);
    CHECK_THROWS_WITH_AS(run.engine->replay({"test/source/success/akt", 1}),
                         "there is no connection \"test/source/success/akt\" in this data directory: did you mean "
                         "\"test/source/success/act\"?",
                         std::invalid_argument);
    run.engine->stop();
    CHECK_THROWS_AS(run.engine->replay(place), std::runtime_error);
  }
  store::Provenance provenance(folder.path());
  std::vector<std::string> steps;
  provenance.ancestors({place.connection, 501}, [&](const store::LineageStep& step) {
    steps.push_back(std::string(store::name_of(step.event.type)) + " " + step.event.processor + " " +
                    std::to_string(step.outputs.at(0).first));
    return true;
  });
  CHECK(steps == std::vector<std::string>{"REPLAY test/source 501", "CREATE test/source 123"});
}

TEST_CASE_FIXTURE(Fresh, "of a source that is very fast part is kept, all of it if the flow asks for it, or none") {
  FlowBuilder flow;
  // Ten batches a second: of 400 that come as fast as they can.
  flow.processor("plain", "Count", [](flow::Processor& p) { p.retain.most_a_second = 10 * 10 * (64 + 3); });
  flow.processor("all", "Count", [](flow::Processor& p) { p.retain.most_a_second = 0; });
  flow.processor("none", "Count", [](flow::Processor& p) { p.retain.none = true; });
  flow.processor("sink", "Collect");
  for (const auto* name : {"plain", "all", "none"}) {
    flow.connect(name, "success", "sink");
    scripts()[name].count = 4'000;
    scripts()[name].batch = 10;
  }
  Run run(folder.path(), flow);
  run.start();
  CHECK(run.finish());
  CHECK(kept(*run.store, "test/all/success/sink", 4'000) == 4'000);
  CHECK(kept(*run.store, "test/none/success/sink", 4'000) == 0);
  const auto of_plain = kept(*run.store, "test/plain/success/sink", 4'000);
  CHECK(of_plain >= 100);
  CHECK(of_plain < 2'000);
}

TEST_CASE_FIXTURE(Fresh, "a sink that is woken gets a step, also without input") {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("sink", "Do").processor("end", "Collect");
  flow.connect("source", "success", "sink").connect("sink", "success", "end");
  scripts()["source"].count = 3;
  std::atomic<bool> acknowledged{false};
  scripts()["sink"].process = [](FlowFile file, Session& session) { session.hold(file); };
  scripts()["sink"].woken = [&](Session& session) {
    if (!acknowledged) return;
    for (std::uint32_t i = 0; i < session.held_count(); ++i) session.transfer(session.take_held(i), 0);
  };
  Run run(folder.path(), flow, false);
  run.start();
  CHECK(eventually([&] {
    std::uint64_t held = 0;
    run.engine->inspect(
        [&](const auto&, const auto& connections, const auto&) { held = connections[0]->held_count(); });
    return held == 3;
  }));
  acknowledged = true;
  engine::Instance* sink = nullptr;
  run.engine->inspect([&](const auto& instances, const auto&, const auto&) { sink = instances[1].get(); });
  sink->wake();
  CHECK(eventually([] { return collected().of("end").size() == 3; }));
  run.engine->stop();
}

TEST_CASE_FIXTURE(Fresh, "content may be left out where nobody reads it, and nowhere else") {
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

TEST_CASE_FIXTURE(Fresh, "virtual time passes when told, and everything happens at its own time, in order") {
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

TEST_CASE_FIXTURE(Fresh, "virtual time does not pass while something runs that never rests") {
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
