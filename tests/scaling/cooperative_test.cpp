// What cooperative rebalancing gives, with a librdkafka that has it (scripts/librdkafka): what stays with a Weir is
// never taken from it, and it goes on with that while the group shares out the rest.
#include <doctest/doctest.h>
#include <librdkafka/rdkafka.h>

#include <chrono>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "assignment.h"
#include "kafka_test.h"
#include "tests/scaling/workers_test.h"
#include "tests/servers/kafka.h"

namespace {

using weir::kafka::testing::TestClient;
using weir::testing::KafkaBroker;
using weir::testing::kPartitions;
using weir::testing::kSensors;
using weir::testing::Readings;
using weir::testing::Worker;
using Clock = std::chrono::steady_clock;

constexpr auto kPatience = std::chrono::seconds(60);

std::string flow_of(const std::string& brokers, bool lanes) {
  return std::string("flow: share\n") + (lanes ? "scale_out: true\n" : "") + "processors:\n  in: {type: KafkaSource, " +
         "brokers: \"" + brokers +
         "\", topic: readings, group: share, emit: chunk, chunk_size: 4KiB,\n"
         "    options: {session.timeout.ms: \"45000\", heartbeat.interval.ms: \"200\"}, to: raw}\n"
         "  raw: {type: KafkaSink, brokers: \"" +
         brokers + "\", topic: raw, key: k, " + (lanes ? "delivery: exactly_once, " : "") + "drop: failure}\n";
}

/// Some Weirs that share a topic, and what has come through them.
class Shared {
 public:
  explicit Shared(bool lanes)
      : broker_({"group.initial.rebalance.delay.ms=0"}),
        client_(broker_.brokers()),
        folder_(weir::testing::temporary_folder("weir-cooperative")),
        readings_(client_) {
    client_.create_topic("readings", kPartitions);
    client_.create_topic("raw", kPartitions);
    std::ofstream(folder_ / "flow.yaml") << flow_of(broker_.brokers(), lanes);
  }
  ~Shared() {
    workers_.clear();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  void add() { workers_.push_back(std::make_unique<Worker>(folder_ / "flow.yaml", static_cast<int>(workers_.size()))); }
  Worker& worker(std::size_t i) { return *workers_[i]; }
  /// So many more readings; returns the number of the first.
  int produce(int count) {
    const auto first = static_cast<int>(readings_.count());
    readings_.produce(count);
    return first;
  }
  /// How often each reading from `first` on has come through.
  std::map<int, int> through(int first = 0) {
    std::map<int, int> times;
    for (const auto& message : client_.read("raw", kPartitions)) {
      const int n = std::stoi(message.value->substr(message.value->find("\"n\":") + 4));
      if (n >= first) ++times[n];
    }
    return times;
  }
  /// The group waits for somebody to answer.
  bool held_up() { return client_.group("share").state == RD_KAFKA_CONSUMER_GROUP_STATE_PREPARING_REBALANCE; }
  /// So many members have the same number of partitions.
  bool shared_by(std::size_t members) {
    const auto group = client_.group("share");
    return group.state == RD_KAFKA_CONSUMER_GROUP_STATE_STABLE && group.members.size() == members &&
           std::ranges::all_of(group.members, [&](const auto& of) { return of.size() == kPartitions / members; });
  }
  template <class Condition>
  void wait_for(const char* what, Condition&& condition) {
    for (const auto deadline = Clock::now() + kPatience; !condition();) {
      if (Clock::now() > deadline) FAIL("waited for ", what, weir::testing::all_logs(workers_));
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
  void wait_for_all() {
    wait_for("all readings", [&] { return through().size() == readings_.count(); });
  }

 private:
  KafkaBroker broker_;
  TestClient client_;
  std::filesystem::path folder_;
  Readings readings_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

/// Of the numbers between `before` and `after`.
int sum_between(const std::string& text, const std::string& before, const std::string& after) {
  int sum = 0;
  for (auto at = text.find(before); at != std::string::npos; at = text.find(before, at + 1)) {
    const auto number = at + before.size();
    sum += std::stoi(text.substr(number, text.find(after, number) - number));
  }
  return sum;
}

/// The partition of `readings` that a reading is in.
int partition_of(int reading) {
  return reading * 7 % kSensors % kPartitions;
}

/// Two Weirs that share the topic.
void begin(Shared& shared) {
  shared.add();
  shared.produce(600);
  shared.wait_for_all();
  shared.add();
  shared.wait_for("two to share", [&] { return shared.shared_by(2); });
  shared.produce(600);
  shared.wait_for_all();
}

/// A third comes, and the whole group waits for the second, which hangs. Returns the partitions of what is delivered
/// meanwhile, which must be half of all that comes.
std::set<int> hold_up(Shared& shared) {
  shared.worker(1).freeze();
  shared.add();
  shared.wait_for("the group to be held up", [&] { return shared.held_up(); });
  const int mark = shared.produce(600);
  std::map<int, int> delivered;
  shared.wait_for("what the first delivers meanwhile",
                  [&] { return (delivered = shared.through(mark)).size() >= 300; });
  CHECK(shared.held_up());
  std::set<int> partitions;
  for (const auto& [reading, times] : delivered) partitions.insert(partition_of(reading));
  return partitions;
}

/// The second goes on, and the group shares out.
void let_go(Shared& shared) {
  shared.worker(1).thaw();
  shared.wait_for("three to share", [&] { return shared.shared_by(3); });
  shared.produce(600);
  shared.wait_for_all();
}

}  // namespace

TEST_CASE("what stays with a KafkaSource is not taken from it, and it delivers while the group is held up") {
  REQUIRE(weir::kafka::cooperative());
  if (!KafkaBroker::available()) return;
  Shared shared(false);
  begin(shared);
  CHECK(hold_up(shared).size() == kPartitions / 2);
  let_go(shared);
  // Of six it gave three up to the second, and one to the third.
  const auto log = shared.worker(0).log();
  CHECK_MESSAGE(sum_between(log, "the group 'share' gives us ", " more partitions") == kPartitions, log);
  CHECK_MESSAGE(sum_between(log, "the group 'share' takes ", " partitions away") == kPartitions - 2, log);
}

TEST_CASE("lanes that stay with a Weir go on while the group is held up, and are not begun anew") {
  REQUIRE(weir::kafka::cooperative());
  if (!KafkaBroker::available()) return;
  Shared shared(true);
  begin(shared);
  CHECK(hold_up(shared).size() == kPartitions / 2);
  let_go(shared);
  const auto log = shared.worker(0).log();
  for (int partition = 0; partition < kPartitions; ++partition)
    CHECK_MESSAGE(count_of(log, "readings/" + std::to_string(partition) + ": goes on at") == 1, log);
  for (const auto& [reading, times] : shared.through()) CHECK_MESSAGE(times == 1, reading);
}

TEST_CASE("a Weir that is stopped while the group is held up ends, though the group does not answer") {
  REQUIRE(weir::kafka::cooperative());
  if (!KafkaBroker::available()) return;
  bool lanes = false;
  SUBCASE("a KafkaSource") {}
  SUBCASE("lanes") {
    lanes = true;
  }
  Shared shared(lanes);
  begin(shared);
  hold_up(shared);
  shared.worker(0).stop();
  const auto log = shared.worker(0).log();
  CHECK_MESSAGE(log.ends_with("info stopped; what is queued is kept\n"), log);
}
