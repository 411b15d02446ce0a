// What Client, Persistence and Inbox promise together, against a real mosquitto.
#include "plugins/mqtt/client.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <set>

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

}  // namespace

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
