#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "engine/engine.h"
#include "store/provenance.h"
#include "tests/unit/engine_fixture.h"

using namespace weir;
using namespace weir::test;

namespace {

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

}  // namespace

TEST_CASE_FIXTURE(EngineTest,
                  "a running flow replays what left its source, from where it left it, with a REPLAY event") {
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

TEST_CASE_FIXTURE(EngineTest,
                  "of a source that is very fast part is kept, all of it if the flow asks for it, or none") {
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
