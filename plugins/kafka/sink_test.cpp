// KafkaSink against Apache Kafka's own broker.
#include <doctest/doctest.h>

#include <chrono>
#include <set>
#include <thread>

#include "kafka_sink_test.h"
#include "weir/errors.h"
#include "weir/plugin.h"
#include "weir/testkit.h"
#include "weir/testkit_lane.h"

using namespace weir::kafka::testing;
using weir::testing::KafkaBroker;
using weir::testkit::Runner;

TEST_CASE("each record becomes a message, in order for each key, with headers and partitions from expressions") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("records", 3);
  Runner runner(type(), settings(broker->brokers(),
                                 "topic: records\nkey: id\nheaders: {kind: \"k-$(id)\", fixed: f}\n"
                                 "header_attributes: [kafka.header.*, trace]\n"));
  std::string lines;
  for (int i = 0; i < 300; ++i)
    lines += "{\"id\":\"s-" + std::to_string(i % 7) + "\",\"n\":" + std::to_string(i) + ".10}\n";
  runner.push(lines, {{"kafka.header.from", "x"}, {"trace", "t1"}, {"other", "no"}}, 300);
  REQUIRE(deliver(runner));
  const auto got = client.read("records", 3);
  REQUIRE(got.size() == 300);
  std::map<std::string, int> last;
  std::map<std::string, std::set<int>> partitions;
  for (const auto& message : got) {
    const auto n = std::stoi(message.value->substr(message.value->find("\"n\":") + 4));
    CHECK(message.value == "{\"id\":\"" + message.key + "\",\"n\":" + std::to_string(n) + ".10}");
    if (last.contains(message.key)) CHECK(last[message.key] < n);
    last[message.key] = n;
    partitions[message.key].insert(message.partition);
    CHECK(message.headers == std::map<std::string, std::string>{
                                 {"kind", "k-" + message.key}, {"fixed", "f"}, {"from", "x"}, {"trace", "t1"}});
  }
  CHECK(last.size() == 7);
  for (const auto& [key, of_key] : partitions) CHECK(of_key.size() == 1);
  REQUIRE(!runner.events().empty());
  CHECK(runner.events()[0].type == "SEND");
  CHECK(runner.metric("kafka_messages") == 300);
}

TEST_CASE("a whole FlowFile becomes one message, whatever it holds; a tombstone has no value") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("whole");
  Runner runner(type(), settings(broker->brokers(), "topic: whole\nmessage: flowfile\nkey: attr('k')\n"));
  runner.push("line 1\nline 2\n", {{"k", "a"}});
  runner.push("", {{"k", "b"}, {"kafka.tombstone", "true"}});
  runner.push("", {{"k", "c"}});
  REQUIRE(deliver(runner));
  const auto got = client.read("whole");
  CHECK(values(got) == "line 1\nline 2\n,(none),,");
  CHECK(got[1].key == "b");
}

TEST_CASE("a time of the very first millisecond is a time, and not none") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("epoch");
  Runner runner(type(), settings(broker->brokers(), "topic: epoch\ntimestamp: t\n"));
  runner.push("{\"t\":0}\n{\"t\":1600000000000}\n", {}, 2);
  REQUIRE(deliver(runner));
  const auto got = client.read("epoch");
  REQUIRE(got.size() == 2);
  CHECK(got[0].timestamp == 1);  // librdkafka takes 0 for none
  CHECK(got[1].timestamp == 1'600'000'000'000);
}

TEST_CASE("a topic that the flow names and that does not exist is waited for") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  Runner runner(type(),
                settings(broker->brokers(), "topic: later\noptions: {topic.metadata.propagation.max.ms: '300'}\n"));
  runner.push("{\"n\":0}");
  std::string message;
  for (int i = 0; i < 100 && message.empty(); ++i) {
    try {
      runner.run();
      runner.durable();
      runner.advance(std::chrono::seconds(1));
    } catch (const weir::Unavailable& error) {
      message = error.what();
    }
  }
  CHECK(message == "the topic 'later' does not exist; it is waited for");
  CHECK(runner.take("failure").empty());
  client.create_topic("later");
  REQUIRE(deliver(runner));
  CHECK(values(client.read("later")) == numbers(0, 1));
}

TEST_CASE("FlowFiles are held until the brokers have them, over a broker that is down at start and dies midway") {
  if (KafkaBroker::shared() == nullptr) return;
  KafkaBroker broker({}, false);
  Runner runner(type(), settings(broker.brokers(), "topic: t\noptions: {reconnect.backoff.max.ms: '300'}\n"));
  for (int i = 0; i < 10; ++i) runner.push("{\"n\":" + std::to_string(i) + "}");
  runner.run();
  runner.durable();
  CHECK(runner.held() == 10);
  CHECK(runner.dropped().empty());
  broker.start();
  TestClient(broker.brokers()).create_topic("t");
  REQUIRE(deliver(runner));
  broker.kill();
  for (int i = 10; i < 20; ++i) runner.push("{\"n\":" + std::to_string(i) + "}");
  runner.run();
  runner.durable();
  CHECK(runner.held() == 10);
  broker.start();
  REQUIRE(deliver(runner));
  CHECK(values(TestClient(broker.brokers()).read("t")) == numbers(0, 20));
}

TEST_CASE("exactly once: what was committed before a crash is not sent again, and its outcome is repeated") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  static int number = 0;
  const auto topic = "once-" + std::to_string(++number);
  client.create_topic(topic);
  Runner runner(type(), settings(broker->brokers(), "topic: " + topic + "\nkey: n\n"), exactly_once_as(topic));
  const auto push = [&](int from, int to) {
    for (int i = from; i < to; ++i) runner.push("{\"n\":" + std::to_string(i) + "}");
  };
  SUBCASE("a crash before the commit: nothing of it is seen") {
    push(0, 5);
    runner.run();
    runner.crash();
    CHECK(client.read(topic).empty());
    push(5, 7);
    REQUIRE(deliver(runner));
  }
  SUBCASE("a crash after the commit and before the epoch") {
    push(0, 5);
    runner.push("{\"no\":\"key\"}");
    runner.run();
    runner.flush();  // committed in Kafka; no epoch knows
    CHECK(runner.take("failure").size() == 1);
    runner.crash();
    CHECK(runner.queued() == 6);
    runner.run();
    runner.durable();
    const auto failed = runner.take("failure");
    REQUIRE(failed.size() == 1);
    CHECK(failed[0].attributes.at("error.message") == "the key is NULL");
    push(5, 7);
    REQUIRE(deliver(runner));
  }
  CHECK(values(client.read(topic)) == numbers(0, 7));
  CHECK(runner.metric("kafka_commits") >= 1);
}

TEST_CASE("exactly once: one that is fenced, and a broker that dies, cost nothing and repeat nothing") {
  if (KafkaBroker::shared() == nullptr) return;
  KafkaBroker broker;
  std::string id;
  {
    TestClient client(broker.brokers());
    client.create_topic("t");
  }
  Runner runner(type(), settings(broker.brokers(), "topic: t\noptions: {reconnect.backoff.max.ms: '300'}\n"),
                exactly_once_as("processor"));
  const auto push = [&](int from, int to) {
    for (int i = from; i < to; ++i) runner.push("{\"n\":" + std::to_string(i) + "}");
    runner.run();
  };
  push(0, 5);
  REQUIRE(deliver(runner));
  {
    TestClient client(broker.brokers());
    const auto progress = client.read("weir-progress");
    REQUIRE(progress.size() == 1);
    CHECK(progress[0].value == "next 5\n");
    id = progress[0].key.substr(0, progress[0].key.find(' '));
  }
  push(5, 10);  // in an open transaction
  char text[512];
  auto* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", broker.brokers().c_str(), text, sizeof text);
  rd_kafka_conf_set(conf, "transactional.id", ("weir-" + id + "-flow-processor").c_str(), text, sizeof text);
  rd_kafka_conf_set(conf, "log_level", "0", text, sizeof text);
  auto* other = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
  REQUIRE(rd_kafka_init_transactions(other, 20'000) == nullptr);
  rd_kafka_destroy(other);
  REQUIRE(deliver(runner));
  push(10, 15);
  broker.kill();
  broker.start();
  REQUIRE(deliver(runner));
  CHECK(values(TestClient(broker.brokers()).read("t")) == numbers(0, 15));
}

TEST_CASE("exactly once: a producer that is thrown away while it adds partitions to its transaction harms nothing") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("thrown-away", 50);
  Runner runner(type(), settings(broker->brokers(), "topic: thrown-away\npartition: n\n"),
                exactly_once_as("thrown-away"));
  for (int i = 0; i < 50; ++i) runner.push("{\"n\":" + std::to_string(i) + "}");
  for (int round = 0; round < 5; ++round) {
    runner.run();
    std::this_thread::sleep_for(std::chrono::microseconds(500 * round));
    runner.crash();
  }
  CHECK(client.read("thrown-away", 50).empty());
  REQUIRE(deliver(runner));
  CHECK(client.read("thrown-away", 50).size() == 50);
}

TEST_CASE("exactly once: a broker that is down at start is waited for before any input is taken") {
  if (KafkaBroker::shared() == nullptr) return;
  CHECK_THROWS_AS(Runner(type(), settings("127.0.0.1:9", "topic: t\n"), exactly_once_as("processor")),
                  weir::Unavailable);
}

TEST_CASE("a sink that has nothing to send says too that the brokers are away, and when they are back") {
  if (KafkaBroker::shared() == nullptr) return;
  KafkaBroker broker;
  TestClient(broker.brokers()).create_topic("t");
  const std::string yaml = settings(broker.brokers(), "topic: t\noptions: {reconnect.backoff.max.ms: '300'}\n");
  Runner least(type(), yaml);
  Runner once(type(), yaml, exactly_once_as("idle"));
  for (auto* runner : {&least, &once}) {
    runner->push("{\"n\":0}");
    REQUIRE(deliver(*runner));
    CHECK(runner->not_ready().empty());
  }
  broker.kill();
  for (auto* runner : {&least, &once}) {
    CHECK(runner->run_until([&] { return runner->not_ready().starts_with("no broker can be reached"); },
                            std::chrono::seconds(30)));
  }
  broker.start();
  for (auto* runner : {&least, &once}) {
    runner->run_until([&] { return runner->tick(), runner->not_ready().empty(); }, std::chrono::seconds(30));
    CHECK(runner->not_ready() == "");
  }
}

TEST_CASE("exactly once: a progress topic that would forget is refused") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  for (const char* topic : {"forgetful", "remembered"}) client.create_topic(topic);
  CHECK_THROWS_WITH(Runner(type(), settings(broker->brokers(), "topic: remembered\nprogress_topic: forgetful\n"),
                           exactly_once_as("forgetful")),
                    doctest::Contains("has cleanup.policy=delete"));
}

TEST_CASE("what is wrong is said when the flow is validated") {
  const auto error = [](const std::string& yaml) -> std::string {
    try {
      Runner runner(type(), yaml);
    } catch (const std::exception& e) {
      return e.what();
    }
    return "";
  };
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  CHECK(has(error("brokers: x\ntopic: t\noptions: {lingr.ms: '1'}\n"), "did you mean 'linger.ms'"));
  CHECK(has(error("brokers: x\ntopic: t\noptions: {linger.ms: soon}\n"), "linger.ms"));
  CHECK(has(error("brokers: x\ntopic: t\noptions: {fetch.min.bytes: '1'}\n"), "option of consumers"));
  CHECK(has(error("brokers: x\ntopic: t\noptions: {transactional.id: me}\n"), "delivery: exactly_once"));
  CHECK(has(error("brokers: x\ntopic: a b\n"), "has characters other than"));
  CHECK(has(error("brokers: x\ntopic: t\nheader_attributes: ['a*b']\n"), "header_attributes"));
  CHECK(has(error("brokers: x\ntopic: t\nprogress_topic: ''\n"), "progress_topic"));
  CHECK(has(error("brokers: x\ntopic: t\nprogress_topic: t\n"), "another than the topic of the data"));
  CHECK(has(error("brokers: x\ntopic: t\noptions: {max.in.flight: '10'}\n"), "refuses them together: `max.in.flight`"));
  CHECK(error("brokers: x\ntopic: t\nacks: '1'\noptions: {max.in.flight: '10'}\n").empty());
}

TEST_CASE("a lane goes on where its last owner committed, who can commit no more") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("of-lanes");
  const auto as = [](weir::testkit::TestLane& lane) {
    auto options = exactly_once_as("of-lanes");
    options.lane = &lane;
    return options;
  };
  const auto round = [](Runner& runner, weir::testkit::TestLane& lane, std::int64_t end, int n) {
    lane.round(lane.last, end);
    runner.push("{\"n\":" + std::to_string(n) + "}");
    return deliver(runner, std::chrono::seconds(lane.lost_because.empty() ? 20 : 1));
  };
  weir::testkit::TestLane lane;
  Runner before(type(), settings(broker->brokers(), "topic: of-lanes\n"), as(lane));
  CHECK(lane.claimed_at == 0);
  CHECK(round(before, lane, 10, 0));
  CHECK(round(before, lane, 25, 1));

  weir::testkit::TestLane next;
  Runner after(type(), settings(broker->brokers(), "topic: of-lanes\n"), as(next));
  CHECK(next.claimed_at == 25);
  lane.round(25, 40);
  before.push("{\"n\":2}");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (lane.lost_because.empty() && std::chrono::steady_clock::now() < deadline) {
    try {
      before.run();
      before.durable();
    } catch (const weir::Unavailable&) {
    }
  }
  CHECK(!lane.lost_because.empty());
  CHECK(before.held() + before.queued() == 1);
  next.last = 25;
  // The one before may have taken its transactional id back before it saw that the lane is another's.
  if (!round(after, next, 30, 3)) CHECK(!next.lost_because.empty());
  weir::testkit::TestLane last;
  Runner again(type(), settings(broker->brokers(), "topic: of-lanes\n"), as(last));
  if (last.claimed_at == 25) CHECK(round(again, last, 30, 3));
  CHECK(values(client.read("of-lanes")) == "{\"n\":0},{\"n\":1},{\"n\":3},");
}

TEST_CASE("what a lane's round has refused is at failure before the round is committed") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("lane-refuses", 1, {{"max.message.bytes", "2000"}});
  weir::testkit::TestLane lane;
  auto options = exactly_once_as("lane-refuses");
  options.lane = &lane;
  Runner runner(type(), settings(broker->brokers(), "topic: lane-refuses\nkey: n\ncompression: none\n"), options);
  lane.round(0, 10);
  // One that makes no message, and one that only the broker refuses.
  const auto large = "{\"n\":2,\"pad\":\"" + std::string(3000, 'x') + "\"}";
  runner.push("{\"n\":0}\n{\"m\":1}\n{\"n\":1}\n");
  runner.push(large);
  std::string failed;
  std::size_t in_topic = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(40);
  while (runner.held() + runner.queued() > 0 && std::chrono::steady_clock::now() < deadline) {
    try {
      runner.run();
      runner.flush();
    } catch (const weir::Unavailable&) {
    }
    for (const auto& output : runner.take("failure")) {
      failed += output.content.substr(0, 7) + ";";
      in_topic = std::max(in_topic, client.read("lane-refuses").size());
      runner.advance(std::chrono::seconds(21));  // it takes long on its way
    }
  }
  CHECK(in_topic == 0);
  CHECK(lane.lost_because.empty());
  const auto logs = runner.logs();
  CHECK(std::ranges::any_of(logs,
                            [](const auto& log) { return log.message.starts_with("the transaction is given up"); }));
  CHECK(runner.held() == 0);
  CHECK(failed == "{\"m\":1};{\"n\":2,;");
  CHECK(values(client.read("lane-refuses")) == numbers(0, 2));
  CHECK(runner.metric("kafka_rejected") == 2);
}
