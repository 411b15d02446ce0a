// What Weir says of itself over HTTP, and on its live line: of a real engine with a real store.
#include "api/pages.h"

#include <doctest/doctest.h>

#include <atomic>
#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>
#include <string>

#include "api/live.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/exposition_parser.h"
#include "weir/spec.h"

namespace {

using namespace weir::test;
using weir::api::Request;
using weir::api::test::ExpositionParser;
using weir::api::test::Labels;
using weir::api::test::ParsedFamily;

/// A data directory in which a connection waits that the flows of the test do not have.
struct Fresh {
  Fresh() {
    FlowBuilder flow;
    flow.processor("before", "Count").processor("gone", "Do").connect("before", "success", "gone");
    scripts()["before"].count = 5;
    scripts()["gone"].process = [](weir::FlowFile, weir::Session&) { throw weir::Unavailable("not today"); };
    Run run(folder.path(), flow, false);
    run.start();
    REQUIRE(eventually([&] {
      bool durable = false;
      run.engine->inspect(
          [&](const auto&, const auto& queues, const auto&) { durable = queues[0]->durable_next() == 5; });
      return durable;
    }));
  }
  TemporaryFolder folder;
};

/// source -> act -> sink; `act` rejects "3" to failure, which is dropped, and waits at "7" until `open`.
struct Scenario {
  explicit Scenario(const std::filesystem::path& folder, bool until_idle = true)
      : run(folder, flow(open), until_idle) {}

  static FlowBuilder flow(std::atomic<bool>& open) {
    FlowBuilder flow;
    flow.processor("source", "Count");
    flow.processor("act", "Do", [](auto& processor) { processor.dropped = {1, 2}; }).processor("sink", "Collect");
    flow.connect("source", "success", "act", {.max_count = 10, .max_bytes = 0}).connect("act", "success", "sink");
    scripts()["source"].count = 10;
    scripts()["act"].process = [&open](weir::FlowFile file, weir::Session& session) {
      if (file.content() == "7" && !open) throw weir::Unavailable("closed");
      if (file.content() == "3") throw weir::Rejected("no threes");
      session.transfer(file, 0);
    };
    return flow;
  }

  weir::api::Response get(const std::string& path, const std::string& method = "GET") {
    const auto mark = path.find('?');
    return pages({method, path.substr(0, mark), mark == std::string::npos ? std::string() : path.substr(mark + 1)});
  }
  std::vector<ParsedFamily> metrics() { return ExpositionParser::parse(get("/metrics").body); }
  double value(const std::string& name, const Labels& labels = {}) {
    for (const auto& family : metrics()) {
      for (const auto& sample : family.samples) {
        if (sample.name == name && sample.labels == labels) return sample.value;
      }
    }
    FAIL("there is no such sample: " << name);
    return 0;
  }

  std::atomic<bool> open{false};
  Run run;
  weir::api::Handler pages = weir::api::pages(*run.engine, "1.2.3");
};

Labels of(const std::string& processor) {
  return {{"flow", "test"}, {"processor", processor}};
}
Labels of(const std::string& processor, const std::string& relationship) {
  return {{"flow", "test"}, {"processor", processor}, {"relationship", relationship}};
}
const Labels kQueue{{"flow", "test"}, {"from", "source"}, {"relationship", "success"}, {"to", "act"}};

std::string file_text(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The reference's table, as the metrics describe themselves.
std::string table(const std::vector<ParsedFamily>& families) {
  std::ostringstream rows;
  rows << "| metric | type | labels | what it says |\n|---|---|---|---|\n";
  for (const auto& family : families) {
    if (family.name.starts_with("weir_processor_made_")) continue;  // this test's own
    std::set<std::string> labels;
    for (const auto& sample : family.samples) {
      for (const auto& [name, value] : sample.labels) labels.insert(name == "le" ? "" : name);
    }
    labels.erase("");
    rows << "| `" << family.name << "` | " << family.type << " | ";
    const char* comma = "";
    for (const auto& label : labels) rows << std::exchange(comma, ", ") << label;
    rows << " | " << family.help << " |\n";
  }
  return rows.str();
}

}  // namespace

TEST_CASE_FIXTURE(Fresh, "metrics count what flowed, by processor and relationship") {
  Scenario s(folder.path());
  s.open = true;
  s.run.start();
  REQUIRE(s.run.finish());
  CHECK(s.value("weir_out_flowfiles_total", of("source", "success")) == 10);
  CHECK(s.value("weir_out_records_total", of("source", "success")) == 10);
  CHECK(s.value("weir_out_bytes_total", of("source", "success")) == 10);
  CHECK(s.value("weir_in_flowfiles_total", of("act")) == 10);
  CHECK(s.value("weir_out_flowfiles_total", of("act", "success")) == 9);
  CHECK(s.value("weir_out_flowfiles_total", of("act", "failure")) == 1);
  CHECK(s.value("weir_in_flowfiles_total", of("sink")) == 9);
  CHECK(s.get("/metrics").body.find("weir_in_flowfiles_total{flow=\"test\",processor=\"source\"}") ==
        std::string::npos);
  const auto role = [&](const char* name, const char* type, const char* expected) {
    return s.value("weir_processor_info", {{"flow", "test"}, {"processor", name}, {"type", type}, {"role", expected}});
  };
  CHECK(role("source", "Count", "source") == 1);
  CHECK(role("act", "Do", "step") == 1);
  CHECK(role("sink", "Collect", "sink") == 1);
  CHECK(s.value("weir_in_bytes_total", of("sink")) == 9);
  CHECK(s.value("weir_dropped_flowfiles_total", of("sink")) == 9);
  CHECK(s.value("weir_sessions_total", of("sink")) >= 1);
  CHECK(s.value("weir_busy_seconds_total", of("sink")) > 0);
  CHECK(s.value("weir_last_success_timestamp_seconds", of("sink")) > 1.7e9);
  CHECK(s.value("weir_end_to_end_latency_seconds_count", of("sink")) == 9);
  CHECK(s.value("weir_queue_flowfiles", kQueue) == 0);
  CHECK(s.value("weir_epoch_duration_seconds_count") >= 1);
  CHECK(s.value("weir_epoch_number") > 1);
  CHECK(s.value("weir_epoch_failures_total") == 0);
  CHECK(s.value("weir_build_info", {{"version", "1.2.3"}}) == 1);
  CHECK(s.value("weir_orphaned_flowfiles", {{"connection", "test/before/success/gone"}}) == 5);
  auto finished = of("sink");
  finished["status"] = "finished";
  CHECK(s.value("weir_processor_status", finished) == 1);
  CHECK(s.value("process_resident_memory_bytes") > 1e6);
  CHECK(s.value("process_cpu_seconds_total") > 0);
  CHECK(s.value("process_open_fds") > 3);
  const auto now = static_cast<double>(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
  CHECK(s.value("process_start_time_seconds") <= now + 1);
  CHECK(s.value("process_start_time_seconds") > now - 600);
}

TEST_CASE_FIXTURE(Fresh, "metrics show what waits, and how full a queue is") {
  Scenario s(folder.path(), false);
  s.run.start();
  REQUIRE(eventually([&] { return s.value("weir_rollbacks_total", of("act")) >= 1; }));
  CHECK(s.value("weir_queue_flowfiles", kQueue) >= 1);
  CHECK(s.value("weir_queue_bytes", kQueue) >= 1);
  CHECK(s.value("weir_queue_limit_flowfiles", kQueue) == 10);
  CHECK(s.value("weir_queue_fullness_ratio", kQueue) == doctest::Approx(s.value("weir_queue_flowfiles", kQueue) / 10));
  CHECK(s.value("weir_queue_oldest_age_seconds", kQueue) > 0);
  CHECK(s.value("weir_bulletins_total", {{"level", "warning"}}) >= 1);
  CHECK(s.value("weir_ready") == 0);  // act waits for its far side
}

TEST_CASE_FIXTURE(Fresh, "bulletins are counted once, however often somebody looks") {
  Scenario s(folder.path(), false);
  s.run.start();
  const auto before = s.value("weir_bulletins_total", {{"level", "info"}});
  for (int i = 0; i < 1'500; ++i) s.run.engine->report(nullptr, weir::abi::Level::info, "hello");
  s.run.engine->report(nullptr, weir::abi::Level::error, "oh");
  CHECK(s.value("weir_bulletins_total", {{"level", "error"}}) == 1);
  const auto seen = s.value("weir_bulletins_total", {{"level", "info"}}) - before;
  CHECK(seen > 900);
  CHECK(s.value("weir_bulletins_total", {{"level", "unknown"}}) >= 1'500 - seen - 10);
  CHECK(s.value("weir_bulletins_total", {{"level", "info"}}) - before == seen);
}

TEST_CASE_FIXTURE(Fresh, "what processors measure themselves is there under safe, distinct names") {
  Scenario s(folder.path(), false);
  s.run.engine->inspect([](const auto& instances, const auto&, const auto&) {
    const auto make = [](auto& instance, std::string_view name, bool counter, double value) {
      instance->metric(weir::to_text(name), weir::to_text("Made by a \"test\"\\."), counter)->set(value);
    };
    make(instances[0], "made.depth", false, 1.5);
    make(instances[0], "made-depth", false, 2.5);
    make(instances[1], "made.depth", false, 3.5);
    make(instances[0], "made_seen", true, 4);
    make(instances[1], "made_seen_total", true, 5);
    make(instances[2], "made_seen_total", false, 6);
    make(instances[2], "info", false, 7);
  });
  // A gauge that calls itself a total is its author's mistake, and no reason to lose the others.
  std::string text = s.get("/metrics").body;
  CHECK(text.find("\nweir_processor_made_depth{flow=\"test\",processor=\"source\"} 1.5\n") != std::string::npos);
  CHECK(text.find("\nweir_processor_made_depth{flow=\"test\",processor=\"act\"} 3.5\n") != std::string::npos);
  CHECK(text.find("\nweir_processor_made_depth_{flow=\"test\",processor=\"source\"} 2.5\n") != std::string::npos);
  CHECK(text.find("\nweir_processor_made_seen_total{flow=\"test\",processor=\"source\"} 4\n") != std::string::npos);
  CHECK(text.find("\nweir_processor_made_seen_total{flow=\"test\",processor=\"act\"} 5\n") != std::string::npos);
  CHECK(text.find("\nweir_processor_made_seen_total_{flow=\"test\",processor=\"sink\"} 6\n") != std::string::npos);
  CHECK(text.find("\nweir_processor_info_{flow=\"test\",processor=\"sink\"} 7\n") != std::string::npos);
  CHECK_NOTHROW(ExpositionParser::parse(text));
}

TEST_CASE_FIXTURE(Fresh, "docs/metrics.md lists the metrics as they are") {
  Scenario s(folder.path());
  s.open = true;
  s.run.start();
  REQUIRE(s.run.finish());
  s.run.engine->quality().of("test", "act").rule(weir::to_text("value"), weir::to_text("range"));
  const auto expected = table(s.metrics());
  const auto* source = std::getenv("WEIR_SOURCE");
  const auto path = std::string(source == nullptr ? "." : source) + "/docs/metrics.md";
  auto text = file_text(path);
  const auto begin = text.find("| metric |");
  REQUIRE(begin != std::string::npos);
  const auto end = std::min(text.find("\n\n", begin), text.size() - 1) + 1;
  if (std::getenv("WEIR_UPDATE_DOCS") != nullptr) {
    std::ofstream(path) << text.replace(begin, end - begin, expected);
    return;
  }
  INFO("run this test with WEIR_UPDATE_DOCS=1 to bring the page up to date");
  CHECK(text.substr(begin, end - begin) == expected);
}

TEST_CASE_FIXTURE(Fresh, "it is healthy from the start, and ready once every processor runs") {
  Scenario s(folder.path(), false);
  s.open = true;
  CHECK(s.get("/healthz").status == 200);
  CHECK(s.get("/readyz").status == 503);
  CHECK(s.get("/readyz").body ==
        "test/source: has not started yet\ntest/act: has not started yet\ntest/sink: has not started yet\n");
  s.run.start();
  CHECK(s.get("/readyz").status == 200);
  CHECK(s.get("/readyz").body == "ok\n");
}

TEST_CASE_FIXTURE(Fresh, "it is not ready while a processor waits for its far side, and says which and for what") {
  const std::string waits = "cannot connect to mqtt://here:1883";
  Scenario s(folder.path(), false);
  std::optional<weir::Context> source;
  scripts()["source"].start = [&](weir::Context& context) {
    source = context;
    context.not_ready(waits);
  };
  s.run.start();  // act waits for `open` at the eighth
  CHECK(s.get("/healthz").status == 200);
  REQUIRE(eventually([&] { return s.get("/readyz").body == "test/source: " + waits + "\ntest/act: closed\n"; }));
  CHECK(s.get("/readyz").status == 503);
  CHECK(s.value("weir_ready") == 0);
  const auto ready = [&](const std::string& name) {
    return s.value("weir_processor_ready", {{"flow", "test"}, {"processor", name}});
  };
  CHECK(ready("source") == 0);
  CHECK(ready("act") == 0);
  CHECK(ready("sink") == 1);
  source->ready();
  CHECK(s.get("/readyz").body == "test/act: closed\n");
  s.open = true;
  CHECK(eventually([&] { return s.get("/readyz").status == 200; }));
  source->not_ready("lost the connection");
  CHECK(s.get("/readyz").body == "test/source: lost the connection\n");
}

TEST_CASE_FIXTURE(Fresh, "a processor that cannot start for want of its far side says so, until it can") {
  std::atomic<bool> there = false;
  Scenario s(folder.path(), false);
  s.open = true;
  scripts()["act"].start = [&](weir::Context&) {
    if (!there) throw weir::Unavailable("the database is away");
  };
  s.run.start();
  CHECK(s.get("/readyz").body == "test/act: the database is away\n");
  there = true;
  CHECK(eventually([&] { return s.get("/readyz").status == 200; }));
}

TEST_CASE_FIXTURE(Fresh, "what made it fail is said by /healthz and /readyz") {
  Scenario s(folder.path());
  s.open = true;
  scripts()["act"].process = [](weir::FlowFile, weir::Session&) { throw weir::Misconfigured("no such table"); };
  s.run.start();
  CHECK_FALSE(s.run.finish());
  CHECK(s.get("/healthz").status == 503);
  CHECK(s.get("/healthz").body == "test/act: no such table\n");
  CHECK(s.get("/readyz").status == 503);
  CHECK(s.get("/readyz").body == "test/act: no such table\n");
}

TEST_CASE_FIXTURE(Fresh, "pages are read, not written, and those that do not exist are not found") {
  Scenario s(folder.path(), false);
  CHECK(s.get("/nowhere").status == 404);
  CHECK(s.get("/metrics/").status == 404);
  CHECK(s.get("/nowhere", "POST").status == 404);
  for (const auto* page : {"/", "/metrics", "/healthz", "/readyz"}) {
    CHECK(s.get(page, "POST").status == 405);
    CHECK(s.get(page, "DELETE").allow == "GET, HEAD");
  }
  CHECK(s.get("/metrics").type == "text/plain; version=0.0.4; charset=utf-8");
}

TEST_CASE_FIXTURE(Fresh, "a flow is shown with its processors, what they did, and its queues") {
  Scenario s(folder.path(), false);
  s.run.start();
  REQUIRE(eventually(
      [&] { return s.get("/api/v1/flows/test/processors/act").body.find("\"rolled_back\":0") == std::string::npos; }));
  const auto flow = boost::json::parse(s.get("/api/v1/flows/test").body).as_object();
  CHECK(flow.at("processors").as_array().size() == 3);
  const auto act = flow.at("processors").as_array()[1].as_object();
  CHECK(act.at("name") == "act");
  CHECK(act.at("type") == "Do");
  CHECK(act.at("status") == "running");
  CHECK(act.at("ready") == false);
  CHECK(act.at("message") == "closed");
  CHECK(act.at("out").at("failure").at("dropped") == true);
  const auto queue = flow.at("connections").as_array()[0].as_object();
  CHECK(queue.at("id") == "test/source/success/act");
  CHECK(queue.at("max_count") == 10);
  CHECK(queue.at("queued").to_number<int>() > 0);
  CHECK(queue.at("next") == 10);
  CHECK(s.get("/api/v1/connections/test/source/success/act").body.find("\"fullness\":") != std::string::npos);
  const auto flows = boost::json::parse(s.get("/api/v1/flows").body).as_array();
  REQUIRE(flows.size() == 1);
  CHECK(flows[0].at("records_in") == 10);
  CHECK(flows[0].at("processors").at("running") == 3);
  const auto whole = boost::json::parse(s.get("/api/v1/flows?parts=true").body).as_array();
  REQUIRE(whole.size() == 1);
  CHECK(whole[0] == boost::json::parse(s.get("/api/v1/flows/test").body));
  CHECK(s.get("/api/v1/flows?parts=some").status == 400);
  const auto status = boost::json::parse(s.get("/api/v1/status").body).as_object();
  CHECK(status.at("ready") == false);  // act cannot go on
  CHECK(std::string(status.at("problem").as_string()).find("test/act") != std::string::npos);
  CHECK(status.at("connections_without_a_flow").as_array()[0].at("id") == "test/before/success/gone");
}

TEST_CASE_FIXTURE(Fresh, "bulletins come from the one asked for on, and no more than asked for") {
  Scenario s(folder.path(), false);
  for (const auto* text : {"one", "two", "three"}) s.run.engine->report(nullptr, weir::abi::Level::info, text);
  const auto list = [&](const std::string& query) {
    std::string texts;
    const auto bulletins = boost::json::parse(s.get("/api/v1/bulletins" + query).body);
    for (const auto& bulletin : bulletins.as_array()) texts += std::string(bulletin.at("message").as_string()) + " ";
    return texts;
  };
  CHECK(list("") == "one two three ");
  CHECK(list("?after=1") == "two three ");
  CHECK(list("?limit=1") == "three ");
  CHECK(list("?after=1&limit=1") == "two ");
  for (const auto* bad : {"?after=x", "?limit=-1", "?after=1.5", "?after="})
    CHECK(s.get("/api/v1/bulletins" + std::string(bad)).status == 400);
}

TEST_CASE_FIXTURE(Fresh, "what the API does not have is said as JSON, whatever the path holds") {
  Scenario s(folder.path(), false);
  for (const auto* path : {"/api/v1/", "/api/v1/flows/nobody", "/api/v1/flows/test/processors/%2e%2e", "/api/v1/flows/",
                           "/api/v1/connections/a/b/c/d", "/api/v1/flows/test/processors/act/more"}) {
    const auto answer = s.get(path);
    CHECK(answer.status == 404);
    CHECK(boost::json::parse(answer.body).as_object().contains("error"));
  }
  for (const auto* path : {"/api/v1/flows/%", "/api/v1/flows/%2", "/api/v1/flows/%zz"})
    CHECK(s.get(path).status == 400);
  CHECK(s.get("/api/v1/flows", "POST").status == 405);
  CHECK(s.get("/api/v1/flows/%74est").status == 200);
}

TEST_CASE_FIXTURE(Fresh, "the index names version, flows and pages") {
  Scenario s(folder.path(), false);
  const auto index = s.get("/");
  CHECK(index.type == "application/json");
  CHECK(index.body.starts_with(R"({"weir":"1.2.3","flows":["test"],"pages":{"/":)"));
  CHECK(index.body.find("\"/metrics\"") != std::string::npos);
}

TEST_CASE_FIXTURE(Fresh, "the live line says what came in, went out and waits") {
  Scenario s(folder.path());
  weir::api::LiveLine line(*s.run.engine);
  CHECK(line.text() == "0 in  0 out  0/s  queued 0  epoch 1 (0.0 ms)");
  scripts()["source"].count = 12'345;
  s.open = true;
  s.run.start();
  REQUIRE(s.run.finish());
  const auto text = line.text();
  CAPTURE(text);
  CHECK(text.starts_with("12,345 in  12,344 out  "));
  CHECK(text.find("  0/s") == std::string::npos);
  CHECK(text.find("  queued 0  epoch ") != std::string::npos);
  CHECK(text.ends_with(" ms)"));
  CHECK(line.text().find(" out  0/s  queued 0 ") != std::string::npos);
}
