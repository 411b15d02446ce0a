// The parts of the MQTT client that need no broker.
#include <MQTTReasonCodes.h>
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "plugins/mqtt/connack.h"
#include "plugins/mqtt/cut_connections.h"
#include "plugins/mqtt/subscription_memory.h"

using weir::mqtt::cut_connections;
using weir::mqtt::lasting_refusal;
using weir::mqtt::Subscription;
using weir::mqtt::SubscriptionMemory;

namespace {

struct Folder {
  Folder() {
    auto name = (std::filesystem::temp_directory_path() / "weir-mqtt-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

/// A connection to a listener of this process.
struct Pair {
  Pair() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(listener, any, size) == 0);
    REQUIRE(::listen(listener, 1) == 0);
    REQUIRE(::getsockname(listener, any, &size) == 0);
    port = ntohs(address.sin_port);
    REQUIRE(::connect(client, any, size) == 0);
    server = ::accept(listener, nullptr, nullptr);
    REQUIRE(server >= 0);
  }
  ~Pair() {
    for (const int file : {listener, client, server}) ::close(file);
  }
  bool can_send() const { return ::send(client, "x", 1, MSG_NOSIGNAL) == 1; }
  int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  int client = ::socket(AF_INET, SOCK_STREAM, 0);
  int server = -1;
  std::uint16_t port = 0;
};

}  // namespace

TEST_CASE("Only refusals that trying again cannot mend are lasting") {
  CHECK(std::string(lasting_refusal(4, false)) == "the broker refuses the user or password");
  CHECK(std::string(lasting_refusal(MQTTREASONCODE_BAD_USER_NAME_OR_PASSWORD, true)) ==
        "the broker refuses the user or password");
  CHECK(std::string(lasting_refusal(5, false)).find("check user and password") != std::string::npos);
  CHECK(lasting_refusal(3, false) == nullptr);  // server unavailable
  CHECK(lasting_refusal(MQTTREASONCODE_SERVER_BUSY, true) == nullptr);
  for (const bool version_5 : {false, true}) {
    CHECK(lasting_refusal(-1, version_5) == nullptr);  // paho's own: no answer came
    CHECK(lasting_refusal(0, version_5) == nullptr);
  }
}

TEST_CASE("Subscriptions are remembered for the session that has them, and for no other") {
  const Folder folder;
  const auto file = folder.path / "subscriptions";
  const SubscriptionMemory memory(file, "mqtt://here:1883 me");
  CHECK(memory.read().empty());
  const std::vector<Subscription> subscriptions{{"sensors/+/readings", 1}, {"with space/#", 0}, {"$share/g/t", 2}};
  memory.write(subscriptions);
  CHECK(memory.read() == subscriptions);
  CHECK(SubscriptionMemory(file, "mqtt://there:1883 me").read().empty());
  CHECK(SubscriptionMemory(file, "mqtt://here:1883 another").read().empty());
  memory.write({});
  CHECK(memory.read().empty());
}

TEST_CASE("Without a file nothing is remembered, and one that cannot be written is no failure") {
  const SubscriptionMemory none("", "s");
  none.write({{"t", 1}});
  CHECK(none.read().empty());
  const SubscriptionMemory nowhere("/proc/there/is/no/such", "s");
  nowhere.write({{"t", 1}});
  CHECK(nowhere.read().empty());
}

TEST_CASE("Cutting connections to a port shuts those down, and leaves the others") {
  const Pair cut;
  const Pair kept;
  cut_connections(cut.port);
  CHECK_FALSE(cut.can_send());
  std::array<char, 1> byte{};
  CHECK(::recv(cut.server, byte.data(), byte.size(), 0) == 0);  // the broker's end sees it at once
  CHECK(kept.can_send());
}
