#pragma once
// A publisher for tests, on the plugin's own Client: it knows which messages the broker has acknowledged.
#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "plugins/mqtt/client.h"

namespace weir::mqtt {

/// A host that keeps nothing but the last bulletin; enough for a Client.
class SilentContext final : public abi::Context {
 public:
  abi::Text flow() const override { return to_text("flow"); }
  abi::Text name() const override { return to_text("publisher"); }
  abi::Text folder() override { return to_text(""); }
  abi::Text store_id() const override { return to_text("0"); }
  std::uint32_t input_count() const override { return 0; }
  abi::Input input(std::uint32_t) const override { return {}; }
  std::uint32_t relationship(abi::Text) const override { return abi::kNone; }
  bool exactly_once() const override { return false; }
  bool until_idle() const override { return false; }
  std::int64_t now() const override { return 0; }
  void wake() override {}
  void log(abi::Level, abi::Text) override {}
  void bulletin(abi::Level, abi::Text) override {}
  abi::Metric* metric(abi::Text, abi::Text, bool) override { return nullptr; }
  void* interface(const char*) override { return nullptr; }
};

/// Waits until a condition holds; false if it takes longer than `within`.
template <class F>
bool eventually(F&& holds, std::chrono::milliseconds within = std::chrono::seconds(20)) {
  const auto deadline = std::chrono::steady_clock::now() + within;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

class TestPublisher final : public Listener {
 public:
  explicit TestPublisher(ConnectionSettings settings) : version_5_(settings.version_5()) {
    settings.reconnect_delay = std::chrono::milliseconds(10);
    Client::Options options;
    options.connection = settings;
    options.client_id = "test-publisher";
    options.clean = true;
    client_ = std::make_unique<Client>(std::move(options), Context(&context_), *this);
    client_->resume();
    if (!eventually([&] { return client_->up(); })) throw std::runtime_error("publisher: " + client_->trouble());
  }
  explicit TestPublisher(const std::string& url, const std::string& version = "3.1.1")
      : TestPublisher(settings_of(url, version)) {}

  /// Hands a message to paho.
  void send(const std::string& topic, std::string_view payload, int qos = 1, bool retain = false,
            const MQTTProperties* properties = nullptr) {
    // With more at QoS 2, mosquitto ends the connection.
    const std::uint64_t window = qos == 2 ? 20 : 1000;
    if (!eventually([&] { return sent_ - acknowledged_ < window; })) throw std::runtime_error("no acknowledgements");
    MQTTAsync_message message = MQTTAsync_message_initializer;
    message.payload = const_cast<char*>(payload.data());
    message.payloadlen = static_cast<int>(payload.size());
    message.qos = qos;
    message.retained = retain ? 1 : 0;
    if (properties != nullptr) message.properties = *properties;
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    response.context = this;
    if (version_5_) {
      response.onSuccess5 = [](void* self, MQTTAsync_successData5*) {
        ++static_cast<TestPublisher*>(self)->acknowledged_;
      };
    } else {
      response.onSuccess = [](void* self, MQTTAsync_successData*) {
        ++static_cast<TestPublisher*>(self)->acknowledged_;
      };
    }
    if (const int code = client_->publish(topic, message, response, client_->connections()); code != MQTTASYNC_SUCCESS)
      throw std::runtime_error("cannot publish: " + std::to_string(code));
    ++sent_;
  }
  /// Waits until the broker has acknowledged all.
  bool settle(std::chrono::milliseconds within = std::chrono::seconds(30)) {
    return eventually([this] { return acknowledged_ == sent_; }, within);
  }

 private:
  static ConnectionSettings settings_of(const std::string& url, const std::string& version) {
    ConnectionSettings settings;
    settings.url = url;
    settings.version = version;
    return settings;
  }
  void changed() override {}

  SilentContext context_;
  const bool version_5_;
  std::uint64_t sent_ = 0;
  std::atomic<std::uint64_t> acknowledged_ = 0;
  std::unique_ptr<Client> client_;
};

}  // namespace weir::mqtt
