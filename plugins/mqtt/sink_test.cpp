// What MqttSink promises, against a real mosquitto; what it published is read back by an MqttSource.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "plugins/mqtt/test_publisher.h"
#include "tests/servers/mosquitto.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace {

using namespace std::chrono_literals;
using weir::mqtt::eventually;
using weir::testing::Mosquitto;
using weir::testkit::Output;
using weir::testkit::Runner;

#define NEEDS_MOSQUITTO() \
  if (!Mosquitto::available()) return

Runner make(const char* type, const Mosquitto& broker, const std::string& properties) {
  return Runner(weir::testkit::find_type(weir_plugin_abi_1(), type),
                "url: " + broker.url() + "\nreconnect_delay: 20ms\n" + properties);
}

/// Everything that is published, as an MqttSource at QoS 2 sees it.
struct Reader {
  Runner runner;
  std::vector<Output> messages;
  explicit Reader(const Mosquitto& broker, const std::string& more = "")
      : runner(make("MqttSource", broker, "topic: out/#\nqos: 2\nclient_id: reader\n" + more)) {
    REQUIRE(runner.run_until([&] { return broker.log().find("Sending SUBACK to reader") != std::string::npos; }));
  }
  bool receive(std::size_t count, std::chrono::milliseconds within = 30s) {
    return runner.run_until(
        [&] {
          for (auto& output : runner.take("success")) messages.push_back(std::move(output));
          runner.durable();
          return messages.size() >= count;
        },
        within);
  }
};

/// Runs the sink until it holds and has queued nothing: everything is acknowledged or rejected.
bool drain(Runner& sink, std::chrono::milliseconds within = 30s) {
  return eventually(
      [&] {
        try {
          sink.run();
          sink.flush();
        } catch (const weir::Unavailable&) {
          // the broker is away: the engine would try again too
        }
        return sink.queued() == 0 && sink.held() == 0;
      },
      within);
}

}  // namespace

TEST_CASE("What goes in comes out of the broker, in order, at each QoS and version, and is SEND") {
  NEEDS_MOSQUITTO();
  const Mosquitto broker;
  Reader reader(broker);
  std::size_t total = 0;
  for (const std::string version : {"3.1.1", "5"}) {
    for (int qos = 0; qos <= 2; ++qos) {
      CAPTURE(version);
      CAPTURE(qos);
      auto sink = make("MqttSink", broker, "topic: out/x\nversion: '" + version + "'\nqos: " + std::to_string(qos));
      for (int i = 0; i < 200; ++i) sink.push("message " + std::to_string(i));
      REQUIRE(drain(sink));
      REQUIRE(reader.receive(total + 200));
      for (std::size_t i = 0; i < 200; ++i)
        REQUIRE(reader.messages[total + i].content == "message " + std::to_string(i));
      CHECK(reader.messages[total].attributes.at("mqtt.qos") == std::to_string(qos));
      total += 200;
      CHECK(sink.events().at(0).type == "SEND");
      CHECK(sink.events().at(0).transit_uri == broker.url() + "/out/x");
      CHECK(sink.dropped().size() == 200);
      CHECK(sink.take("failure").empty());
    }
  }
}

TEST_CASE("An empty FlowFile is an empty message; MQTT 5 carries content type and expiry") {
  NEEDS_MOSQUITTO();
  const Mosquitto broker;
  Reader reader(broker, "version: '5'\n");
  auto sink = make("MqttSink", broker, "topic: out/x\nversion: '5'\ncontent_type: text/plain\nexpiry: 1h\n");
  sink.push("");
  REQUIRE(drain(sink));
  REQUIRE(reader.receive(1));
  CHECK(reader.messages[0].content.empty());
  CHECK(reader.messages[0].attributes.at("mqtt.content_type") == "text/plain");
  CHECK(reader.messages[0].attributes.contains("mqtt.expiry"));
}

TEST_CASE("Data in a topic never adds a level or a wildcard, and what makes no topic goes to failure") {
  NEEDS_MOSQUITTO();
  const Mosquitto broker;
  Reader reader(broker);
  auto sink = make("MqttSink", broker, "topic: out/$(attr('id'))/value");
  const std::vector<std::string> hostile = {"plain", "a/b", "#", "+", "a b", "ä", "../x", "$SYS"};
  for (const auto& id : hostile) sink.push("{}", {{"id", id}});
  sink.push("{}");  // NULL
  REQUIRE(drain(sink));
  const auto failed = sink.take("failure");
  REQUIRE(reader.receive(9 - failed.size()));
  CHECK(failed.size() >= 1);
  CHECK(reader.messages[0].attributes.at("mqtt.topic") == "out/plain/value");
  for (const auto& message : reader.messages) {
    const auto& topic = message.attributes.at("mqtt.topic");
    CAPTURE(topic);
    CHECK(std::ranges::count(topic, '/') == 2);
    CHECK(topic.find_first_of("+#") == std::string::npos);
  }
}

TEST_CASE("While the broker is away the input waits; when it is back everything is published, in order") {
  NEEDS_MOSQUITTO();
  Mosquitto broker({.persistence = true});
  Reader reader(broker);
  broker.stop();
  auto sink = make("MqttSink", broker, "topic: out/x\nreconnect_max: 100ms\n");
  for (int i = 0; i < 3000; ++i) sink.push(std::to_string(i));
  REQUIRE(eventually([&] {
    try {
      sink.run();
    } catch (const weir::Unavailable& error) {
      return std::string_view(error.what()).find(broker.url()) != std::string_view::npos;
    }
    return false;
  }));
  CHECK(sink.dropped().empty());
  CHECK(eventually([&] {
    return std::ranges::any_of(sink.bulletins(), [](const auto& b) { return b.message.starts_with("cannot connect"); });
  }));
  broker.start();
  REQUIRE(drain(sink));
  REQUIRE(reader.receive(3000));
  for (std::size_t i = 0; i < 3000; ++i) REQUIRE(reader.messages[i].content == std::to_string(i));
}

TEST_CASE("The sink is ready while it is connected, and otherwise says what it waits for") {
  NEEDS_MOSQUITTO();
  Mosquitto broker;
  broker.kill();
  auto sink = make("MqttSink", broker, "topic: t\nreconnect_max: 100ms\n");
  CHECK_FALSE(sink.not_ready().empty());
  CHECK(eventually([&] { return sink.not_ready().starts_with("cannot connect to " + broker.url()); }));
  broker.start();
  CHECK(eventually([&] { return sink.not_ready().empty(); }));
}

TEST_CASE("The broker is restarted while much is under way, and nothing is lost") {
  NEEDS_MOSQUITTO();
  Mosquitto broker({.persistence = true});
  Reader reader(broker, "reconnect_max: 100ms\n");
  auto sink = make("MqttSink", broker, "topic: out/x\nreconnect_max: 100ms\n");
  for (int i = 0; i < 20000; ++i) sink.push(std::to_string(i));
  int restarts = 0;
  std::set<std::string> received;
  REQUIRE(eventually(
      [&] {
        try {
          sink.step();
          sink.flush();
        } catch (const weir::Unavailable&) {
        }
        reader.runner.run();
        for (const auto& output : reader.runner.take("success")) received.insert(output.content);
        reader.runner.durable();
        if (restarts < 3 && sink.dropped().size() > 4000U * static_cast<unsigned>(restarts + 1)) {
          broker.stop();
          broker.start();
          ++restarts;
        }
        return received.size() == 20000 && sink.held() == 0;
      },
      60s));
  CHECK(restarts == 3);
}

TEST_CASE("After a crash what was not acknowledged is published again") {
  NEEDS_MOSQUITTO();
  Mosquitto broker;
  Reader reader(broker);
  auto sink = make("MqttSink", broker, "topic: out/x");
  sink.push("one");
  REQUIRE(drain(sink));
  sink.durable();
  sink.push("two");
  sink.durable();
  sink.crash();
  REQUIRE(drain(sink));
  REQUIRE(reader.receive(2));
  CHECK(reader.messages.back().content == "two");
}

TEST_CASE("A message that the broker refuses goes to failure with the reason, the others pass") {
  NEEDS_MOSQUITTO();
  const auto acl = std::filesystem::temp_directory_path() / ("weir-acl-" + std::to_string(::getpid()));
  std::ofstream(acl) << "topic readwrite out/#\n";
  const Mosquitto broker({.config = {"acl_file " + acl.string()}});
  Reader reader(broker);
  auto sink = make("MqttSink", broker, "topic: $(attr('root'))/x\nversion: '5'");
  for (const auto* root : {"out", "forbidden", "out"}) sink.push("{}", {{"root", root}});
  REQUIRE(drain(sink));
  CHECK(reader.receive(2));
  const auto failed = sink.take("failure");
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].attributes.at("error.message").find("forbidden/x") != std::string::npos);
  std::filesystem::remove(acl);
}

TEST_CASE("A topic with a wildcard is refused at start") {
  const auto error = [](const std::string& properties) -> std::string {
    try {
      Runner runner(weir::testkit::find_type(weir_plugin_abi_1(), "MqttSink"),
                    "url: mqtt://127.0.0.1:1\n" + properties);
      return "";
    } catch (const std::exception& refused) {
      return refused.what();
    }
  };
  CHECK(error("topic: a/#").find("wildcard") != std::string::npos);
  CHECK(error("topic: a\nexpiry: 1h").find("version: 5") != std::string::npos);
}
