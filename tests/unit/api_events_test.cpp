// Live events: what a browser sees of a flow while it runs, over a real server.
#include <doctest/doctest.h>

#include <atomic>
#include <boost/json.hpp>
#include <memory>
#include <vector>

#include "tests/unit/api_fixture.h"

namespace {

using namespace weir::test;
using std::chrono::milliseconds;

/// source -> sink; the source gives as many as `count` says once it is woken.
struct Flow {
  Flow() : run(folder.path(), flow(), false) { run.start(); }
  static FlowBuilder flow() {
    FlowBuilder flow;
    flow.processor("source", "Count").processor("sink", "Collect").connect("source", "success", "sink");
    scripts()["source"].count = 10;
    return flow;
  }
  void give(std::string_view content) { run.engine->give(0, 0, content, {}, 1); }

  std::uint64_t arrived() {
    std::uint64_t count = 0;
    run.engine->inspect(
        [&](const auto& instances, const auto&, const auto&) { count = instances[1]->statistics.in.files; });
    return count;
  }

  TemporaryFolder folder;
  Run run;
};

boost::json::object parsed(const std::optional<EventStream::Event>& event) {
  REQUIRE(event);
  return boost::json::parse(event->data).as_object();
}

}  // namespace

TEST_CASE_FIXTURE(Flow, "a client gets the whole at once, and then what changes, whole for each that did") {
  Served served(run);
  REQUIRE(eventually([&] { return arrived() == 10; }));
  EventStream stream(served.port, "/api/v1/events");
  CHECK(stream.header().find("Content-Type: text/event-stream") != std::string::npos);
  const auto whole = parsed(stream.next());
  CHECK(whole.at("ready") == true);
  CHECK(whole.at("processors").as_array().size() == 2);
  CHECK(whole.at("connections").as_array()[0].at("id") == "test/source/success/sink");
  CHECK(whole.at("processors").as_array()[1].at("in").at("flowfiles") == 10);
  give("eleven");
  bool seen = false;
  while (!seen) {
    const auto delta = parsed(stream.next("delta"));
    for (const auto& processor : delta.at("processors").as_array())
      seen |= processor.at("name") == "sink" && processor.at("in").at("flowfiles") == 11;
  }
}

TEST_CASE_FIXTURE(Flow, "deltas hold only what changed, and come no more than once a second") {
  Served served(run);
  REQUIRE(eventually([&] { return arrived() == 10; }));
  EventStream stream(served.port, "/api/v1/events");
  REQUIRE(stream.next("snapshot"));
  run.engine->inspect([](const auto& instances, const auto&, const auto&) { ++instances[1]->statistics.errors; });
  std::size_t processors = 0;
  while (processors == 0) {
    const auto delta = parsed(stream.next("delta"));
    processors = delta.at("processors").as_array().size();
    if (processors != 0) CHECK(delta.at("processors").as_array()[0].at("name") == "sink");
  }
  CHECK(processors == 1);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 2; ++i) {
    give("more");
    REQUIRE(stream.next("delta"));
  }
  CHECK(std::chrono::steady_clock::now() - begin > milliseconds(900));
}

TEST_CASE_FIXTURE(Flow, "bulletins come at once, with hostile text as JSON on one line") {
  Served served(run);
  EventStream stream(served.port, "/api/v1/events");
  REQUIRE(stream.next("snapshot"));
  const auto before = std::chrono::steady_clock::now();
  run.engine->report(nullptr, weir::abi::Level::warning, "</script>\n\ndata: x\r\n\xff\"<b>");
  const auto bulletin = parsed(stream.next("bulletin"));
  CHECK(std::chrono::steady_clock::now() - before < milliseconds(700));
  CHECK(bulletin.at("level") == "warning");
  CHECK(bulletin.at("message") == "</script>\n\ndata: x\r\n\xEF\xBF\xBD\"<b>");
  CHECK(bulletin.at("flow") == "");
}

TEST_CASE_FIXTURE(Flow, "many watch, and each gets the same; when they leave, others come in") {
  Served served(run);
  std::vector<std::unique_ptr<EventStream>> streams;
  for (int i = 0; i < 60; ++i) streams.push_back(std::make_unique<EventStream>(served.port, "/api/v1/events"));
  for (auto& stream : streams) REQUIRE(stream->next("snapshot"));
  run.engine->report(nullptr, weir::abi::Level::info, "to all");
  for (auto& stream : streams) CHECK(parsed(stream->next("bulletin")).at("message") == "to all");
  streams.clear();
  EventStream another(served.port, "/api/v1/events");
  CHECK(another.next("snapshot"));
}

TEST_CASE_FIXTURE(Flow, "a client that does not read is hung up on, and the others are served") {
  auto options = any_free_port();
  options.max_waiting = 64 * 1024;
  Served served(run, options);
  EventStream slow(served.port, "/api/v1/events");
  EventStream quick(served.port, "/api/v1/events");
  REQUIRE(quick.next("snapshot"));
  REQUIRE(slow.next("snapshot"));
  const std::string text(16 * 1024, 'x');
  for (int i = 0; i < 1'000; ++i) {
    run.engine->report(nullptr, weir::abi::Level::info, text);
    REQUIRE(quick.next("bulletin"));
  }
  std::size_t read = 0;
  while (slow.next("bulletin", milliseconds(10'000))) ++read;
  CHECK(slow.ended());
  CHECK(read < 1'000);
}

TEST_CASE_FIXTURE(Flow, "clients that listen leave room for those that ask") {
  auto options = any_free_port();
  options.max_streams = 2;
  Served served(run, options);
  EventStream one(served.port, "/api/v1/events");
  EventStream two(served.port, "/api/v1/events");
  REQUIRE(one.next("snapshot"));
  REQUIRE(two.next("snapshot"));
  CHECK(http(served.port, "GET", "/api/v1/events").status == 503);
  CHECK(served.status_of("/status") == 200);
}

TEST_CASE_FIXTURE(Flow, "the server stops with clients that listen") {
  auto served = std::make_unique<Served>(run);
  EventStream stream(served->port, "/api/v1/events");
  REQUIRE(stream.next("snapshot"));
  served.reset();
  while (stream.next(milliseconds(5'000))) {
  }
  CHECK(stream.ended());
}
