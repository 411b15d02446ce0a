// Provenance, taps and the API's own description, over a real server.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "tests/unit/api_fixture.h"

namespace {

using namespace weir::test;

/// source -> split -> sink: each FlowFile of the source becomes two.
struct Traced {
  Traced() {
    scripts().clear();
    {
      const std::lock_guard lock(collected().mutex);
      collected().contents.clear();
    }
    FlowBuilder flow;
    flow.processor("source", "Count").processor("split", "Do", [](auto& split) { split.dropped = {1, 2}; });
    flow.processor("sink", "Collect").connect("source", "success", "split").connect("split", "success", "sink");
    scripts()["source"].count = 3;
    scripts()["split"].process = [](weir::FlowFile file, weir::Session& session) {
      for (const auto* part : {"a", "b"}) {
        auto child = session.create(file);
        session.append(child, std::string(file.content()) + part);
        session.transfer(child, 0);
      }
      session.drop(file, "split");
    };
    run = std::make_unique<Run>(folder.path(), flow, false);
    run->start();
    served = std::make_unique<Served>(*run);
    REQUIRE(eventually([&] { return collected().of("sink").size() == 6; }));
    REQUIRE(eventually([&] { return events("?type=DROP&processor=test/sink").size() > 0; }));
  }
  boost::json::array events(const std::string& query) {
    return served->get("/provenance/events" + query).at("events").as_array();
  }

  TemporaryFolder folder;
  std::unique_ptr<Run> run;
  std::unique_ptr<Served> served;
};

constexpr const char* kIn = "test/source/success/split";
constexpr const char* kOut = "test/split/success/sink";

}  // namespace

TEST_CASE_FIXTURE(Traced, "events are found by processor, connection, type and time") {
  const auto forks = events("?type=FORK");
  REQUIRE(forks.size() == 1);
  CHECK(forks[0].at("processor") == "test/split");
  CHECK(forks[0].at("in_connection") == kIn);
  CHECK(forks[0].at("inputs") == boost::json::array{0, 3});
  CHECK(forks[0].at("out_connection") == kOut);
  CHECK(forks[0].at("outputs") == boost::json::array{0, 6});
  CHECK(events("?processor=test%2Fsource")[0].at("type") == "CREATE");
  CHECK(events("?connection=" + std::string(kOut)).size() == 2);
  CHECK(events("?from=2100-01-01").empty());
  CHECK(events("?to=2100-01-01&limit=1").size() == 1);
  CHECK(served->get("/provenance/events?limit=1").at("limited") == true);
  for (const auto* bad : {"?type=EAT", "?from=yesterday", "?limit=1001", "?attribute=a", "?typ=FORK"})
    CHECK(served->status_of("/provenance/events" + std::string(bad)) == 400);
  CHECK(served->status_of("/provenance/events?processor=test/nobody") == 404);
}

TEST_CASE_FIXTURE(Traced, "the lineage is a graph both ways, its edges the FlowFiles that went along them") {
  const auto graph = served->get("/provenance/lineage?flowfile=" + std::string(kOut) + ":3").as_object();
  CHECK(graph.at("flowfile").as_string() == std::string(kOut) + ":3");
  CHECK(graph.at("more") == false);
  std::string nodes, edges;
  for (const auto& node : graph.at("nodes").as_array()) {
    if (node.at("kind") == "event")
      nodes += std::string(node.at("type").as_string()) + std::to_string(node.at("depth").to_number<int>()) + " ";
  }
  for (const auto& edge : graph.at("edges").as_array()) {
    edges += std::string(edge.at("from").as_string()) + ">" + std::string(edge.at("to").as_string()) + ":" +
             boost::json::serialize(edge.at("flowfiles")) + " ";
  }
  CHECK(nodes == "FORK-1 CREATE-2 DROP1 ");
  CHECK(edges.find("a1>flowfile:[[3,1]] ") != std::string::npos);
  CHECK(edges.find("a2>a1:[[1,1]] ") != std::string::npos);
  CHECK(edges.find("flowfile>d1:[[3,1]] ") != std::string::npos);
  const auto down = served->get("/provenance/lineage?direction=descendants&flowfile=" + std::string(kIn) + ":1");
  CHECK(down.at("nodes").as_array().size() == 4);  // it, the fork, its own end, and that of both parts
  CHECK(served->get("/provenance/lineage?limit=1&flowfile=" + std::string(kOut) + ":3").at("more") == true);
  for (const auto* bad : {"", "?flowfile=x", "?flowfile=test/a/b/c:1&direction=up"})
    CHECK(served->status_of("/provenance/lineage" + std::string(bad)) == 400);
  CHECK(served->status_of("/provenance/lineage?flowfile=test/a/b/c:1") == 404);
}

TEST_CASE_FIXTURE(Traced, "what left a source is shown with its content, downloaded, and replayed") {
  const auto place = std::string(kIn) + ":1";
  const auto file = served->get("/provenance/flowfile?flowfile=" + place);
  CHECK(file.at("replayable") == true);
  CHECK(file.at("queued") == false);
  CHECK(file.at("content").at("where") == "retained");
  CHECK(file.at("content").at("preview").at("text") == "1");
  CHECK(file.at("events_in").as_array()[0].at("type") == "CREATE");
  CHECK(file.at("events_out").as_array()[0].at("type") == "FORK");
  const auto bytes = http(served->port, "GET", "/api/v1/provenance/content?flowfile=" + place);
  CHECK(bytes.body == "1");
  CHECK(bytes.header.find("attachment") != std::string::npos);
  const auto other = served->get("/provenance/flowfile?flowfile=" + std::string(kOut) + ":0");
  CHECK(other.at("replayable") == false);
  CHECK(other.at("content").at("available") == false);
  CHECK(!other.at("content").at("why").as_string().empty());
  CHECK(served->status_of("/provenance/content?flowfile=" + std::string(kOut) + ":0") == 404);
  const auto answer = served->post("/provenance/replay", "{\"flowfile\":\"" + place + "\"}");
  CHECK(answer.status == 200);
  CHECK(boost::json::parse(answer.body).at("as").as_string() == std::string(kIn) + ":3");
  CHECK(eventually([&] { return collected().of("sink").size() == 8; }));
  CHECK(collected().of("sink").back() == "1b");
  CHECK(events("?type=REPLAY").size() == 1);
  CHECK(served->post("/provenance/replay", R"({"flowfile":"test/split/success/sink:0"})").status == 404);
  CHECK(served->post("/provenance/replay", R"({"flowfile":1})").status == 400);
  CHECK(served->post("/provenance/replay", R"({"flowfile":"a/b/c/d:1"})").status == 404);
}

TEST_CASE_FIXTURE(Traced, "a tap shows what passes, no faster than asked for, and counts what it did not show") {
  EventStream tap(served->port, "/api/v1/connections/test/source/success/split/tap?rate=5");
  REQUIRE(tap.header().find("text/event-stream") != std::string::npos);
  const auto begin = std::chrono::steady_clock::now();
  std::atomic<bool> enough = false;
  std::thread giver([&] {
    while (!enough) {
      run->engine->give(0, 0, "<script>\n\ndata: x", {{"topic", "</script>"}}, 1);
      std::this_thread::yield();
    }
  });
  std::optional<EventStream::Event> last;
  for (int i = 0; i < 6; ++i) last = tap.next("flowfile");
  enough = true;
  giver.join();
  REQUIRE(last);
  const auto file = boost::json::parse(last->data);
  CHECK(file.at("preview").at("text") == "<script>\n\ndata: x");
  CHECK(file.at("attributes").at("topic") == "</script>");
  CHECK(file.at("state") == "passed");
  CHECK(file.at("passed").to_number<int>() > 6);
  CHECK(std::chrono::steady_clock::now() - begin > std::chrono::milliseconds(700));
}

TEST_CASE_FIXTURE(Traced, "nothing looks at a connection once the last tap has gone") {
  const auto tapped = [&] {
    bool is = false;
    run->engine->inspect([&](const auto&, const auto& all, const auto&) { is = static_cast<bool>(all[0]->tap); });
    return is;
  };
  CHECK_FALSE(tapped());
  {
    EventStream one(served->port, "/api/v1/connections/test/source/success/split/tap");
    EventStream two(served->port, "/api/v1/connections/test/source/success/split/tap");
    CHECK(eventually(tapped));
  }
  CHECK(eventually([&] { return !tapped(); }));
  CHECK(served->status_of("/connections/test/source/success/nobody/tap") == 404);
  CHECK(served->status_of("/connections/test/source/success/split/tap?rate=51") == 400);
}

TEST_CASE_FIXTURE(Traced, "the API describes itself: each route that it names answers, and docs/api.md tells of it") {
  const auto document = served->get("/openapi.json").as_object();
  CHECK(document.at("openapi") == "3.1.0");
  const auto* source = std::getenv("WEIR_SOURCE");
  std::ifstream page(std::string(source == nullptr ? "." : source) + "/docs/api.md");
  const std::string docs{std::istreambuf_iterator<char>(page), {}};
  std::size_t operations = 0;
  for (const auto& [path, methods] : document.at("paths").as_object()) {
    std::string target(path), told;
    for (auto open = target.find('{'); open != std::string::npos; open = target.find('{'))
      target.replace(open, target.find('}') - open + 1, "1");
    const auto last = std::string(path).substr(std::string(path).rfind('/') + 1);
    CAPTURE(std::string(path));
    if (!last.starts_with('{')) CHECK(docs.find(last) != std::string::npos);
    for (const auto& [method, operation] : methods.as_object()) {
      ++operations;
      CHECK(!operation.at("summary").as_string().empty());
      const bool streams = operation.at("responses").as_object().contains("200") &&
                           boost::json::serialize(operation).find("event-stream") != std::string::npos;
      if (streams) continue;  // their own tests listen to them
      const auto answer = method == "get" ? http(served->port, "GET", target) : post(served->port, target);
      CHECK(answer.status != 405);
      CHECK(answer.status < 500);
      CHECK(answer.body.find("there is no such page") == std::string::npos);
      if (answer.status == 200) CHECK(operation.at("responses").as_object().contains("200"));
      CHECK(http(served->port, method == "get" ? "DELETE" : "PUT", target).status == 405);
    }
  }
  CHECK(operations > 25);
}
