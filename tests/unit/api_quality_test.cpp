// The quality of data over HTTP, and over restarts.
#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "engine/quality.h"
#include "tests/unit/api_fixture.h"

namespace {

using namespace weir::test;
using weir::abi::KeyFindings;
using weir::abi::RuleCount;

FlowBuilder flow() {
  FlowBuilder flow;
  flow.processor("source", "Count").processor("sink", "Collect").connect("source", "success", "sink");
  return flow;
}

void find(weir::engine::QualityLedger& ledger, const std::string& key, std::uint64_t pass, std::uint64_t fail) {
  const auto text = [](std::string_view t) { return weir::to_text(t); };
  const RuleCount flagged{ledger.rule(text("value"), text("range")), fail};
  ledger.rule(text("value"), text("spike"));
  KeyFindings found{};
  found.key = text(key);
  found.pass = pass;
  found.fail = fail;
  found.first = found.last = ledger.now();
  found.rules = &flagged;
  found.rule_count = fail > 0 ? 1 : 0;
  ledger.found(&found, 1);
}

std::vector<std::string> keys_of(const boost::json::value& page) {
  std::vector<std::string> keys;
  for (const auto& key : page.at("keys").as_array()) keys.emplace_back(key.at("key").as_string());
  return keys;
}

struct Site {
  Site() {
    auto& ledger = run.engine->quality().of("test", "check");
    find(ledger, "good", 100, 0);
    find(ledger, "bad", 1, 9);
    find(ledger, "so so", 90, 10);
  }
  TemporaryFolder folder;
  Run run{folder.path(), flow(), false};
};

}  // namespace

TEST_CASE_FIXTURE(Site, "quality is listed worst first, with what failed which rule") {
  Served served(run);
  const auto page = served.get("/quality");
  CHECK(keys_of(page) == std::vector<std::string>{"bad", "so so", "good"});
  const auto& worst = page.at("keys").at(0);
  CHECK(worst.at("n").to_number<int>() == 10);
  CHECK(worst.at("good").as_double() == doctest::Approx(0.1));
  CHECK(worst.at("rules").at(0).at("rule").as_string() == "range");
  CHECK(worst.at("rules").at(0).at("flagged").to_number<int>() == 9);
  CHECK(worst.at("last_value").is_string());
  CHECK(worst.at("trend").as_array().size() == 24);
  const auto& processor = page.at("processors").at(0);
  CHECK(processor.at("n").to_number<int>() == 210);
  CHECK(processor.at("keys").to_number<int>() == 3);
  CHECK(processor.at("rules").as_array().size() == 2);
}

TEST_CASE_FIXTURE(Site, "quality is paged and searched, and a range is asked for") {
  Served served(run);
  CHECK(keys_of(served.get("/quality?limit=1&after=1")) == std::vector<std::string>{"so so"});
  CHECK(served.get("/quality?limit=1").at("more").as_bool());
  CHECK(keys_of(served.get("/quality?search=goo")) == std::vector<std::string>{"good"});
  CHECK(served.get("/quality?processor=test/check").at("keys").as_array().size() == 3);
  CHECK(served.get("/quality?flow=other").at("keys").as_array().empty());
  CHECK(served.get("/quality?to=2020-01-01T00:00:00Z").at("keys").at(0).at("n").to_number<int>() == 0);
  CHECK(served.status_of("/quality?from=2999-01-01") == 400);
}

TEST_CASE_FIXTURE(Site, "a key has its course over time") {
  Served served(run);
  const auto page = served.get("/quality/test/check?key=so%20so");
  CHECK(page.at("n").to_number<int>() == 100);
  CHECK(page.at("series").at("fail").at(0).to_number<int>() == 10);
  CHECK(page.at("series").at("interval_seconds").to_number<int>() == 900);
  const auto all = served.get("/quality/test/check");
  CHECK(all.at("series").at("interval_seconds").to_number<int>() == 60);
  CHECK(all.at("series").at("pass").at(0).to_number<int>() == 191);
  CHECK(served.status_of("/quality/test/check?key=nobody") == 404);
  CHECK(served.status_of("/quality/test/sink") == 404);
}

TEST_CASE("what was found is there after a restart") {
  const TemporaryFolder folder;
  {
    Run run(folder.path(), flow(), false);
    const Served served(run);
    auto& ledger = run.engine->quality().of("test", "check");
    find(ledger, "bad", 1, 9);
    find(ledger, "good", 100, 0);
  }
  Run run(folder.path(), flow(), false);
  auto& ledger = run.engine->quality().of("test", "check");
  ledger.rule(weir::to_text("other"), weir::to_text("not_null"));  // the flow has changed: rules are known by name
  Served served(run);
  const auto page = served.get("/quality");
  CHECK(keys_of(page) == std::vector<std::string>{"bad", "good"});
  CHECK(page.at("keys").at(0).at("rules").at(0).at("rule").as_string() == "range");
  CHECK(page.at("keys").at(0).at("rules").at(0).at("flagged").to_number<int>() == 9);
  CHECK(page.at("processors").at(0).at("n").to_number<int>() == 110);
}
