// KafkaSource as a member of a group that shares out its partitions anew, against Apache Kafka's own broker: by range
// with Debian's librdkafka, cooperatively with a newer one (scripts/librdkafka).
#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <thread>

#include "assignment.h"
#include "kafka_source_test.h"
#include "tests/servers/kafka.h"

using weir::kafka::testing::TestClient;
using weir::testing::KafkaBroker;
using weir::testkit::Runner;
using namespace weir::kafka::testing::source;

namespace {

/// A member of the group that never says what it has read. It answers rebalances only while it is polled.
class Member {
 public:
  /// By default it shares as KafkaSource does, or they have no group.
  Member(const std::string& brokers, const std::string& topic, const std::string& group,
         const std::string& strategy = weir::kafka::assignment_strategy()) {
    auto* conf = rd_kafka_conf_new();
    for (const auto& [name, value] : std::map<std::string, std::string>{{"bootstrap.servers", brokers},
                                                                        {"group.id", group},
                                                                        {"partition.assignment.strategy", strategy},
                                                                        {"session.timeout.ms", "6000"},
                                                                        {"max.poll.interval.ms", "6000"},
                                                                        {"heartbeat.interval.ms", "100"},
                                                                        {"enable.auto.commit", "false"},
                                                                        {"log_level", "0"}})
      REQUIRE(rd_kafka_conf_set(conf, name.c_str(), value.c_str(), nullptr, 0) == RD_KAFKA_CONF_OK);
    // With a callback, a rebalance waits for the poll that calls it; without, librdkafka's own thread answers.
    rd_kafka_conf_set_rebalance_cb(
        conf, [](rd_kafka_t* client, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list, void*) {
          const bool given = error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
          if (std::string_view(rd_kafka_rebalance_protocol(client)) == "COOPERATIVE") {
            given ? static_cast<void>(weir::kafka::take_up(client, list)) : weir::kafka::give_up(client, list);
          } else {
            rd_kafka_assign(client, given ? list : nullptr);
          }
        });
    client_ = rd_kafka_new(RD_KAFKA_CONSUMER, conf, nullptr, 0);
    rd_kafka_poll_set_consumer(client_);
    auto* topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic.c_str(), RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(client_, topics);
    rd_kafka_topic_partition_list_destroy(topics);
  }
  ~Member() {
    rd_kafka_consumer_close(client_);
    rd_kafka_destroy(client_);
  }
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  /// False: the group has given it nothing.
  bool wait_for_partitions() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (count() == 0 && std::chrono::steady_clock::now() < deadline) poll();
    return count() > 0;
  }
  void poll() {
    if (auto* message = rd_kafka_consumer_poll(client_, 50)) rd_kafka_message_destroy(message);
  }

 private:
  int count() const {
    rd_kafka_topic_partition_list_t* list = nullptr;
    rd_kafka_assignment(client_, &list);
    const int count = list->cnt;
    rd_kafka_topic_partition_list_destroy(list);
    return count;
  }

  rd_kafka_t* client_;
};

}  // namespace

TEST_CASE("a batch run does not take it for the end that the group takes all partitions away and gives none yet") {
  if (weir::kafka::cooperative()) return;  // then members keep what stays theirs
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("shared-out", 2);
  Runner runner(type(),
                settings(broker->brokers(),
                         "topic: shared-out\ngroup: shared-out\nemit: each\n"
                         "options: {heartbeat.interval.ms: '100', session.timeout.ms: '6000'}\n"),
                {.until_idle = true});
  runner.run();  // it joins
  REQUIRE(logs(runner, "the group 'shared-out' gives us 2 more partitions"));
  for (int i = 0; i < 20; ++i) client.produce("shared-out", std::to_string(i), {}, i % 2);
  client.flush();
  {
    Member silent(broker->brokers(), "shared-out", "shared-out");
    REQUIRE(silent.wait_for_partitions());  // and from now on it answers no rebalance
    REQUIRE(logs(runner, "the group 'shared-out' gives us 1 more partitions"));
    const auto taken = [&] {
      return std::ranges::count_if(
          runner.logs(), [](const auto& log) { return log.message.starts_with("the group 'shared-out' takes "); });
    };
    const auto before = taken();
    const Member third(broker->brokers(), "shared-out", "shared-out");
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (taken() == before && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    REQUIRE(taken() > before);
    runner.run();  // while the group waits for the silent one
    CHECK(!runner.finished());
  }
  std::set<std::string> all;
  runner.run_until([&] {
    for (const auto& output : runner.take("success")) all.insert(output.content);
    return runner.finished();
  });
  CHECK(runner.finished());
  CHECK(all.size() == 20);
}

TEST_CASE("a batch run waits for what the others of its group give up to it") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("given-up", 2);
  for (int i = 0; i < 20; ++i) client.produce("given-up", std::to_string(i), {}, i % 2);
  client.flush();
  Member holder(broker->brokers(), "given-up", "given-up");
  REQUIRE(holder.wait_for_partitions());
  const std::jthread answers([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) holder.poll();
  });
  Runner runner(type(),
                settings(broker->brokers(),
                         "topic: given-up\ngroup: given-up\nemit: each\n"
                         "options: {heartbeat.interval.ms: '100', session.timeout.ms: '6000'}\n"),
                {.until_idle = true});
  CHECK(runner.run_until([&] { return runner.finished(); }));
  CHECK(runner.take("success").size() == 10);
}

TEST_CASE(
    "where the others share the partitions in another way the operator is told, and it joins when they have gone") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("mixed");
  client.produce("mixed", "here");
  client.flush();
  std::optional<Member> other(std::in_place, broker->brokers(), "mixed", "mixed", "roundrobin");
  REQUIRE(other->wait_for_partitions());
  Runner runner(type(), settings(broker->brokers(), "topic: mixed\ngroup: mixed\n"));
  CHECK(runner.run_until([&] {
    other->poll();
    return said(runner, std::string("do not share its partitions by ") + weir::kafka::assignment_strategy());
  }));
  other.reset();
  CHECK(contents(take(runner, 1)) == std::vector<std::string>{"here"});
}

TEST_CASE("two members share the partitions, and what one read the other does not read again") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("shared", 4);
  const auto produce = [&](int from, int to) {
    for (int i = from; i < to; ++i) client.produce("shared", std::to_string(i), {}, i % 4);
    client.flush();
  };
  produce(0, 40);
  const auto yaml = settings(broker->brokers(), "topic: shared\ngroup: g-shared\n");
  Runner first(type(), yaml);
  std::multiset<std::string> seen;
  const auto distinct = [&] { return std::set<std::string>(seen.begin(), seen.end()).size(); };
  const auto collect = [&](Runner& runner) {
    runner.run();
    runner.durable();
    std::size_t count = 0;
    for (const auto& output : runner.take("success")) ++count, seen.insert(output.content);
    return count;
  };
  REQUIRE(first.run_until([&] { return collect(first), distinct() >= 40; }));
  REQUIRE(first.run_until([&] { return client.committed("g-shared", "shared", 3) == 10; }));
  {
    Runner second(type(), yaml);
    std::size_t of_second = 0;
    int next = 40;
    CHECK(second.run_until([&] {
      produce(next, next + 4);
      next += 4;
      collect(first);
      of_second += collect(second);
      return of_second > 0;
    }));
    CHECK(second.run_until(
        [&] { return collect(first), collect(second), distinct() >= static_cast<std::size_t>(next); }));
    for (int i = 0; i < next; ++i) CHECK_MESSAGE(seen.contains(std::to_string(i)), i);
    for (int i = 0; i < 40; ++i) CHECK_MESSAGE(seen.count(std::to_string(i)) == 1, i);  // committed before
  }
  client.produce("shared", "last", {}, 3);
  client.flush();
  CHECK(first.run_until([&] { return collect(first), seen.contains("last"); }));
}
