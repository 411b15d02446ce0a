#pragma once
// MqttSource: subscribes, and turns messages into FlowFiles. What paho acknowledges is in the inbox (inbox.h) before.
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client.h"
#include "inbox.h"
#include "persistence.h"
#include "weir/processor.h"

namespace weir::mqtt {

struct SourceSettings : ConnectionSettings {
  std::string topic;
  std::vector<std::string> topics;
  std::int64_t qos = 1;
  std::string session = "persistent";
  std::optional<Duration> session_expiry;
  std::string durability = "process";
  std::uint64_t inbox_max = 256 * MiB;
  std::optional<std::uint64_t> max_message_size;
  std::string emit = "each";
  Duration linger = std::chrono::milliseconds(5);
  std::optional<Duration> end_after_idle;
};

extern const Spec<SourceSettings> source_spec;

class MqttSource final : public Source, public Listener {
 public:
  explicit MqttSource(SourceSettings settings);

  void start(Context& context) override;
  void poll(Session& session) override;
  void durable(std::uint64_t position) override;
  void stop() override;

 private:
  // From paho's thread.
  void arrived(const MQTTAsync_message& message, std::string_view topic) override;
  void receive(const Message& message);
  void changed() override;

  void open(Session& session);
  std::uint64_t seek(Session& session);
  std::vector<std::string> filters() const;
  Client::Options client_options() const;
  std::uint64_t deliver(Session& session, bool& full);
  void emit(Session& session, const Message& message);
  void resume_if_drained();
  void end_if_idle(Session& session);

  const SourceSettings settings_;
  Context context_;
  std::string uri_;
  std::filesystem::path folder_;
  std::uint64_t max_message_size_ = 0;
  std::unique_ptr<Inbox> inbox_;
  std::unique_ptr<Persistence> persistence_;
  std::string wire_;                ///< reused by arrived()
  std::atomic<bool> full_ = false;  ///< the client pauses until the inbox has drained
  std::atomic<std::chrono::steady_clock::time_point> resume_after_{};

  std::uint64_t first_position_ = 0;  ///< where the inbox begins, for as long as the state has no position
  std::uint64_t position_ = 0;        ///< as the state has it
  std::optional<std::int64_t> idle_since_;
  bool ended_ = false;
  Metric inbox_bytes_;
  Metric too_large_;
  std::unique_ptr<Client> client_;  ///< made by the first poll, when the position is known; last: it calls back
};

}  // namespace weir::mqtt
