// What an operator does to a running flow, over a real server: start, stop, run once, and what survives a restart.
#include <doctest/doctest.h>

#include <atomic>
#include <boost/json.hpp>
#include <future>
#include <memory>
#include <string>

#include "tests/unit/api_fixture.h"

namespace {

using namespace weir::test;

/// source -> act -> sink. What came to `act` goes on to `sink`, unless a test says otherwise.
struct Controlled {
  Controlled() {
    scripts().clear();
    const std::lock_guard lock(collected().mutex);
    collected().contents.clear();
  }
  void open(bool until_idle = false) {
    FlowBuilder flow;
    const auto keep = scripts_;
    flow.processor("source", "Count").processor("act", "Do", [](auto& act) { act.dropped = {1, 2}; });
    flow.processor("sink", "Collect").connect("source", "success", "act").connect("act", "success", "sink");
    scripts() = keep;
    run = std::make_unique<Run>(folder.path(), flow, until_idle);
    run->start();
    served = std::make_unique<Served>(*run);
  }
  void close() {
    served.reset();
    run.reset();
  }
  void give(std::string_view content) { run->engine->give(0, 0, content, {}, 1); }
  boost::json::object processor(const std::string& name) {
    return served->get("/flows/test/processors/" + name).as_object();
  }
  std::string status(const std::string& name) { return std::string(processor(name).at("status").as_string()); }
  bool becomes(const std::string& name, const std::string& wanted) {
    return eventually([&] { return status(name) == wanted; });
  }
  int queued(const std::string& id) { return served->get("/connections/" + id).at("queued").to_number<int>(); }
  bool arrive(std::size_t count) {
    return eventually([&] { return collected().of("sink").size() == count; });
  }
  int order(const std::string& name, const std::string& what, const std::string& body = "{}") {
    return served->post("/flows/test/processors/" + name + "/" + what, body).status;
  }

  std::map<std::string, Script> scripts_;
  TemporaryFolder folder;
  std::unique_ptr<Run> run;
  std::unique_ptr<Served> served;
};

constexpr const char* kIn = "test/source/success/act";

}  // namespace

TEST_CASE_FIXTURE(Controlled, "a stopped processor takes nothing, its queue fills, and a start lets it flow on") {
  open();
  const auto answer = served->post("/flows/test/processors/act/stop");
  CHECK(answer.status == 202);
  CHECK(boost::json::parse(answer.body).at("processors").as_array()[0].at("name") == "act");
  REQUIRE(becomes("act", "stopped"));
  CHECK(processor("act").at("stopped_by").at("who") == "127.0.0.1");
  for (int i = 0; i < 5; ++i) give(std::to_string(i));
  CHECK(queued(kIn) == 5);
  CHECK(collected().of("sink").empty());
  CHECK(order("act", "start") == 202);
  CHECK(arrive(5));
  CHECK(status("act") == "running");
  CHECK(processor("act").at("stopped_by").is_null());
  std::string told;
  const auto bulletins = served->get("/bulletins");
  for (const auto& bulletin : bulletins.as_array()) told += std::string(bulletin.at("message").as_string()) + "|";
  CHECK(told == "stopped by 127.0.0.1|started by 127.0.0.1|");
}

TEST_CASE_FIXTURE(Controlled, "what an operator stopped stays stopped over restarts, until it is started") {
  open();
  REQUIRE(order("act", "stop") == 202);
  REQUIRE(becomes("act", "stopped"));
  give("kept");
  close();
  open();
  CHECK(status("act") == "stopped");
  CHECK(status("sink") == "running");
  CHECK(processor("act").at("stopped_by").at("who") == "127.0.0.1");
  CHECK(processor("act").at("stopped_by").at("time").is_string());
  CHECK(queued(kIn) == 1);
  REQUIRE(order("act", "start") == 202);
  CHECK(arrive(1));
  close();
  open();
  CHECK(status("act") == "running");
}

TEST_CASE_FIXTURE(Controlled, "a stop is remembered even if the process ends before it is done") {
  std::promise<void> enough;
  auto ended = enough.get_future().share();
  std::atomic<bool> begun = false;
  scripts_["act"].process = [ended, &begun](weir::FlowFile file, weir::Session& session) {
    begun = true;
    ended.wait();
    session.transfer(file, 0);
  };
  open();
  give("slow");
  REQUIRE(eventually([&] { return begun.load(); }));
  REQUIRE(order("act", "stop") == 202);
  CHECK(status("act") == "stopping");
  enough.set_value();
  close();
  scripts_.clear();
  open();
  CHECK(status("act") == "stopped");
  CHECK(arrive(1));  // the session under way ended whole
}

TEST_CASE_FIXTURE(Controlled, "a stop lets the session under way end, and what it did counts") {
  std::promise<void> enough;
  auto ended = enough.get_future().share();
  std::atomic<bool> begun = false;
  scripts_["act"].process = [ended, &begun](weir::FlowFile file, weir::Session& session) {
    begun = true;
    ended.wait();
    session.transfer(file, 0);
  };
  open();
  give("one");
  REQUIRE(eventually([&] { return begun.load(); }));
  REQUIRE(order("act", "stop") == 202);
  give("two");
  CHECK(status("act") == "stopping");
  enough.set_value();
  REQUIRE(becomes("act", "stopped"));
  CHECK(arrive(1));
  CHECK(queued(kIn) == 1);
}

TEST_CASE_FIXTURE(Controlled, "what a sink held when it was stopped is flushed, and what it keeps is queued again") {
  std::atomic<int> flushes = 0;
  scripts_["act"].process = [](weir::FlowFile file, weir::Session& session) { session.hold(file); };
  scripts_["act"].flush = [&](weir::Session& session) {
    ++flushes;
    const auto count = session.held_count();
    for (std::uint32_t i = 0; i < count; ++i) {
      auto file = session.take_held(i);
      if (file.content() == "keep") {
        session.hold(file);
      } else {
        session.transfer(file, 0);
      }
    }
  };
  open();
  give("keep");
  give("pass");
  REQUIRE(arrive(1));
  REQUIRE(eventually([&] { return processor("act").at("held") == 1; }));
  const auto before = flushes.load();
  REQUIRE(order("act", "stop") == 202);
  REQUIRE(becomes("act", "stopped"));
  CHECK(flushes > before);
  CHECK(processor("act").at("held") == 0);
  CHECK(queued(kIn) == 1);
  close();
  scripts_.clear();
  open();
  CHECK(queued(kIn) == 1);
  REQUIRE(order("act", "start") == 202);
  CHECK(arrive(2));
  CHECK(collected().of("sink").back() == "keep");
}

TEST_CASE_FIXTURE(Controlled, "state goes on where it was after a stop and a start") {
  const auto count = [](weir::FlowFile file, weir::Session& session) {
    const auto state = session.state("n");
    const auto next = (state ? std::stoi(std::string(*state)) : 0) + 1;
    session.set_state("n", std::to_string(next));
    session.set(file, "n", std::to_string(next));
    session.transfer(file, 0);
  };
  std::atomic<int> starts = 0;
  scripts_["act"].process = count;
  scripts_["act"].start = [&](weir::Context&) { ++starts; };
  open();
  give("a");
  REQUIRE(arrive(1));
  REQUIRE(order("act", "stop") == 202);
  REQUIRE(becomes("act", "stopped"));
  REQUIRE(order("act", "start") == 202);
  give("b");
  REQUIRE(arrive(2));
  CHECK(starts == 2);
  std::string n;
  run->engine->inspect([&](const auto& all, const auto&, const auto&) { n = all[1]->state.at("n"); });
  CHECK(n == "2");
}

TEST_CASE_FIXTURE(Controlled, "run once takes as many as asked for, and is stopped again") {
  open();
  CHECK(order("act", "run-once") == 409);  // it runs
  REQUIRE(order("act", "stop") == 202);
  REQUIRE(becomes("act", "stopped"));
  for (int i = 0; i < 5; ++i) give(std::to_string(i));
  REQUIRE(order("act", "run-once") == 202);
  REQUIRE(becomes("act", "stopped"));
  CHECK(arrive(1));
  REQUIRE(order("act", "run-once", R"({"flowfiles": 3})") == 202);
  REQUIRE(becomes("act", "stopped"));
  CHECK(arrive(4));
  CHECK(queued(kIn) == 1);
  CHECK(processor("act").at("stopped_by").is_object());
  for (const auto* bad : {R"({"flowfiles": 0})", R"({"flowfiles": 1001})", R"({"flowfiles": "1"})", "[]", "{", "1"})
    CHECK(order("act", "run-once", bad) == 400);
}

TEST_CASE_FIXTURE(Controlled, "one that waits for its far side can be stopped, while it starts and while it runs") {
  std::atomic<bool> there = false;
  scripts_["act"].start = [&](weir::Context&) {
    if (!there) throw weir::Unavailable("the database is away");
  };
  open();
  REQUIRE(status("act") == "starting");
  REQUIRE(order("act", "stop") == 202);
  REQUIRE(becomes("act", "stopped"));
  there = true;
  give("a");
  REQUIRE(order("act", "start") == 202);
  CHECK(arrive(1));
}

TEST_CASE_FIXTURE(Controlled, "a processor that stopped itself can be tried again once its cause is mended") {
  std::atomic<bool> mended = false;
  scripts_["act"].process = [&](weir::FlowFile file, weir::Session& session) {
    if (!mended) throw weir::Misconfigured("no such table");
    session.transfer(file, 0);
  };
  open();
  give("a");
  REQUIRE(becomes("act", "misconfigured"));
  mended = true;
  REQUIRE(order("act", "start") == 202);
  CHECK(arrive(1));
  CHECK(status("act") == "running");
}

TEST_CASE_FIXTURE(Controlled, "start and stop in any order end as the last says, and lose nothing") {
  open();
  for (int i = 0; i < 40; ++i) {
    give(std::to_string(i));
    CHECK(order("act", i % 2 == 0 ? "stop" : "start") == 202);
  }
  CHECK(arrive(40));
  CHECK(becomes("act", "running"));
  CHECK(order("act", "start") == 202);
  CHECK(status("act") == "running");
}

TEST_CASE_FIXTURE(Controlled, "a whole flow is stopped and started") {
  open();
  const auto answer = served->post("/flows/test/stop");
  CHECK(answer.status == 202);
  CHECK(boost::json::parse(answer.body).at("processors").as_array().size() == 3);
  for (const auto* name : {"source", "act", "sink"}) REQUIRE(becomes(name, "stopped"));
  CHECK(http(served->port, "GET", "/readyz").status == 200);  // as the operator wants it
  CHECK(served->post("/flows/test/start").status == 202);
  for (const auto* name : {"source", "act", "sink"}) REQUIRE(becomes(name, "running"));
  give("a");
  CHECK(arrive(1));
}

TEST_CASE_FIXTURE(Controlled, "what changes something takes JSON from this site, and names what there is") {
  open();
  const auto stop = std::string("/api/v1/flows/test/processors/act/stop");
  CHECK(http(served->port, "POST", stop).status == 415);
  CHECK(http(served->port, "POST", stop, "a=b", {{"Content-Type", "application/x-www-form-urlencoded"}}).status == 415);
  CHECK(http(served->port, "POST", stop, "{}", {{"Content-Type", "text/plain"}}).status == 415);
  CHECK(weir::test::post(served->port, stop, "{}", {{"Origin", "http://evil.example"}}).status == 403);
  CHECK(weir::test::post(served->port, stop, "{}", {{"Host", "evil.example"}}).status == 421);
  CHECK(http(served->port, "GET", stop).status == 405);
  CHECK(http(served->port, "DELETE", stop).status == 405);
  CHECK(status("act") == "running");
  CHECK(served->post("/flows/test/processors/nobody/stop").status == 404);
  CHECK(served->post("/flows/nobody/stop").status == 404);
  CHECK(order("act", "kill") == 404);
  CHECK(weir::test::post(served->port, stop, "", {{"Origin", "http://localhost"}}).status == 202);
  CHECK(becomes("act", "stopped"));
}
