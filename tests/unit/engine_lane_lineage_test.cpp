// Lineage of what passes lanes, in the store of their Weir. With real servers: tests/scaling/lane_lineage_test.py.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/lane_host.h"
#include "engine/lane_store.h"
#include "engine/lane_view.h"
#include "store/provenance.h"
#include "tests/unit/engine_fixture.h"
#include "weir/lane.h"

using namespace weir;
using namespace weir::test;

namespace {

/// A Weir that runs the lanes of one flow, as many as the test wants.
class LanesOf {
 public:
  LanesOf(const std::filesystem::path& folder, const FlowBuilder& builder, WatchedStore::Watch watch = {})
      : main_(folder, FlowBuilder(kept_scripts()), false, {}, std::move(watch)), flows_(builder.build()) {
    flows_.front().scale_out = true;
    engine::Options options;
    options.epoch_interval = std::chrono::milliseconds(10);
    host_.emplace(flows_,
                  engine::LaneHostOptions{options, folder, main_.store.get(),
                                          [this](store::Epoch part, std::function<void()> durable) {
                                            main_.engine->take_in(std::move(part), std::move(durable));
                                          },
                                          [](weir::abi::Level, const std::string& message) { MESSAGE(message); }});
    main_.start();
  }
  ~LanesOf() { stop(); }
  void want(std::int32_t partition) { host_->lanes("share")->want(to_text(kTopic), partition); }
  void give_up(std::int32_t partition) {
    host_->lanes("share")->give_up(to_text(kTopic), partition);
    REQUIRE(eventually([&] { return host_->seen().processors.front().lanes == 0; }));
  }
  void stop() {
    host_->stop(std::chrono::steady_clock::time_point::max());
    main_.engine->stop();
  }
  engine::Engine& engine() { return *main_.engine; }
  store::Store& store() { return *main_.store; }

 private:
  /// The flow of the Weir itself, of which there is none. A builder forgets the scripts of all others.
  static FlowBuilder kept_scripts() {
    auto kept = scripts();
    FlowBuilder none;
    scripts() = std::move(kept);
    return none;
  }

  static constexpr std::string_view kTopic = "readings";
  Run main_;
  std::vector<flow::Flow> flows_;
  std::optional<engine::LaneHost> host_;
};

/// The source puts out three FlowFiles each time that a lane begins.
FlowBuilder shared_flow() {
  FlowBuilder builder;
  builder.named("share").processor("in", "Count").processor("act", "Do").processor("out", "Collect");
  builder.connect("in", "success", "act").connect("act", "success", "out");
  scripts()["in"].count = 3;
  scripts()["in"].start = [](Context& context) { Lane(context)->round(0, 3); };
  return builder;
}

std::string text_of(const store::ProvenanceEvent& event) {
  const auto range = [](const std::string& connection, const store::Interval& interval) {
    return connection.empty()
               ? ""
               : " " + connection + ":" + std::to_string(interval.first) + "+" + std::to_string(interval.count);
  };
  return std::string(store::name_of(event.type)) + " " + event.processor + range(event.in_connection, event.inputs) +
         range(event.out_connection, event.outputs) + (event.details.empty() ? "" : " (" + event.details + ")");
}

/// Oldest first.
std::vector<std::string> events(const std::filesystem::path& folder, const store::EventFilter& filter) {
  std::vector<std::string> found;
  store::Provenance(folder).events(filter, [&](const store::ProvenanceEvent& event) {
    found.push_back(text_of(event));
    return true;
  });
  std::ranges::reverse(found);
  return found;
}

/// By connection, the sequences that events put out, in their order.
std::map<std::string, std::vector<std::uint64_t>> put_out(const std::filesystem::path& folder,
                                                          const store::EventFilter& filter) {
  std::map<std::string, std::vector<std::uint64_t>> sequences;
  store::Provenance(folder).events(filter, [&](const store::ProvenanceEvent& event) {
    for (std::uint64_t i = 0; i < event.outputs.count; ++i)
      sequences[event.out_connection].push_back(event.outputs.first + i);
    return true;
  });
  for (auto& [connection, all] : sequences) std::ranges::sort(all);
  return sequences;
}

std::vector<std::string> ancestors(const std::filesystem::path& folder, const store::Place& place) {
  std::vector<std::string> found;
  store::Provenance(folder).ancestors(place, [&](const store::LineageStep& step) {
    auto event = step.event;
    if (!step.inputs.empty()) event.inputs = step.inputs.front();
    event.outputs = step.outputs.front();
    found.push_back(text_of(event));
    CHECK(step.inputs.size() <= 1);
    return true;
  });
  return found;
}

store::EventFilter by_processor(const std::string& name, store::EventType type) {
  store::EventFilter filter;
  filter.processor = name;
  filter.type = type;
  return filter;
}

}  // namespace

TEST_CASE_FIXTURE(EngineTest, "what passes a lane has its lineage, and a lane that begins anew uses no name again") {
  const auto flow = shared_flow();
  {
    LanesOf lanes(folder.path(), flow);
    lanes.want(0);
    REQUIRE(eventually([] { return collected().of("out").size() == 3; }));
    lanes.give_up(0);
    lanes.want(0);
    REQUIRE(eventually([] { return collected().of("out").size() == 6; }));
  }
  {
    LanesOf lanes(folder.path(), flow);  // another process
    lanes.want(0);
    REQUIRE(eventually([] { return collected().of("out").size() == 9; }));
    lanes.want(1);
    REQUIRE(eventually([] { return collected().of("out").size() == 12; }));
  }
  CHECK(ancestors(folder.path(), {"share@readings/0/act/success/out", 7}) ==
        std::vector<std::string>{
            "ROUTE share@readings/0/act share@readings/0/in/success/act:7+1 share@readings/0/act/success/out:7+1",
            "CREATE share@readings/0/in share@readings/0/in/success/act:7+1"});
  // By the name in the flow, those of all lanes; no sequence comes twice.
  const std::map<std::string, std::vector<std::uint64_t>> created{
      {"share@readings/0/in/success/act", {0, 1, 2, 3, 4, 5, 6, 7, 8}}, {"share@readings/1/in/success/act", {0, 1, 2}}};
  CHECK(put_out(folder.path(), by_processor("share/in", store::EventType::create)) == created);
  CHECK(put_out(folder.path(), by_processor("share@readings/1/in", store::EventType::create)).size() == 1);
  store::EventFilter by_connection;
  by_connection.connection = "share/in/success/act";
  by_connection.type = store::EventType::create;
  CHECK(put_out(folder.path(), by_connection) == created);
}

TEST_CASE_FIXTURE(EngineTest, "windows of a lane that begins anew are others than those before") {
  const auto flow = shared_flow();
  scripts()["act"].process = [](FlowFile file, Session& session) {
    session.contribute(file, 1);
    if (file.content() == "2") {
      const auto made = session.create();
      session.created_from_group(made, 1);
      session.transfer(made, 0);
    }
    session.drop(file, {});
  };
  for (const std::size_t times : {1, 2}) {  // in two processes
    LanesOf lanes(folder.path(), flow);
    lanes.want(0);
    REQUIRE(eventually([&] { return collected().of("out").size() == times; }));
  }
  for (const std::uint64_t time : {0, 1}) {
    const auto made = "share@readings/0/act/success/out:" + std::to_string(time) + "+1";
    const auto from = "share@readings/0/in/success/act:" + std::to_string(3 * time) + "+3";
    CHECK(ancestors(folder.path(), {"share@readings/0/act/success/out", time}) ==
          std::vector<std::string>{"JOIN share@readings/0/act " + from + " " + made,
                                   "CREATE share@readings/0/in " + from});
  }
}

TEST_CASE_FIXTURE(EngineTest, "what is read again ends before a sink that has it, and is not shown as sent") {
  const auto flow = shared_flow();
  scripts()["in"].start = [](Context& context) {
    const Lane lane(context);
    lane->go_on(70);
    lane->round(67, 70);
  };
  {
    LanesOf lanes(folder.path(), flow);
    lanes.want(0);
    const auto dropped = [&] {
      return events(folder.path(), by_processor("share/out", store::EventType::drop)).size() == 1;
    };
    const auto is_known = [&] {
      try {
        return dropped();
      } catch (const std::invalid_argument&) {  // nothing of it is in the store yet
        return false;
      }
    };
    CHECK(eventually(is_known));
  }
  CHECK(collected().of("out").empty());
  CHECK(events(folder.path(), by_processor("share/out", store::EventType::drop)) ==
        std::vector<std::string>{"DROP share@readings/0/out share@readings/0/act/success/out:0+3 (read again: the sink "
                                 "has all before offset 70 already)"});
}

TEST_CASE_FIXTURE(EngineTest,
                  "a source in a lane hears when its lineage is durable, and the lane does not wait for it") {
  const auto flow = shared_flow();
  std::mutex mutex;
  std::condition_variable changed;
  bool disk_answers = false;
  std::atomic<std::uint64_t> durable = 0;
  scripts()["in"].endless = true;
  scripts()["in"].poll = [polls = std::uint64_t{0}](Session& session, std::uint64_t) mutable {
    if (++polls > 3) return;
    session.transfer(session.create(), 0);
    session.when_durable(polls);
    session.again();
  };
  scripts()["in"].durable = [&](std::uint64_t token) { durable = token; };
  WatchedStore::Watch watch;
  watch.write = [&](const store::Epoch&) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return disk_answers; });
  };
  LanesOf lanes(folder.path(), flow, watch);
  lanes.want(0);
  CHECK(eventually([] { return collected().of("out").size() == 3; }));
  CHECK(durable == 0);
  {
    const std::lock_guard lock(mutex);
    disk_answers = true;
    changed.notify_all();
  }
  CHECK(eventually([&] { return durable == 3; }));
  const auto received = by_processor("share/in", store::EventType::create);
  CHECK(events(folder.path(), received) ==
        std::vector<std::string>{"CREATE share@readings/0/in share@readings/0/in/success/act:0+3"});
}

TEST_CASE_FIXTURE(EngineTest, "content is kept at a lane's source, for who looks; replaying it is refused, with why") {
  const auto flow = shared_flow();
  LanesOf lanes(folder.path(), flow);
  lanes.want(0);
  REQUIRE(eventually([] { return collected().of("out").size() == 3; }));
  const store::Place place{"share@readings/0/in/success/act", 1};
  const auto kept = [&] {
    try {
      const auto batch = lanes.store().retained(lanes.store().connection_number(place.connection), place.sequence);
      return std::string(batch->items.at(0).data, batch->items.at(0).size);
    } catch (const store::NotRetained& error) {
      return std::string(error.what());
    }
  };
  CHECK(eventually([&] { return kept() == "1"; }));
  CHECK_THROWS_WITH_AS(lanes.engine().replay(place),
                       "share@readings/0/in/success/act:1 is in the lane share@readings/0: what a lane does is counted "
                       "in offsets of its partition, and a FlowFile that is replayed has none. Produce its message to "
                       "the topic again: `weir provenance ancestors` names its offset",
                       store::NotRetained);
}

TEST_CASE_FIXTURE(EngineTest, "a lane is never far ahead of the disk, unless it is about to end") {
  constexpr std::size_t kMost = 64;
  store::Options options;
  options.directory = folder.path();
  const auto store = store::Store::open(options);
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> pending;
  std::size_t most = 0;
  std::size_t handed_over = 0;
  engine::LaneStore lane(
      *store,
      [&](store::Epoch, std::function<void()> durable) {
        const std::lock_guard lock(mutex);
        pending.push_back(std::move(durable));
        most = std::max(most, pending.size());
        ++handed_over;
        changed.notify_all();
      },
      {"share", "readings", 0}, std::make_shared<engine::LaneBacklog>());
  const std::jthread writer([&] {
    store::Epoch epoch;
    for (epoch.number = 1; epoch.number <= 3 * kMost; ++epoch.number) lane.write(epoch);
  });
  const std::shared_ptr<void> ends(nullptr,
                                   [&](void*) { lane.may_wait(false); });  // so does the writer, whatever fails
  const auto wait_for = [&](std::size_t count) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(10), [&] { return handed_over == count; });
  };
  for (std::size_t i = 0; i < kMost; ++i) {
    REQUIRE(wait_for(kMost + i));
    std::function<void()> durable;
    {
      const std::lock_guard lock(mutex);
      durable = std::move(pending.front());
      pending.pop_front();
    }
    durable();
  }
  REQUIRE(wait_for(2 * kMost));
  CHECK(most == kMost);
  lane.may_wait(false);
  CHECK(wait_for(3 * kMost));
}

TEST_CASE_FIXTURE(EngineTest, "all lanes of a Weir together hold no more than so much that is not on disk") {
  constexpr std::size_t kLanes = 8;
  constexpr std::size_t kEpochs = 5;             // of each
  constexpr std::size_t kBytes = 20 << 20;       // of each epoch
  constexpr std::size_t kMostBytes = 256 << 20;  // of all
  store::Options options;
  options.directory = folder.path();
  const auto store = store::Store::open(options);
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> pending;
  const auto backlog = std::make_shared<engine::LaneBacklog>();
  const auto write = [&](engine::LaneStore& lane, std::uint64_t number) {
    store::Epoch epoch;
    epoch.number = number;
    epoch.attributes.push_back({0, number, "key", std::string(kBytes, 'x'), 1});
    lane.write(epoch);
  };
  std::vector<std::unique_ptr<engine::LaneStore>> lanes;
  for (int i = 0; i < static_cast<int>(kLanes); ++i) {
    lanes.push_back(std::make_unique<engine::LaneStore>(
        *store,
        [&](const store::Epoch&, std::function<void()> durable) {
          const std::lock_guard lock(mutex);
          pending.push_back(std::move(durable));
          changed.notify_all();
        },
        flow::LaneName{"share", "readings", i}, backlog));
    write(*lanes.back(), 1);
  }
  std::vector<std::jthread> writers;
  const std::shared_ptr<void> ends(nullptr, [&](void*) {  // so do the writers, whatever fails
    for (const auto& lane : lanes) lane->may_wait(false);
  });
  for (const auto& lane : lanes) {
    writers.emplace_back([&] {
      for (std::uint64_t number = 2; number <= kEpochs; ++number) write(*lane, number);
    });
  }
  const auto wait_for = [&](std::size_t count) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(10), [&] { return pending.size() >= count; });
  };
  REQUIRE(wait_for(kMostBytes / kBytes));
  std::size_t most = 0;
  for (std::size_t durable = 0; durable < kEpochs * kLanes; ++durable) {
    REQUIRE(wait_for(1));
    {
      const std::lock_guard lock(backlog->mutex);
      most = std::max<std::size_t>(most, backlog->bytes);
    }
    std::function<void()> told;
    {
      const std::lock_guard lock(mutex);
      told = std::move(pending.front());
      pending.pop_front();
    }
    told();
  }
  CHECK(most <= kMostBytes);
  CHECK(backlog->bytes == 0);
}
