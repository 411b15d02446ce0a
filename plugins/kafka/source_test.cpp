// KafkaSource against Apache Kafka's own broker.
#include <doctest/doctest.h>

#include <algorithm>

#include "kafka_source_test.h"
#include "tests/servers/kafka.h"
#include "weir/plugin.h"
#include "weir/testkit.h"

using weir::kafka::testing::TestClient;
using weir::testing::KafkaBroker;
using weir::testkit::Runner;
using namespace weir::kafka::testing::source;

TEST_CASE("a message becomes a FlowFile with its topic, partition, offset, time, key and headers as attributes") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("attributes", 2);
  client.produce("attributes", R"({"t":1})", "s-1", 1, {{"unit", "C"}, {"raw", std::string("\xff\x00", 2)}},
                 1'700'000'000'123);
  client.produce("attributes", std::nullopt, std::string_view("\x80\x01", 2), 1);
  client.flush();
  Runner runner(type(), settings(broker->brokers(), "topic: attributes\nemit: each\n"));
  const auto got = take(runner, 2);
  REQUIRE(got.size() == 2);
  CHECK(got[0].content == R"({"t":1})");
  CHECK(got[0].attributes == weir::testkit::Attributes{{"kafka.topic", "attributes"},
                                                       {"kafka.partition", "1"},
                                                       {"kafka.offset", "0"},
                                                       {"kafka.timestamp", "1700000000123"},
                                                       {"kafka.key", "s-1"},
                                                       {"kafka.header.unit", "C"},
                                                       {"kafka.header.raw.hex", "ff00"}});
  CHECK(got[1].content.empty());
  CHECK(got[1].attributes.at("kafka.key.hex") == "8001");
  CHECK(got[1].attributes.at("kafka.tombstone") == "true");
  REQUIRE(!runner.events().empty());
  CHECK(runner.events()[0].type == "RECEIVE");
  CHECK(runner.events()[0].transit_uri == "kafka://" + broker->brokers() + "/attributes");
}

TEST_CASE("messages of a partition come in order, also as chunks; what is no line stays a FlowFile of its own") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("chunks", 2);
  for (const char* value : {"1", "2", "3\n4", "5", "6"}) client.produce("chunks", value, {}, 0);
  client.produce("chunks", "other", {}, 1);
  client.flush();
  Runner runner(type(), settings(broker->brokers(), "topic: chunks\nemit: chunk\n"));
  std::string joined;
  std::string other;
  CHECK(runner.run_until([&] {
    for (const auto& output : runner.take("success"))
      (output.attributes.at("kafka.partition") == "0" ? joined : other) += output.content + "|";
    return joined.ends_with("6\n|") && !other.empty();
  }));
  // How many messages a chunk holds depends on what came together; their order does not.
  std::string flat = joined;
  std::erase(flat, '|');
  std::erase(flat, '\n');
  CHECK(flat == "123456");
  CHECK(joined.find("|3\n4|") != std::string::npos);
  CHECK(other == "other\n|");
}

TEST_CASE("offsets are committed only after the epoch is durable") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("commits");
  for (int i = 0; i < 10; ++i) client.produce("commits", std::to_string(i));
  client.flush();
  Runner runner(type(), settings(broker->brokers(), "topic: commits\ngroup: g-commits\n"));
  REQUIRE(take(runner, 10).size() == 10);
  CHECK(!client.committed("g-commits", "commits"));
  runner.durable();
  CHECK(runner.run_until([&] { return client.committed("g-commits", "commits") == 10; }));
}

TEST_CASE("after a crash reading goes on where the durable epoch ended, though less was committed") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  static int number = 0;
  const auto topic = "crash-" + std::to_string(++number);
  client.create_topic(topic);
  for (int i = 0; i < 10; ++i) client.produce(topic, std::to_string(i));
  client.flush();
  Runner runner(type(), settings(broker->brokers(), "topic: " + topic + "\ngroup: " + topic + "\n"));
  CHECK(contents(take(runner, 10)) == numbers(0, 10));
  SUBCASE("what was durable does not come again") {
    runner.durable();
    runner.crash();
    client.commit(topic, topic, 4);
    client.produce(topic, "10");
    client.flush();
    CHECK(contents(take(runner, 1)) == numbers(10, 11));
  }
  SUBCASE("what was not durable comes again") {
    runner.crash();
    CHECK(contents(take(runner, 10)) == numbers(0, 10));
  }
}

TEST_CASE("an operator's reset of the group is obeyed, with a bulletin") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("reset");
  for (int i = 0; i < 6; ++i) client.produce("reset", std::to_string(i));
  client.flush();
  Runner runner(type(), settings(broker->brokers(), "topic: reset\ngroup: g-reset\n"));
  REQUIRE(take(runner, 6).size() == 6);
  runner.durable();
  REQUIRE(runner.run_until([&] { return client.committed("g-reset", "reset") == 6; }));
  client.produce("reset", "6");  // with it the state learns what Kafka confirmed
  client.flush();
  REQUIRE(take(runner, 1).size() == 1);
  runner.restart();
  REQUIRE(runner.run_until([&] { return client.committed("g-reset", "reset") == 7; }));
  // A member of a cooperative group that was given nothing yet does not leave it (librdkafka 2.15.1).
  REQUIRE(runner.run_until([&] {
    return std::ranges::count_if(runner.logs(), [](const auto& log) {
             return log.message == "the group 'g-reset' gives us 1 more partitions";
           }) == 2;
  }));
  runner.crash();  // leaves the group
  client.commit("g-reset", "reset", 2);
  CHECK(contents(take(runner, 5)) == numbers(2, 7));
  CHECK(said(runner, "was set back"));
}

TEST_CASE("start: latest means the end as it was when the flow first ran, also after a restart") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("latest");
  client.produce("latest", "before");
  client.flush();
  Runner runner(type(), settings(broker->brokers(), "topic: latest\nstart: latest\n"));
  REQUIRE(runner.run_until([&] { return runner.state().contains("latest/0"); }));
  runner.durable();
  runner.crash();
  client.produce("latest", "after");
  client.flush();
  CHECK(contents(take(runner, 1)) == std::vector<std::string>{"after"});
}

TEST_CASE("start: a time begins with the first message since then") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("times");
  for (int i = 0; i < 4; ++i) client.produce("times", std::to_string(i), {}, 0, {}, 1'700'000'000'000 + i * 1000);
  client.flush();
  Runner runner(type(), settings(broker->brokers(), "topic: times\nstart: 2023-11-14T22:13:22Z\n"));
  CHECK(contents(take(runner, 2)) == numbers(2, 4));
}

TEST_CASE("a pattern reads all topics whose whole name it matches") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  for (const char* topic : {"plant.a", "plant.b", "xplant.a"}) {
    client.create_topic(topic);
    client.produce(topic, topic);
  }
  client.flush();
  Runner runner(type(), settings(broker->brokers(), "pattern: plant\\..\n"), {.until_idle = true});
  std::vector<std::string> got;
  CHECK(runner.run_until([&] {
    for (const auto& output : runner.take("success")) got.push_back(output.content);
    return runner.finished();
  }));
  std::ranges::sort(got);
  CHECK(got == std::vector<std::string>{"plant.a", "plant.b"});
}

TEST_CASE("to the end: it is over with the last message, though all was received long before that was taken") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("ended");
  client.produce("ended", "last");
  client.flush();
  Runner runner(type(), settings(broker->brokers(), "topic: ended\n"), {.until_idle = true});
  runner.step();  // joins the group, and does not look again
  REQUIRE(logs(runner, "ended/0 was read to its end"));
  runner.step();
  CHECK(contents(runner.take("success")) == std::vector<std::string>{"last"});
  CHECK(runner.finished());
}

TEST_CASE("a topic that is deleted and made anew, with fewer partitions, is read from its beginning") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  const auto produce = [&](int partitions, const std::vector<std::string>& texts) {
    client.create_topic("anew", partitions);
    for (int i = 0; i < partitions; ++i) {
      for (const auto& text : texts) client.produce("anew", text, {}, i);
    }
    client.flush();
  };
  produce(3, {"before", "before"});
  {
    Runner runner(type(), settings(broker->brokers(), "topic: anew\nemit: each\n"));
    CHECK(take(runner, 6).size() == 6);
    runner.durable();
    client.delete_topic("anew");
    produce(2, {"after"});
    CHECK(contents(take(runner, 2)) == std::vector<std::string>{"after", "after"});
    CHECK(said(runner, "The topic was made anew"));
    runner.durable();
  }  // and it ends, though librdkafka may keep its threads
}

TEST_CASE("read_committed leaves out what was aborted") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("transactions");
  char text[512];
  auto* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", broker->brokers().c_str(), text, sizeof text);
  rd_kafka_conf_set(conf, "transactional.id", "test", text, sizeof text);
  rd_kafka_conf_set(conf, "log_level", "0", text, sizeof text);
  auto* producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
  REQUIRE(rd_kafka_init_transactions(producer, 20'000) == nullptr);
  for (const bool commit : {false, true}) {
    REQUIRE(rd_kafka_begin_transaction(producer) == nullptr);
    rd_kafka_producev(producer, RD_KAFKA_V_TOPIC("transactions"),
                      RD_KAFKA_V_VALUE(const_cast<char*>(commit ? "kept" : "gone"), 4),
                      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    rd_kafka_flush(producer, 20'000);
    REQUIRE((commit ? rd_kafka_commit_transaction(producer, 20'000) : rd_kafka_abort_transaction(producer, 20'000)) ==
            nullptr);
  }
  rd_kafka_destroy(producer);
  Runner committed(type(), settings(broker->brokers(), "topic: transactions\ngroup: g1\n"), {.until_idle = true});
  REQUIRE(committed.run_until([&] { return committed.finished(); }));
  CHECK(contents(committed.take("success")) == std::vector<std::string>{"kept"});
  Runner all(type(), settings(broker->brokers(), "topic: transactions\ngroup: g2\nisolation: read_uncommitted\n"),
             {.until_idle = true});
  REQUIRE(all.run_until([&] { return all.finished(); }));
  CHECK(contents(all.take("success")) == std::vector<std::string>{"gone", "kept"});
}

TEST_CASE("partitions are paused while the flow does not take, and nothing is missing afterwards") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("pressure");
  const std::string large(2000, 'x');
  for (int i = 0; i < 2000; ++i) client.produce("pressure", std::to_string(i) + large);
  client.flush();
  Runner runner(type(), settings(broker->brokers(), "topic: pressure\nbuffer_max: 100KiB\n"));
  REQUIRE(runner.step());  // joins; from here on nobody polls, as when what follows is full
  const auto paused = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  std::size_t count = 0;
  bool ordered = true;
  runner.run_until([&] { return std::chrono::steady_clock::now() > paused; }, std::chrono::seconds(0));
  CHECK(runner.run_until([&] {
    for (const auto& output : runner.take("success"))
      ordered = ordered && output.content.starts_with(std::to_string(count++) + "x");
    return count >= 2000;
  }));
  CHECK(count == 2000);
  CHECK(ordered);
  CHECK(runner.metric("kafka_buffered_bytes") <= 110'000);
}

TEST_CASE("where retention has deleted what was not read, the operator is told and reading goes on") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("retention");
  for (int i = 0; i < 10; ++i) client.produce("retention", std::to_string(i));
  client.flush();
  client.commit("g-retention", "retention", 3);
  client.delete_records("retention", 7);
  Runner runner(type(), settings(broker->brokers(), "topic: retention\ngroup: g-retention\n"));
  CHECK(contents(take(runner, 3)) == numbers(7, 10));
  CHECK(said(runner, "offset 3 is not there"));
}

TEST_CASE("a topic that does not exist is named, and read once it does") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  Runner runner(type(),
                settings(broker->brokers(), "topic: not-yet\noptions: {topic.metadata.refresh.interval.ms: '200'}\n"));
  CHECK(runner.run_until([&] { return said(runner, "not-yet"); }));
  client.create_topic("not-yet");
  client.produce("not-yet", "here");
  client.flush();
  CHECK(contents(take(runner, 1)) == std::vector<std::string>{"here"});
}

TEST_CASE("a broker that is down at start, or dies midway, is waited for, and nothing is missing") {
  if (KafkaBroker::shared() == nullptr) return;
  KafkaBroker broker({}, false);
  Runner runner(type(), settings(broker.brokers(), "topic: t\noptions: {reconnect.backoff.max.ms: '300'}\n"));
  CHECK(runner.run_until([&] { return said(runner, "no broker can be reached"); }));
  broker.start();
  {
    TestClient client(broker.brokers());
    client.create_topic("t");
    for (int i = 0; i < 5; ++i) client.produce("t", std::to_string(i));
    client.flush();
  }
  std::vector<std::string> got;
  const auto collect = [&](std::size_t count) {
    return runner.run_until(
        [&] {
          for (const auto& output : runner.take("success")) got.push_back(output.content);
          return got.size() >= count;
        },
        std::chrono::seconds(60));
  };
  REQUIRE(collect(5));
  broker.kill();
  runner.durable();  // cannot be committed now; is remembered
  broker.start();
  {
    TestClient client(broker.brokers());
    for (int i = 5; i < 10; ++i) client.produce("t", std::to_string(i));
    client.flush();
  }
  REQUIRE(collect(10));
  CHECK(got == numbers(0, 10));
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
  CHECK(has(error("brokers: x\ntopic: t\noptions: {fetch.mn.bytes: '1'}\n"), "did you mean 'fetch.min.bytes'"));
  CHECK(has(error("brokers: x\ntopic: t\noptions: {fetch.min.bytes: many}\n"), "fetch.min.bytes"));
  CHECK(has(error("brokers: x\ntopic: t\noptions: {linger.ms: '5'}\n"), "option of producers"));
  CHECK(has(error("brokers: x\ntopic: t\noptions: {group.id: g}\n"), "use the property 'group'"));
  CHECK(has(error("brokers: x\ntopic: t\noptions: {group.protocol: consumer}\n"), "by the classic protocol"));
  CHECK(has(error("brokers: x\ntopic: a b\n"), "has characters other than"));
  CHECK(has(error("brokers: x\npattern: '('\n"), "no regular expression"));
  CHECK(has(error("brokers: x\n"), "say what to read"));
  CHECK(has(error("brokers: 'kafka://x:9092'\ntopic: t\n"), "has a scheme"));
  CHECK(has(error("brokers: 'x:99999'\ntopic: t\n"), "no valid port"));
  CHECK(has(error("brokers: x\ntopic: t\nstart: yesterday\n"), "none of earliest, latest"));
  CHECK(has(error("brokers: x\ntopic: t\ntls: {ca: /no/such.pem}\n"), "cannot read"));
}
