// What MqttSource promises, against a real mosquitto.
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <set>

#include "plugins/mqtt/test_publisher.h"
#include "tests/servers/mosquitto.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace {

using namespace std::chrono_literals;
using weir::mqtt::eventually;
using weir::mqtt::TestPublisher;
using weir::testing::Mosquitto;
using weir::testkit::Output;
using weir::testkit::Runner;

#define NEEDS_MOSQUITTO() \
  if (!Mosquitto::available()) return

/// An MqttSource in the test kit, and what it has brought so far.
struct Receiver {
  Runner runner;
  std::vector<Output> messages;

  explicit Receiver(const std::string& properties, weir::testkit::Options options = {})
      : runner(weir::testkit::find_type(weir_plugin_abi_1(), "MqttSource"), "reconnect_delay: 20ms\n" + properties,
               std::move(options)) {}

  void collect() {
    for (auto& output : runner.take("success")) messages.push_back(std::move(output));
  }
  /// Runs until `done`; time passes, so that what was asked for by tick_at happens.
  template <class F>
  bool until(F&& done, std::chrono::milliseconds within = 15s) {
    return runner.run_until(
        [&] {
          collect();
          return done();
        },
        within);
  }
  bool receive(std::size_t count, std::chrono::milliseconds within = 15s) {
    return until([&] { return messages.size() >= count; }, within);
  }
  bool said(std::string_view text) {
    return std::ranges::any_of(runner.bulletins(),
                               [&](const auto& b) { return b.message.find(text) != std::string::npos; });
  }
  /// Subscribed: what is published from now on is received.
  bool ready(const Mosquitto& broker, std::size_t subscriptions = 1) {
    return until([&] {
      const auto log = broker.log();
      std::size_t count = 0;
      for (auto at = log.find("Sending SUBACK"); at != std::string::npos; at = log.find("Sending SUBACK", at + 1))
        ++count;
      return count >= subscriptions;
    });
  }
  std::vector<std::string> contents() const {
    std::vector<std::string> contents;
    for (const auto& message : messages) contents.push_back(message.content);
    return contents;
  }
};

/// Publishes at QoS 1 over a bare socket (MQTT 3.1.1, section 3): paho takes a minute to send 256 MB.
void publish_raw(const Mosquitto& broker, std::string_view topic, std::string_view payload) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(broker.port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  const auto write_all = [socket](std::string_view bytes) {
    while (!bytes.empty()) {
      const auto written = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      REQUIRE(written > 0);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  };
  char answer[4];
  write_all({"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03raw", 17});
  REQUIRE(::recv(socket, answer, 4, MSG_WAITALL) == 4);
  std::string header = "\x32";
  for (auto rest = 4 + topic.size() + payload.size(); rest > 0; rest >>= 7)
    header.push_back(static_cast<char>((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0)));
  header += {0, static_cast<char>(topic.size())};
  header += std::string(topic) + std::string("\0\x01", 2);
  write_all(header);
  write_all(payload);
  REQUIRE(::recv(socket, answer, 4, MSG_WAITALL) == 4);
  ::close(socket);
}

std::string source(const Mosquitto& broker, const std::string& more) {
  return "url: " + broker.url() + "\n" + more;
}

}  // namespace

TEST_CASE("Messages come as FlowFiles with their attributes, at each QoS and version") {
  NEEDS_MOSQUITTO();
  const Mosquitto broker;
  for (const std::string version : {"3.1.1", "5"}) {
    for (int qos = 0; qos <= 2; ++qos) {
      CAPTURE(version);
      CAPTURE(qos);
      const auto topic = "plant/v" + version + "/q" + std::to_string(qos);
      Receiver receiver(source(broker, "topic: " + topic + "/+\nversion: '" + version +
                                           "'\nqos: " + std::to_string(qos) + "\nclient_id: " + topic));
      REQUIRE(receiver.until([&] { return broker.log().find(topic + "/+ (QoS") != std::string::npos; }));
      TestPublisher publisher(broker.url(), version);
      for (int i = 0; i < 50; ++i) publisher.send(topic + "/s1", "message " + std::to_string(i), qos);
      REQUIRE(receiver.receive(50));
      for (std::size_t i = 0; i < 50; ++i) REQUIRE(receiver.messages[i].content == "message " + std::to_string(i));
      const auto& attributes = receiver.messages[0].attributes;
      CHECK(attributes.at("mqtt.topic") == topic + "/s1");
      CHECK(attributes.at("mqtt.topic.1") == "plant");
      CHECK(attributes.at("mqtt.topic.2") == "v" + version);
      CHECK(attributes.at("mqtt.topic.4") == "s1");
      CHECK(attributes.at("mqtt.qos") == std::to_string(qos));
      CHECK(attributes.at("mqtt.retain") == "false");
      CHECK(attributes.at("mqtt.duplicate") == "false");
      const auto& event = receiver.runner.events().at(0);
      CHECK(event.type == "RECEIVE");
      CHECK(event.transit_uri == broker.url() + "/" + topic + "/+");
    }
  }
}

TEST_CASE("MQTT 5 properties become attributes") {
  NEEDS_MOSQUITTO();
  const Mosquitto broker;
  for (int qos = 1; qos <= 2; ++qos) {
    Receiver receiver(source(broker, "topic: t\nversion: '5'\nqos: " + std::to_string(qos)));
    REQUIRE(receiver.ready(broker, static_cast<std::size_t>(qos)));
    MQTTProperties properties = MQTTProperties_initializer;
    const auto add = [&](MQTTPropertyCodes code, std::string name, std::string value = {}) {
      MQTTProperty property{};
      property.identifier = code;
      property.value.data = {static_cast<int>(name.size()), name.data()};
      property.value.value = {static_cast<int>(value.size()), value.data()};
      MQTTProperties_add(&properties, &property);
    };
    add(MQTTPROPERTY_CODE_CONTENT_TYPE, "application/json");
    add(MQTTPROPERTY_CODE_RESPONSE_TOPIC, "answers");
    add(MQTTPROPERTY_CODE_CORRELATION_DATA, std::string("\x00\xff", 2));
    add(MQTTPROPERTY_CODE_USER_PROPERTY, "site", "north");
    add(MQTTPROPERTY_CODE_USER_PROPERTY, "", "");
    TestPublisher publisher(broker.url(), "5");
    publisher.send("t", "x", qos, false, &properties);
    MQTTProperties_free(&properties);
    REQUIRE(receiver.receive(1));
    const auto& attributes = receiver.messages[0].attributes;
    CHECK(attributes.at("mqtt.content_type") == "application/json");
    CHECK(attributes.at("mqtt.response_topic") == "answers");
    CHECK(attributes.at("mqtt.correlation_data") == "00ff");
    CHECK(attributes.at("mqtt.user.site") == "north");
    CHECK(attributes.at("mqtt.user.").empty());
  }
}

TEST_CASE("An empty message is an empty FlowFile, and any byte may be in a payload") {
  NEEDS_MOSQUITTO();
  const Mosquitto broker;
  Receiver receiver(source(broker, "topic: t/#"));
  REQUIRE(receiver.ready(broker));
  TestPublisher publisher(broker.url());
  const std::string bytes("\0\x01\xff\n{", 5);
  publisher.send("t/empty", "");
  publisher.send("t/bytes", bytes);
  REQUIRE(receiver.receive(2));
  CHECK(receiver.messages[0].content.empty());
  CHECK(receiver.messages[0].attributes.at("mqtt.topic") == "t/empty");
  CHECK(receiver.messages[1].content == bytes);
}

TEST_CASE("A message of 256 MB passes") {
  NEEDS_MOSQUITTO();
  const Mosquitto broker;
  Receiver receiver(source(broker, "topic: large\ninbox_max: 1MiB"));
  REQUIRE(receiver.ready(broker));
  const std::string large(256'000'000, 'x');
  publish_raw(broker, "large", large);
  publish_raw(broker, "large", "small");
  REQUIRE(receiver.until(
      [&] {
        receiver.runner.durable();
        return receiver.messages.size() >= 2;
      },
      120s));
  CHECK((receiver.messages[0].content == large));
  CHECK(receiver.messages[1].content == "small");
}

TEST_CASE("A message larger than max_message_size is dropped with a bulletin that names it; the others pass") {
  NEEDS_MOSQUITTO();
  const Mosquitto broker;
  Receiver receiver(source(broker, "topic: t/#\nmax_message_size: 100B"));
  REQUIRE(receiver.ready(broker));
  TestPublisher publisher(broker.url());
  publisher.send("t/large", std::string(101, 'x'));
  publisher.send("t/exact", std::string(100, 'x'));
  REQUIRE(receiver.receive(1));
  CHECK(receiver.messages[0].attributes.at("mqtt.topic") == "t/exact");
  CHECK(receiver.said("101 bytes on topic 't/large'"));
  CHECK(receiver.runner.metric("too_large") == 1);
}

TEST_CASE("emit: batch makes lines of what comes together, and leaves no payload altered") {
  NEEDS_MOSQUITTO();
  const Mosquitto broker;
  Receiver receiver(source(broker, "topic: t\nemit: batch"));
  REQUIRE(receiver.ready(broker));
  TestPublisher publisher(broker.url());
  for (const auto* payload : {"{\"a\":1}", "{\"a\":2}\n", "{\n\"a\":3}", "", "{\"a\":4}"}) publisher.send("t", payload);
  REQUIRE(publisher.settle());
  std::string all;
  REQUIRE(receiver.until([&] {
    all.clear();
    for (const auto& content : receiver.contents()) all += content + "|";
    return all.ends_with("{\"a\":4}\n|");
  }));
  std::uint32_t records = 0;
  for (const auto& message : receiver.messages) records += message.records;
  CHECK(records == 5);
  CHECK(std::ranges::count(receiver.contents(), "{\n\"a\":3}") == 1);
  CHECK(std::ranges::count(receiver.contents(), "") == 1);
}

TEST_CASE("Two clients of a shared subscription share the messages, each to one of them") {
  NEEDS_MOSQUITTO();
  const Mosquitto broker;
  Receiver one(source(broker, "topic: $share/weir/t/+\nversion: '5'\nclient_id: one"));
  REQUIRE(one.ready(broker, 1));
  Receiver two(source(broker, "topic: $share/weir/t/+\nversion: '5'\nclient_id: two"));
  REQUIRE(two.ready(broker, 2));
  TestPublisher publisher(broker.url());
  std::set<std::string> expected;
  for (int i = 0; i < 200; ++i) publisher.send("t/" + std::to_string(i % 7), *expected.insert(std::to_string(i)).first);
  REQUIRE(eventually([&] {
    one.runner.run();
    two.runner.run();
    one.collect();
    two.collect();
    return one.messages.size() + two.messages.size() >= 200;
  }));
  std::multiset<std::string> received;
  for (const auto* receiver : {&one, &two}) {
    CHECK(receiver->messages.size() > 20);
    for (const auto& content : receiver->contents()) received.insert(content);
  }
  CHECK(std::ranges::equal(received, expected));
}

TEST_CASE("Over TLS, with the broker's certificate and host checked, and a certificate of the client's own") {
  NEEDS_MOSQUITTO();
  const Mosquitto broker({.tls = true, .client_certificate = true});
  const auto tls = "tls: {ca: " + broker.ca() + ", cert: " + broker.certificate() + ", key: " + broker.key() + "}\n";
  Receiver receiver(source(broker, "topic: t\n" + tls));
  REQUIRE(receiver.ready(broker));
  weir::mqtt::ConnectionSettings settings;
  settings.url = broker.url();
  settings.tls = {.ca = broker.ca(), .cert = broker.certificate(), .key = broker.key()};
  TestPublisher publisher(settings);
  publisher.send("t", "secret");
  REQUIRE(receiver.receive(1));
  CHECK(receiver.messages[0].content == "secret");
}

TEST_CASE("A broker whose certificate is signed by someone else is not talked to, and the bulletin says why") {
  NEEDS_MOSQUITTO();
  const Mosquitto broker({.tls = true});
  Receiver receiver(source(broker, "topic: t\ntls: {ca: " + broker.other_ca() + "}\n"));
  CHECK(receiver.until([&] { return receiver.said("certificate verify failed"); }));
  CHECK(receiver.said("trying again"));
  CHECK(broker.log().find("Sending CONNACK") == std::string::npos);
}

TEST_CASE("A wrong password stops the source, once, with a message that says so; the right one works") {
  NEEDS_MOSQUITTO();
  const Mosquitto broker({.users = {{"weir", "right"}}});
  for (const std::string version : {"3.1.1", "5"}) {
    CAPTURE(version);
    Receiver wrong(source(broker, "topic: t\nuser: weir\npassword: wrong\nversion: '" + version + "'"));
    std::string message;
    try {
      wrong.until([] { return false; }, 10s);
    } catch (const weir::Misconfigured& error) {
      message = error.what();
    }
    CHECK(message.find("password") != std::string::npos);
    CHECK(message.find(broker.url()) != std::string::npos);
    CHECK(message.find("wrong") == std::string::npos);
  }
  Receiver right(source(broker, "topic: t\nuser: weir\npassword: right"));
  CHECK(right.ready(broker));
}

TEST_CASE("A broker that is down at start is a bulletin, and is found when it comes") {
  NEEDS_MOSQUITTO();
  Mosquitto broker;
  broker.kill();
  Receiver receiver(source(broker, "topic: t"));
  REQUIRE(receiver.until([&] { return receiver.said("cannot connect to " + broker.url()); }));
  broker.start();
  REQUIRE(receiver.ready(broker));
  TestPublisher publisher(broker.url());
  publisher.send("t", "hello");
  CHECK(receiver.receive(1));
}

TEST_CASE("The source is ready while it is subscribed, and otherwise says what it waits for") {
  NEEDS_MOSQUITTO();
  Mosquitto broker;
  broker.kill();
  Receiver receiver(source(broker, "topic: t\nclient_id: patient"));
  CHECK(receiver.runner.not_ready() == "not connected to " + broker.url() + " yet");
  const auto waits = [&] {
    return receiver.runner.not_ready().starts_with("cannot connect to " + broker.url() + ": ");
  };
  REQUIRE(receiver.until(waits));
  broker.start();
  REQUIRE(receiver.until([&] { return receiver.runner.not_ready().empty(); }));
  CHECK(broker.log().find("Sending SUBACK to patient") != std::string::npos);
  TestPublisher publisher(broker.url());
  publisher.send("t", "hello");
  REQUIRE(receiver.receive(1));
  broker.kill();
  CHECK(receiver.until([&] { return !receiver.runner.not_ready().empty(); }));
  broker.start();
  CHECK(receiver.until([&] { return receiver.runner.not_ready().empty(); }));
}

TEST_CASE("What is published while the source is away comes when it is back, and retained messages come once") {
  NEEDS_MOSQUITTO();
  for (const std::string version : {"3.1.1", "5"}) {
    const Mosquitto broker;
    TestPublisher publisher(broker.url(), version);
    publisher.send("t/kept", "retained", 1, true);
    REQUIRE(publisher.settle());
    Receiver receiver(source(broker, "topic: t/#\nversion: '" + version + "'"));
    REQUIRE(receiver.receive(1));
    CHECK(receiver.messages[0].attributes.at("mqtt.retain") == "true");
    receiver.runner.restart();  // it connects again with the next step
    publisher.send("t/away", "while away");
    REQUIRE(publisher.settle());
    REQUIRE(receiver.receive(2));
    CHECK(receiver.messages[1].content == "while away");
    publisher.send("t/end", "end");
    REQUIRE(receiver.receive(3));
    CHECK(receiver.contents() == std::vector<std::string>{"retained", "while away", "end"});
  }
}

TEST_CASE("A full inbox disconnects, the broker keeps the rest, and all of it comes in order once there is room") {
  NEEDS_MOSQUITTO();
  const Mosquitto broker;
  Receiver receiver(source(broker, "topic: t\ninbox_max: 128KiB"));
  REQUIRE(receiver.ready(broker));
  TestPublisher publisher(broker.url());
  constexpr std::size_t kCount = 5000;
  for (std::size_t i = 0; i < kCount; ++i) publisher.send("t", std::to_string(i) + std::string(100, '.'));
  REQUIRE(publisher.settle());
  // No epoch becomes durable, so nothing leaves the inbox.
  REQUIRE(receiver.until([&] { return receiver.said("the inbox is full"); }));
  REQUIRE(receiver.until(
      [&] { return broker.log().find("Client weir-flow-processor disconnected") != std::string::npos; }));
  CHECK(receiver.messages.size() < kCount);
  const auto number = [](const std::string& content) { return std::strtoull(content.c_str(), nullptr, 10); };
  std::set<std::uint64_t> all;
  REQUIRE(receiver.until(
      [&] {
        receiver.runner.durable();
        for (const auto& message : receiver.messages) all.insert(number(message.content));
        return all.size() >= kCount;
      },
      60s));
  // What was on its way when the connection ended comes again, marked as such.
  std::erase_if(receiver.messages, [](const Output& m) { return m.attributes.at("mqtt.duplicate") == "true"; });
  REQUIRE(receiver.messages.size() <= kCount);
  for (std::size_t i = 1; i < receiver.messages.size(); ++i)
    REQUIRE(number(receiver.messages[i].content) > number(receiver.messages[i - 1].content));
  CHECK(all.size() == kCount);
}

TEST_CASE("The source may be stopped while messages overfill its inbox: they come the next time") {
  NEEDS_MOSQUITTO();
  const Mosquitto broker;
  Receiver receiver(source(broker, "topic: t\ninbox_max: 4KiB"));
  REQUIRE(receiver.ready(broker));
  TestPublisher publisher(broker.url());
  constexpr int kRounds = 30;
  constexpr int kMessages = 40;
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kMessages; ++i)  // each is more than the inbox may hold, and asks for the connection's end
      publisher.send("t", std::to_string(round * kMessages + i) + std::string(8192, '.'));
    REQUIRE(receiver.receive(receiver.messages.size() + 1));
    receiver.runner.restart();
  }
  REQUIRE(publisher.settle());
  std::set<std::string> all;
  const bool all_came = receiver.until(
      [&] {
        receiver.runner.durable();
        for (const auto& message : receiver.messages) all.insert(message.content.substr(0, message.content.find('.')));
        receiver.messages.clear();
        return all.size() == kRounds * kMessages;
      },
      120s);  // each time the inbox is full costs a new connection
  std::string said;
  for (const auto& bulletin : receiver.runner.bulletins()) said += bulletin.message + '\n';
  INFO(all.size(), " messages have come. It said:\n", said, "The broker:\n", broker.log());
  CHECK(all_came);
}

TEST_CASE("A message that finds no room on the disk is not acknowledged: it comes when there is room") {
  NEEDS_MOSQUITTO();
  const Mosquitto broker;
  Receiver receiver(source(broker, "topic: t"));
  REQUIRE(receiver.ready(broker));
  TestPublisher publisher(broker.url());
  // A limit on the size of files stands for the full disk.
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  rlimit limit = before;
  limit.rlim_cur = 65536;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  const std::string large(1'500'000, 'x');
  publisher.send("t", large);
  const bool said = receiver.until([&] { return receiver.said("no room on the disk"); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  REQUIRE(said);
  CHECK(receiver.messages.empty());
  REQUIRE(receiver.receive(1));
  CHECK((receiver.messages[0].content == large));
}

TEST_CASE("After a crash the inbox delivers from the last durable epoch on") {
  NEEDS_MOSQUITTO();
  const Mosquitto broker;
  Receiver receiver(source(broker, "topic: t"));
  REQUIRE(receiver.ready(broker));
  TestPublisher publisher(broker.url());
  for (int i = 0; i < 100; ++i) publisher.send("t", std::to_string(i));
  REQUIRE(receiver.receive(100));
  receiver.runner.durable();
  for (int i = 100; i < 200; ++i) publisher.send("t", std::to_string(i));
  REQUIRE(receiver.receive(200));
  receiver.runner.crash();
  receiver.messages.clear();
  REQUIRE(receiver.receive(100));
  receiver.runner.run();
  receiver.collect();
  REQUIRE(receiver.messages.size() == 100);
  for (std::size_t i = 0; i < 100; ++i) CHECK(receiver.messages[i].content == std::to_string(100 + i));
}

TEST_CASE("The broker is stopped and started under load, again and again, and nothing acknowledged is lost") {
  NEEDS_MOSQUITTO();
  const auto* build = std::getenv("WEIR_BUILD");
  const auto blast = std::string(build == nullptr ? "." : build) + "/tests/mqtt_blast";
  if (::access(blast.c_str(), X_OK) != 0) {
    std::puts("SKIPPED: tests/mqtt_blast is not built");
    return;
  }
  Mosquitto broker({.persistence = true});
  Receiver receiver(source(broker, "topic: sensors/#\nreconnect_max: 200ms"));
  REQUIRE(receiver.ready(broker));
  const pid_t publisher = ::fork();
  if (publisher == 0) {
    ::execl(blast.c_str(), "mqtt_blast", "--port", std::to_string(broker.port()).c_str(), "--count", "30000", "--rate",
            "10000", nullptr);
    ::_exit(127);
  }
  const auto sequence = [](const std::string& content) {
    return std::strtoull(content.c_str() + content.find("\"seq\":") + 6, nullptr, 10);
  };
  std::set<std::uint64_t> received;
  int restarts = 0;
  int status = -1;
  bool published = false;
  REQUIRE(receiver.until(
      [&] {
        for (const auto& message : receiver.messages) received.insert(sequence(message.content));
        receiver.messages.clear();
        receiver.runner.durable();
        if (received.size() > 6000U * static_cast<unsigned>(restarts + 1) && restarts < 3) {
          broker.stop();
          broker.start();
          ++restarts;
        }
        if (!published) published = ::waitpid(publisher, &status, WNOHANG) == publisher;
        return published && received.size() >= 30000;
      },
      90s));
  CHECK(status == 0);
  CHECK(restarts == 3);
  CHECK(received.size() == 30000);
}

TEST_CASE("end_after_idle ends the source when nothing has come for so long, and not before") {
  NEEDS_MOSQUITTO();
  const Mosquitto broker;
  Receiver receiver(source(broker, "topic: t\nend_after_idle: 5s"));
  REQUIRE(receiver.ready(broker));
  receiver.runner.run();
  TestPublisher publisher(broker.url());
  publisher.send("t", "one");
  REQUIRE(receiver.receive(1));
  receiver.runner.advance(4s);
  CHECK_FALSE(receiver.runner.finished());
  receiver.runner.advance(2s);
  CHECK(receiver.runner.finished());
}

TEST_CASE("Settings that cannot work are refused at start, with what is wrong") {
  const auto error = [](const std::string& properties) -> std::string {
    try {
      Receiver receiver(properties);
      return "";
    } catch (const std::exception& refused) {
      return refused.what();
    }
  };
  CHECK(error("url: mqtt://h\ntopic: a/#/b").find("'a/#/b' has levels after '#'") != std::string::npos);
  CHECK(error("url: mqtt://h\ntopic: a/b+").find("inside a level") != std::string::npos);
  CHECK(error("url: mqtt://h\ntopic: $share/x").find("$share/GROUP/FILTER") != std::string::npos);
  CHECK(error("url: mqtt://h").find("topic") != std::string::npos);
  CHECK(error("url: amqp://h\ntopic: a").find("unknown scheme") != std::string::npos);
  CHECK(error("url: localhost:1883\ntopic: a").find("mqtt://HOST:PORT") != std::string::npos);
  CHECK(error("url: mqtt://h:99999\ntopic: a").find("port") != std::string::npos);
  const auto in_url = error("url: mqtt://me:hunter2@h\ntopic: a");
  CHECK(in_url.find("password") != std::string::npos);
  CHECK(in_url.find("hunter2") == std::string::npos);
  CHECK(error("url: mqtts://h\ntopic: a\ntls: {ca: /nowhere.pem}").find("/nowhere.pem") != std::string::npos);
  CHECK(error("url: mqtt://h\ntopic: a\ntls: {}").find("mqtts") != std::string::npos);
  CHECK(error("url: mqtt://h\ntopic: a\nsession_expiry: 1d").find("version: 5") != std::string::npos);
  CHECK(error("url: mqtt://h\ntopic: a\nqos: 3") != "");
  CHECK(error("url: mqtt://h\ntopic: a\nwill: {topic: 'x/#'}").find("wildcard") != std::string::npos);
}
