// What the sinks promise, with the real weir killed (SIGKILL) again and again between a topic and two others, and with
// the brokers killed around it.
#include <doctest/doctest.h>

#include <fstream>
#include <functional>

#include "tests/servers/kafka.h"
#include "weir_process_test.h"

using namespace weir::kafka::testing;
using weir::testing::KafkaBroker;
using weir::testing::KafkaCluster;

namespace {

constexpr int kMessages = 20'000;
constexpr int kKills = 4;
constexpr int kKeys = 40;
constexpr int kPartitions = 3;

/// Until a consumer with read_committed finds so many; asked now and then, since each time it reads them all.
void wait_for(TestClient& client, const std::string& topic, std::size_t count, const Weir& weir) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(90);
  while (client.read(topic, kPartitions).size() < count)
    if (std::chrono::steady_clock::now() > deadline) FAIL("Weir delivers no more:\n", weir.log());
}

void check_delivery(TestClient& client, const Weir& weir) {
  wait_for(client, "once", kMessages, weir);
  wait_for(client, "least", kMessages, weir);
  const auto once = arrived(client.read("once", kPartitions));
  CHECK(once.messages == kMessages);
  CHECK(once.numbers.size() == kMessages);
  CHECK(once.ordered);
  CHECK(arrived(client.read("least", kPartitions)).numbers.size() == kMessages);
}

}  // namespace

TEST_CASE("over kill -9, exactly once delivers each message once and in order, at least once loses none") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  for (const char* topic : {"in", "once", "least"}) client.create_topic(topic, kPartitions);
  const Folder folder;
  std::ofstream(folder.path() / "flow.yaml") << flow_between_topics(broker->brokers());
  for (int life = 0; life <= kKills; ++life) {
    Weir weir(folder.path(), life);
    const int to = kMessages * (life + 1) / (kKills + 1);
    const int from = kMessages * life / (kKills + 1);
    produce_numbers(client, from, to, kKeys);
    if (life == kKills) {
      check_delivery(client, weir);
      break;
    }
    // Somewhere in the middle of what it is given in this life.
    wait_for(client, "once", static_cast<std::size_t>(from + (to - from) * (life + 1) / (kKills + 2)), weir);
    weir.kill();
  }
}

TEST_CASE("over kill -9 of one broker after the other, leaders move, and both deliveries hold what they promise") {
  if (!KafkaBroker::available()) return;
  KafkaCluster cluster;
  TestClient client(cluster.brokers());
  for (const char* topic : {"in", "once", "least"})
    client.create_topic(topic, kPartitions, {}, static_cast<int>(KafkaCluster::kNodes));
  const Folder folder;
  std::ofstream(folder.path() / "flow.yaml") << flow_between_topics(cluster.brokers());
  Weir weir(folder.path(), 0);
  constexpr int kRounds = 2;
  for (int round = 0; round < kRounds; ++round) {
    const int from = kMessages * round / kRounds;
    const int to = kMessages * (round + 1) / kRounds;
    produce_numbers(client, from, (from + to) / 2, kKeys);
    wait_for(client, "once", static_cast<std::size_t>(from + 1), weir);
    // Whoever leads a partition of the exactly-once topic, in the midst of its transactions.
    const int leader = client.leader("once", round % kPartitions);
    REQUIRE(leader > 0);
    auto& node = cluster.node(static_cast<std::size_t>(leader) - 1);
    node.kill();
    produce_numbers(client, (from + to) / 2, to, kKeys);
    wait_for(client, "once", static_cast<std::size_t>(to), weir);  // the two others are enough
    CHECK(client.leader("once", round % kPartitions) != leader);
    node.start();
  }
  check_delivery(client, weir);
}
