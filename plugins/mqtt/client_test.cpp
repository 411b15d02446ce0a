// What Client, Persistence and Inbox promise together, against a real mosquitto.
#include "plugins/mqtt/client.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <string>

#include "plugins/mqtt/inbox.h"
#include "plugins/mqtt/persistence.h"
#include "plugins/mqtt/test_publisher.h"
#include "tests/servers/mosquitto.h"

namespace {

using namespace std::chrono_literals;
using weir::mqtt::eventually;
using weir::mqtt::TestPublisher;
using weir::testing::Mosquitto;

#define NEEDS_MOSQUITTO() \
  if (!Mosquitto::available()) return

/// What no real broker can be made to do: it takes a connection, and reads of it what it is told to and no more.
class DeafBroker {
 public:
  DeafBroker() : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 4) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("cannot listen");
    port_ = ntohs(address.sin_port);
  }
  ~DeafBroker() {
    drop();
    ::close(listener_);
  }
  DeafBroker(const DeafBroker&) = delete;
  DeafBroker& operator=(const DeafBroker&) = delete;

  std::string url() const { return "mqtt://127.0.0.1:" + std::to_string(port_); }
  /// Lets a client in: CONNACK to its CONNECT.
  void accept() {
    peer_ = ::accept(listener_, nullptr, nullptr);
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(peer_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (packet().at(0) != '\x10') throw std::runtime_error("no CONNECT");
    if (::send(peer_, "\x20\x02\x00\x00", 4, 0) != 4) throw std::runtime_error("cannot answer");
  }
  /// The next packet, which is short.
  std::string packet() {
    std::string bytes = read(2);
    return bytes + read(static_cast<unsigned char>(bytes[1]));
  }
  void drop() {
    if (peer_ >= 0) ::close(peer_);
    peer_ = -1;
  }

 private:
  std::string read(std::size_t size) const {
    std::string bytes(size, '\0');
    if (::recv(peer_, bytes.data(), size, MSG_WAITALL) != static_cast<ssize_t>(size))
      throw std::runtime_error("nothing comes");
    return bytes;
  }
  int listener_;
  int peer_ = -1;
  int port_ = 0;
};

}  // namespace

TEST_CASE("What a lost connection had not sent is not sent by the next one before what is published by that") {
  DeafBroker broker;
  struct Quiet final : weir::mqtt::Listener {
    void changed() override {}
  } quiet;
  weir::mqtt::SilentContext context;
  weir::mqtt::Client::Options options;
  options.connection.url = broker.url();
  options.connection.reconnect_delay = 1ms;
  options.client_id = "publisher";
  options.clean = true;
  weir::mqtt::Client client(options, weir::Context(&context), quiet);
  client.resume();
  const auto publish = [&](const std::string& topic, std::size_t size, std::uint64_t connection) {
    std::string payload(size, 'x');
    MQTTAsync_message message = MQTTAsync_message_initializer;
    message.payload = payload.data();
    message.payloadlen = static_cast<int>(payload.size());
    message.qos = 1;
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    return client.publish(topic, message, response, connection);
  };
  broker.accept();
  REQUIRE(eventually([&] { return client.up(); }));
  for (int i = 0; i < 200; ++i) REQUIRE(publish("old", 100'000, 1) == MQTTASYNC_SUCCESS);  // more than a socket takes
  broker.drop();
  broker.accept();
  REQUIRE(eventually([&] { return client.up() && client.connections() == 2; }));
  CHECK(publish("old", 10, 1) != MQTTASYNC_SUCCESS);
  REQUIRE(publish("new", 10, 2) == MQTTASYNC_SUCCESS);
  CHECK(broker.packet().substr(2, 5) == std::string("\0\3new", 5));
}

TEST_CASE("A topic that the flow no longer names is no longer received") {
  NEEDS_MOSQUITTO();
  const Mosquitto broker;
  const auto folder = std::filesystem::temp_directory_path() / ("weir-mqtt-memory-" + std::to_string(::getpid()));
  weir::mqtt::SilentContext context;
  struct Quiet final : weir::mqtt::Listener {
    void changed() override {}
  } quiet;
  const auto connect = [&](std::vector<weir::mqtt::Subscription> subscriptions) {
    weir::mqtt::Client::Options options;
    options.connection.url = broker.url();
    options.connection.reconnect_delay = 10ms;
    options.client_id = "memory";
    options.memory = folder;
    options.subscriptions = std::move(subscriptions);
    weir::mqtt::Client client(options, weir::Context(&context), quiet);
    client.resume();
    return eventually([&] { return client.up(); });
  };
  REQUIRE(connect({{"old", 1}, {"both", 1}}));
  REQUIRE(connect({{"both", 1}, {"new", 1}}));
  CHECK(eventually([&] { return broker.log().find("Received UNSUBSCRIBE") != std::string::npos; }));
  const auto log = broker.log();
  CHECK(log.find("\told") != std::string::npos);
  const auto first = log.find("both (QoS 1)");
  REQUIRE(first != std::string::npos);
  CHECK(log.find("both (QoS 1)", first + 1) == std::string::npos);
  CHECK(log.find("new (QoS 1)") != std::string::npos);
  std::filesystem::remove(folder);
}

// Runs in a process of its own, which the test after it kills: receives, and writes down what a session has committed.
TEST_CASE("child: receives at QoS 2 until it is killed" * doctest::skip()) {
  const std::string folder = std::getenv("WEIR_TEST_FOLDER");
  weir::mqtt::Inbox inbox(folder, weir::mqtt::Durability::process);
  struct Quiet final : weir::mqtt::Listener {
    void changed() override {}
  } quiet;
  weir::mqtt::SilentContext context;
  weir::mqtt::Client::Options options;
  options.connection.url = std::getenv("WEIR_TEST_URL");
  options.connection.version = std::getenv("WEIR_TEST_VERSION");
  options.connection.reconnect_delay = 1ms;
  options.client_id = "killed";
  options.subscriptions = {{"t", 2}};
  weir::mqtt::Persistence persistence(inbox, options.connection.version_5(), [&](const weir::mqtt::Message& message) {
    if (!inbox.append_once(message).stored) ::_exit(1);
  });
  options.persistence = persistence.functions();
  weir::mqtt::Client client(options, weir::Context(&context), quiet);
  client.resume();
  while (true) ::pause();
}

TEST_CASE("At QoS 2 each message is kept exactly once, though the receiver is killed again and again") {
  NEEDS_MOSQUITTO();
  for (const std::string version : {"3.1.1", "5"}) {
    CAPTURE(version);
    const Mosquitto broker;
    const auto folder = broker.folder() / "inbox";
    const auto start = [&] {
      const pid_t child = ::fork();
      if (child == 0) {
        ::setenv("WEIR_TEST_FOLDER", folder.c_str(), 1);
        ::setenv("WEIR_TEST_URL", broker.url().c_str(), 1);
        ::setenv("WEIR_TEST_VERSION", version.c_str(), 1);
        const int null = ::open("/dev/null", O_WRONLY);
        ::dup2(null, STDOUT_FILENO);
        ::execl("/proc/self/exe", "child", "--no-skip", "-tc=child:*", nullptr);
        ::_exit(127);
      }
      return child;
    };
    const auto count = [&broker](std::string_view line) {
      const auto log = broker.log();
      std::size_t found = 0;
      for (auto at = log.find(line); at != std::string::npos; at = log.find(line, at + 1)) ++found;
      return found;
    };
    pid_t child = start();
    REQUIRE(eventually([&] { return count("Sending SUBACK to killed") == 1; }));
    TestPublisher publisher(broker.url(), version);
    constexpr std::size_t kCount = 3000;
    constexpr std::size_t kKills = 5;
    std::size_t sent = 0;
    for (std::size_t kill = 1; kill <= kKills; ++kill) {
      for (; sent < kCount * kill / kKills; ++sent) publisher.send("t", "number " + std::to_string(sent), 2);
      // Wherever in the exchanges it happens to be.
      REQUIRE(
          eventually([&] { return count("Received PUBREC from killed") > (kill - 1) * kCount / kKills + 37 * kill; }));
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
      child = start();
    }
    REQUIRE(publisher.settle());
    // The broker numbers them 1, 2, …; what was answered before a kill is answered again.
    const auto completed = [&broker] {
      constexpr std::string_view line = "Received PUBCOMP from killed (Mid: ";
      const auto log = broker.log();
      std::set<unsigned long> ids;
      for (auto at = log.find(line); at != std::string::npos; at = log.find(line, at + 1))
        ids.insert(std::strtoul(log.c_str() + at + line.size(), nullptr, 10));
      return ids.size();
    };
    REQUIRE(eventually([&] { return completed() == kCount; }, 60s));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    weir::mqtt::Inbox inbox(folder, weir::mqtt::Durability::process);
    std::vector<std::string> kept;
    inbox.read(false, [&](const weir::mqtt::Message& message) {
      kept.emplace_back(message.payload);
      return true;
    });
    CHECK(kept.size() == kCount);
    const std::set<std::string> distinct(kept.begin(), kept.end());
    CHECK(distinct.size() == kCount);
    // One that stayed open would swallow a later message with its packet id.
    CHECK(inbox.open_exchanges().empty());
  }
}
