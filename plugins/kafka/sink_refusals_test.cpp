// What KafkaSink does with messages that make none, or that the brokers refuse.
#include <doctest/doctest.h>

#include <chrono>
#include <random>

#include "kafka_sink_test.h"

using namespace weir::kafka::testing;
using weir::testing::KafkaBroker;
using weir::testkit::Runner;

TEST_CASE("of a batch that is too large for its topic, only the message that is too large goes to failure") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  for (const bool exactly_once : {false, true}) {
    CAPTURE(exactly_once);
    const std::string topic = exactly_once ? "small-once" : "small";
    client.create_topic(topic, 1, {{"max.message.bytes", "2000"}});
    Runner runner(type(), settings(broker->brokers(), "topic: " + topic + "\ncompression: none\nlinger: 100ms\n"),
                  {.exactly_once = exactly_once, .name = topic});
    std::string lines;
    for (int i = 0; i < 100; ++i) lines += "{\"n\":" + std::to_string(i) + "}\n";
    runner.push(lines, {}, 100);
    runner.push("{\"n\":100,\"x\":\"" + std::string(3000, 'x') + "\"}\n{\"n\":101}", {}, 2);
    REQUIRE(deliver(runner));
    CHECK(values(client.read(topic)) == numbers(0, 100) + numbers(101, 102));
    const auto failed = runner.take("failure");
    REQUIRE(failed.size() == 1);
    CHECK(failed[0].content.starts_with("{\"n\":100,"));
  }
}

TEST_CASE("of a batch that is refused for one message's time, only that message goes to failure, and order is kept") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  for (const bool exactly_once : {false, true}) {
    CAPTURE(exactly_once);
    const std::string topic = exactly_once ? "times-once" : "times";
    client.create_topic(topic, 1, {{"message.timestamp.after.max.ms", "60000"}});
    Runner runner(type(),
                  settings(broker->brokers(), "topic: " + topic + "\ntimestamp: IIF(n IN (25, 777), " +
                                                  std::to_string(now + 3'600'000) + ", " + std::to_string(now) +
                                                  ")\noptions: {batch.num.messages: '10'}\n"),
                  {.exactly_once = exactly_once, .name = topic});
    // Of what follows a refused batch, whole FlowFiles are confirmed before it is sent again.
    for (int i = 0; i < 1000; i += 5) {
      std::string lines;
      for (int k = i; k < i + 5; ++k) lines += "{\"n\":" + std::to_string(k) + "}\n";
      runner.push(lines, {}, 5);
    }
    REQUIRE(deliver(runner));
    // Each once: what was confirmed is not sent again.
    CHECK(values(client.read(topic)) == numbers(0, 25) + numbers(26, 777) + numbers(778, 1000));
    const auto failed = runner.take("failure");
    REQUIRE(failed.size() == 2);
    CHECK(failed[0].content.starts_with("{\"n\":25}"));
    CHECK(failed[1].attributes.at("error.message").find("s ahead: the topic '" + topic + "' takes 60 s") !=
          std::string::npos);
  }
}

TEST_CASE("exactly once: as many records may be refused at once as there are, and a crash repeats their outcome") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("many");
  constexpr int kRecords = 80'000;  // their reasons are more than a message holds
  std::string lines;
  for (int i = 0; i < kRecords; ++i)
    lines += i % 2 == 0 ? "{\"n\":" + std::to_string(i) + "}\n" : "{\"n\":1,\"k\":" + std::to_string(i) + "}\n";
  std::size_t refused = 0;
  Runner runner(type(), settings(broker->brokers(), "topic: many\nkey: k\n"), exactly_once_as("many"));
  const auto count = [&] {
    for (const auto& output : runner.take("failure")) {
      CHECK(output.attributes.at("error.message") == "the key is NULL");
      refused += output.records;
    }
  };
  runner.push(lines, {}, kRecords);
  runner.run();
  runner.flush();
  count();
  CHECK(refused == kRecords / 2);
  CHECK(client.read("many").size() == kRecords / 2);
  runner.crash();  // after the commit, before the epoch
  REQUIRE(deliver(runner));
  count();
  CHECK(refused == kRecords);
  CHECK(client.read("many").size() == kRecords / 2);
}

TEST_CASE("exactly once: a message that is refused costs a moment, and not the patience of a commit") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("some", 1, {{"max.message.bytes", "2000"}});
  Runner runner(type(), settings(broker->brokers(), "topic: some\ncompression: none\n"), exactly_once_as("some"));
  std::string lines;
  for (int i = 0; i < 50; ++i) {
    const std::string large = i % 10 == 5 ? ",\"x\":\"" + std::string(3000, 'x') + "\"" : "";
    lines += "{\"n\":" + std::to_string(i) + large + "}\n";
  }
  runner.push(lines, {}, 50);
  REQUIRE(deliver(runner, std::chrono::seconds(20)));
  CHECK(client.read("some").size() == 45);
  const auto failed = runner.take("failure");
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].records == 5);
}

TEST_CASE("what makes no message goes to failure alone: no key, no such topic, no such partition, too large") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  const std::string large(1'200'000, 'x');
  for (const bool exactly_once : {false, true}) {
    CAPTURE(exactly_once);
    const std::string topic = exactly_once ? "once-a" : "to-a";
    client.create_topic(topic);
    Runner runner(type(),
                  settings(broker->brokers(), "topic: " + topic.substr(0, topic.size() - 1) +
                                                  "$(t)\nkey: id\npartition: p\n"
                                                  "options: {topic.metadata.propagation.max.ms: '300'}\n"),
                  {.exactly_once = exactly_once, .name = topic});
    runner.push(
        "{\"t\":\"a\",\"id\":1}\n{\"t\":\"a\"}\n{\"t\":\"nowhere\",\"id\":2}\n{\"t\":\"a\",\"id\":3,\"p\":7}\n"
        "{\"t\":\"a b\",\"id\":4}\n{\"t\":\"a\",\"id\":5,\"x\":\"" +
            large + "\"}\nnonsense\n{\"t\":\"a\",\"id\":6,\"p\":0}\n",
        {}, 8);
    REQUIRE(deliver(runner));
    CHECK(values(client.read(topic)) == R"({"t":"a","id":1},{"t":"a","id":6,"p":0},)");
    std::map<std::string, std::string> failed;  // record -> reason
    for (const auto& output : runner.take("failure"))
      failed[output.content.substr(0, 24)] = output.attributes.at("error.message");
    CHECK(failed.size() == 6);
    const auto failed_for = [&](const std::string& record, const std::string& reason) {
      return failed[record].find(reason) != std::string::npos;
    };
    CHECK(failed_for("{\"t\":\"a\"}\n", "the key is NULL"));
    CHECK(failed_for("{\"t\":\"nowhere\",\"id\":2}\n", "nknown topic"));
    CHECK(failed_for("{\"t\":\"a\",\"id\":3,\"p\":7}\n", "nknown partition"));
    CHECK(failed_for("{\"t\":\"a b\",\"id\":4}\n", "characters other than"));
    CHECK(failed_for("{\"t\":\"a\",\"id\":5,\"x\":\"xxx", "message.max.bytes"));
  }
}

TEST_CASE("exactly once: many messages that are refused cost hardly more than one, compressed or not") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  std::mt19937 random(1);
  for (const bool compressed : {false, true}) {
    CAPTURE(compressed);
    const std::string topic = compressed ? "refuses-compressed" : "refuses";
    const int large = compressed ? 10 : 300;  // compressed, only the broker can tell, for one after the other
    client.create_topic(topic, 1, {{"max.message.bytes", "2000"}});
    Runner runner(
        type(),
        settings(broker->brokers(), "topic: " + topic + "\ncompression: " + (compressed ? "lz4" : "none") + "\n"),
        exactly_once_as(topic));
    std::string lines;
    for (int i = 0; i < large; ++i) {
      lines += "{\"n\":" + std::to_string(i) + "}\n{\"x\":\"";
      for (int k = 0; k < 4000; ++k) lines += static_cast<char>('a' + random() % 26);
      lines += "\"}\n";
    }
    runner.push(lines, {}, static_cast<std::uint32_t>(2 * large));
    REQUIRE(deliver(runner, std::chrono::seconds(compressed ? 20 : 10)));
    CHECK(values(client.read(topic)) == numbers(0, large));
    const auto failed = runner.take("failure");
    REQUIRE(failed.size() == 1);
    CHECK(failed[0].records == static_cast<std::uint64_t>(large));
  }
}

TEST_CASE("a message is told to be too large by the bytes that its topic takes, and by none less") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  client.create_topic("measured", 1, {{"max.message.bytes", "2000"}});
  Runner runner(type(), settings(broker->brokers(),
                                 "topic: measured\nmessage: flowfile\nkey: attr('k')\nheaders: {kind: reading}\n"
                                 "compression: none\n"));
  constexpr std::size_t kMost =
      2000 - 61 - 2 - 3 - 1 - 2 - 1 - 13;  // of key and value; the rest is what is around them
  std::size_t most = 0;
  std::size_t got = 0;
  std::size_t told = 0;
  std::size_t failed = 0;
  const auto sent = [&](std::size_t from, std::size_t to) {
    for (auto size = from; size < to; ++size) runner.push(std::string(size - 1, 'x'), {{"k", "a"}});
    REQUIRE(deliver(runner));
    const auto messages = client.read("measured");
    got = messages.size();
    for (const auto& message : messages) most = std::max(most, message.key.size() + message.value->size());
    for (const auto& output : runner.take("failure")) {
      ++failed;
      CHECK(output.content.size() + 1 > kMost);
      told += output.attributes.at("error.message") ==
              "the message is too large: the topic 'measured' takes 2000 bytes (max.message.bytes)";
    }
  };
  sent(kMost - 10, kMost + 10);  // the broker judges, at first
  CHECK(most == kMost);
  sent(kMost - 10, kMost + 10);
  CHECK(most == kMost);
  CHECK(got == 22);
  CHECK(failed == 18);
  CHECK(told >= 9);
}
