// Provenance answers: complete ancestors and descendants over every kind of step, events by any filter, and honesty
// about what limits and retention cut off.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <set>
#include <sstream>
#include <string>

#include "store/check.h"
#include "store/provenance.h"
#include "tests/unit/store_fixture.h"

namespace weir::store::test {
namespace {

/// A flow whose connections and processors have numbers, and whose lineage is written epoch by epoch.
class Flow {
 public:
  explicit Flow(const Folder& folder, const Options* options = nullptr)
      : store_(Store::open(options != nullptr ? *options : options_for(folder.path()))) {
    epoch_.number = store_->last_epoch();
  }
  std::uint32_t connection(const std::string& id) { return store_->connection_number(id); }
  LineageRow row(EventType type, const std::string& processor, const std::string& in, std::uint64_t in_first,
                 std::uint64_t in_count, const std::string& out, std::uint64_t out_first, std::uint64_t out_count) {
    LineageRow row;
    row.type = type;
    row.processor = store_->processor_number(processor);
    row.in_connection = in.empty() ? 0 : connection(in);
    row.in_first = in_first;
    row.in_count = in_count;
    row.out_connection = out.empty() ? 0 : connection(out);
    row.out_first = out_first;
    row.out_count = out_count;
    row.time = time;
    row.duration = 1000;
    return row;
  }
  void add(LineageRow row) { add_coalescing(epoch_.lineage, std::move(row)); }
  void attribute(const std::string& id, std::uint64_t sequence, const std::string& name, const std::string& value) {
    epoch_.attributes.push_back({connection(id), sequence, name, value});
  }
  void write() {
    ++epoch_.number;
    store_->write(epoch_);
    epoch_.lineage.clear();
    epoch_.attributes.clear();
  }
  Store& store() { return *store_; }
  std::int64_t time = 1'700'000'000'000'000'000;

 private:
  std::unique_ptr<Store> store_;
  Epoch epoch_;
};

std::set<std::string> places(Provenance& provenance, const Place& place, bool back,
                             ProvenanceSummary* summary = nullptr, const LineageLimits& limits = {}) {
  std::set<std::string> result;
  const auto visit = [&](const LineageStep& step) {
    for (const auto& each : back ? step.inputs : step.outputs) {
      for (std::uint64_t i = 0; i < each.count; ++i) {
        const auto& id = back ? step.event.in_connection : step.event.out_connection;
        result.insert(id + ":" + std::to_string(each.first + i));
      }
    }
    return true;
  };
  const auto found = back ? provenance.ancestors(place, visit, limits) : provenance.descendants(place, visit, limits);
  if (summary != nullptr) *summary = found;
  return result;
}

/// receive -> split into 3 -> filter (every second) -> clone to sink and mean -> windows -> sink
void write_pipeline(Flow& flow) {
  auto receive = flow.row(EventType::receive, "f/in", "", 0, 0, "files", 0, 10);
  receive.transit_uri = "mqtt://broker/sensors";
  flow.add(receive);
  flow.attribute("files", 4, "sensor", "s-4");
  flow.attribute("files", 9, "sensor", "s-9");
  auto split = flow.row(EventType::fork, "f/split", "files", 0, 10, "lines", 0, 30);
  std::vector<std::uint32_t> parents;
  for (std::uint32_t i = 0; i < 30; ++i) parents.push_back(i / 3);
  encode_parents(split, parents);
  flow.add(split);
  flow.write();
  flow.time += 1'000'000'000;
  parents.clear();
  for (std::uint32_t i = 0; i < 30; i += 2) parents.push_back(i);
  auto filter = flow.row(EventType::route, "f/filter", "lines", 0, 30, "kept", 100, 15);
  encode_parents(filter, parents);
  flow.add(filter);
  filter = flow.row(EventType::clone, "f/filter", "lines", 0, 30, "raw", 0, 15);
  encode_parents(filter, parents);
  flow.add(filter);
  flow.write();
  auto means = flow.row(EventType::join, "f/mean", "kept", 100, 15, "", 0, 0);
  std::vector<std::pair<std::uint32_t, std::uint64_t>> groups;
  for (std::uint32_t i = 0; i < 15; ++i) groups.emplace_back(i, 70 + i % 2);
  encode_group_in(means, groups);
  flow.add(means);
  flow.write();
  auto out = flow.row(EventType::join, "f/mean", "", 0, 0, "means", 5, 2);
  encode_group_out(out, std::vector<std::uint64_t>{70, 71});
  flow.add(out);
  flow.write();
  auto send = flow.row(EventType::send, "f/sink", "means", 5, 2, "", 0, 0);
  send.transit_uri = "file:///lake/means.ndjson";
  flow.add(send);
  auto merge = flow.row(EventType::join, "f/merge", "raw", 0, 0, "merged", 0, 1);
  encode_merge(merge, std::vector<std::vector<std::uint64_t>>{{0, 1, 14}});
  flow.add(merge);
  flow.write();
}

TEST_CASE("a mean names all its readings, and through filter and split all the files they came from") {
  const Folder folder;
  Flow flow(folder);
  write_pipeline(flow);
  Provenance provenance(folder.path());
  std::set<std::string> expected;
  for (std::uint32_t i = 0; i < 15; i += 2) {  // group 70
    expected.insert("kept:" + std::to_string(100 + i));
    expected.insert("lines:" + std::to_string(2 * i));
    expected.insert("files:" + std::to_string(2 * i / 3));
  }
  ProvenanceSummary summary;
  CHECK(places(provenance, {"means", 5}, true, &summary) == expected);
  CHECK_FALSE(summary.limited);
  CHECK_FALSE(summary.removed_by_retention);
}

TEST_CASE("a file's descendants are all that became of it, over the split, the clone, the window and the merge") {
  const Folder folder;
  Flow flow(folder);
  write_pipeline(flow);
  Provenance provenance(folder.path());
  // File 0: lines 0, 1, 2; of these the filter kept 0 and 2.
  const std::set<std::string> expected = {"lines:0", "lines:1", "lines:2", "kept:100", "kept:101",
                                          "raw:0",   "raw:1",   "means:5", "means:6",  "merged:0"};
  CHECK(places(provenance, {"files", 0}, false) == expected);
  std::set<std::string> types;
  provenance.descendants({"files", 0}, [&](const LineageStep& step) {
    types.insert(step.event.processor + " " + std::string(name_of(step.event.type)));
    return true;
  });
  CHECK(types == std::set<std::string>{"f/split FORK", "f/filter ROUTE", "f/filter CLONE", "f/mean JOIN", "f/sink SEND",
                                       "f/merge JOIN"});
  CHECK(places(provenance, {"merged", 0}, true) ==
        std::set<std::string>{"raw:0", "raw:1", "raw:14", "lines:0", "lines:2", "lines:28", "files:0", "files:9"});
}

TEST_CASE("a FlowFile that a filter did not keep has no descendants, and no ROUTE event") {
  const Folder folder;
  Flow flow(folder);
  write_pipeline(flow);
  Provenance provenance(folder.path());
  const auto summary = provenance.descendants({"lines", 1}, [](const LineageStep&) { return true; });
  CHECK(summary.found == 0);
}

TEST_CASE("events are found by processor, type, connection, time, attribute and transit URI, newest first") {
  const Folder folder;
  Flow flow(folder);
  write_pipeline(flow);
  Provenance provenance(folder.path());
  const auto count = [&](const EventFilter& filter) {
    return provenance.events(filter, [](const ProvenanceEvent&) { return true; }).found;
  };
  CHECK(count({}) == 8);
  EventFilter filter;
  filter.processor = "f/mean";
  CHECK(count(filter) == 2);
  filter = {};
  filter.type = EventType::join;
  CHECK(count(filter) == 3);
  filter = {};
  filter.connection = "lines";
  CHECK(count(filter) == 3);
  filter = {};
  filter.to = flow.time;
  CHECK(count(filter) == 2);
  filter = {};
  filter.from = flow.time;
  CHECK(count(filter) == 6);
  filter = {};
  filter.transit = "lake";
  CHECK(count(filter) == 1);
  filter = {};
  filter.attribute = "sensor";
  filter.value = "s-9";
  std::string uri;
  provenance.events(filter, [&](const ProvenanceEvent& event) {
    uri = event.transit_uri;
    return true;
  });
  CHECK(uri == "mqtt://broker/sensors");
  filter.value = "s-5";
  CHECK(count(filter) == 0);
  filter = {};
  filter.limit = 3;
  const auto limited = provenance.events(filter, [](const ProvenanceEvent&) { return true; });
  CHECK(limited.found == 3);
  CHECK(limited.limited);

  const auto found = provenance.find("sensor", "s-4");
  REQUIRE(found.size() == 1);
  CHECK(found[0].connection == "files");
  CHECK(found[0].sequence == 4);
}

TEST_CASE("limits on depth and steps are told, and an unknown connection is refused with the nearest name") {
  const Folder folder;
  Flow flow(folder);
  write_pipeline(flow);
  Provenance provenance(folder.path());
  ProvenanceSummary summary;
  places(provenance, {"means", 5}, true, &summary, {.depth = 1, .steps = 100});
  CHECK(summary.limited);
  CHECK(summary.found == 1);
  places(provenance, {"means", 5}, true, &summary, {.depth = 100, .steps = 2});
  CHECK(summary.limited);
  CHECK(summary.found == 2);
  CHECK_THROWS_WITH_AS(places(provenance, {"mean", 5}, true),
                       "there is no connection \"mean\" in this data directory: did you mean \"means\"?",
                       std::invalid_argument);
}

TEST_CASE("places are written as connection:sequence") {
  CHECK(parse_place("f/a/success/b:17")->sequence == 17);
  CHECK(parse_place("f/a/success/b:17")->connection == "f/a/success/b");
  CHECK(parse_place("a:b:3")->connection == "a:b");
  CHECK_FALSE(parse_place("a"));
  CHECK_FALSE(parse_place(":3"));
  CHECK_FALSE(parse_place("a:"));
  CHECK_FALSE(parse_place("a:3x"));
}

TEST_CASE("retention by size keeps the newest, removes a little each epoch, and answers say what is gone") {
  const Folder folder;
  auto options = options_for(folder.path());
  options.keep_provenance_bytes = 20'000;
  Flow flow(folder, &options);
  for (std::uint64_t i = 0; i < 2000; ++i) {
    auto row = flow.row(EventType::route, "f/p", "in", i, 1, "out", i, 1);
    encode_parents(row, std::vector<std::uint32_t>{0});
    flow.add(row);
    flow.attribute("out", i, "n", std::to_string(i));
    flow.time += 1'000'000;
    flow.write();
  }
  Provenance provenance(folder.path());
  ProvenanceSummary summary;
  CHECK(places(provenance, {"out", 1999}, true, &summary) == std::set<std::string>{"in:1999"});
  CHECK_FALSE(summary.removed_by_retention);
  CHECK(places(provenance, {"out", 3}, true, &summary).empty());
  CHECK(summary.removed_by_retention);
  CHECK(places(provenance, {"in", 3}, false, &summary).empty());
  CHECK(summary.removed_by_retention);
  CHECK(provenance.find("n", "3").empty());
  CHECK(provenance.find("n", "1999").size() == 1);
  EventFilter all;
  all.limit = 10'000;
  const auto kept = provenance.events(all, [](const ProvenanceEvent&) { return true; });
  CHECK(kept.found > 50);
  CHECK(kept.found < 300);
}

TEST_CASE("retention by age removes what is older than the newest event by more than it") {
  const Folder folder;
  auto options = options_for(folder.path());
  options.keep_provenance_for = 10'000'000'000;
  Flow flow(folder, &options);
  for (std::uint64_t i = 0; i < 100; ++i) {
    flow.add(flow.row(EventType::create, "f/p", "", 0, 0, "out", i, 1));
    flow.time += 1'000'000'000;
    flow.write();
  }
  Provenance provenance(folder.path());
  const auto kept = provenance.events({}, [](const ProvenanceEvent&) { return true; });
  CHECK(kept.found == 11);
  CHECK(kept.removed_by_retention);
}

TEST_CASE("a whole data directory with lineage, groups and attributes passes the check") {
  const Folder folder;
  {
    Flow flow(folder);
    write_pipeline(flow);
  }
  std::ostringstream out;
  CHECK(run_check(folder.path(), out) == 0);
  CHECK(out.str() == folder.path().string() + " is well\n");
}

TEST_CASE("lineage of sessions of 1,000 costs less than 0.1 byte a FlowFile and hop, and ancestry is quick") {
  const Folder folder;
  constexpr std::uint64_t kSessions = 1000;
  // Four hops pass everything on; one in the middle, a filter, keeps 70% at random.
  std::mt19937 random(1);
  std::vector<std::uint32_t> one(1000);
  for (std::uint32_t i = 0; i < 1000; ++i) one[i] = i;
  std::uint64_t hops = 0;
  std::uint64_t kept = 0;
  {
    Flow flow(folder);
    const auto begin = std::chrono::steady_clock::now();
    for (std::uint64_t session = 0; session < kSessions; ++session) {
      std::uint64_t in_first = session * 1000;
      std::uint64_t in_count = 1000;
      for (int hop = 0; hop < 5; ++hop) {
        std::vector<std::uint32_t> parents(one.begin(), one.begin() + static_cast<std::ptrdiff_t>(in_count));
        auto out_first = in_first;
        if (hop == 2) {
          std::erase_if(parents, [&](std::uint32_t) { return random() % 10 >= 7; });
          out_first = kept;
          kept += parents.size();
        }
        auto row = flow.row(EventType::route, "f/p" + std::to_string(hop), "c" + std::to_string(hop), in_first,
                            in_count, "c" + std::to_string(hop + 1), out_first, parents.size());
        encode_parents(row, parents);
        flow.add(std::move(row));
        hops += in_count;
        in_first = out_first;
        in_count = parents.size();
      }
      flow.time += 10'000'000;
      if (session % 10 == 9) flow.write();  // 10 sessions of each processor an epoch
    }
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    MESSAGE("100 epochs with 50 sessions each: " << took.count() << " ms");
    Provenance provenance(folder.path());
    CHECK(places(provenance, {"c5", kept - 1}, true).size() == 5);
    const auto start = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < 100; ++i) places(provenance, {"c5", i * 6'999}, true);
    const std::chrono::duration<double, std::micro> each = (std::chrono::steady_clock::now() - start) / 100;
    MESSAGE("5-hop ancestry: " << each.count() << " us");
  }
  const auto bytes = static_cast<double>(std::filesystem::file_size(folder.path() / "weir.db"));
  MESSAGE("the database: " << bytes << " bytes, " << bytes / static_cast<double>(hops) << " a FlowFile and hop");
  CHECK(bytes / static_cast<double>(hops) < 0.1);
}

}  // namespace
}  // namespace weir::store::test
