#pragma once
// MqttSink: publishes FlowFiles, and keeps each until the broker has acknowledged it.
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "client.h"
#include "weir/processor.h"
#include "weir/sql.h"

namespace weir::mqtt {

struct SinkSettings : ConnectionSettings {
  std::string topic;
  std::int64_t qos = 1;
  bool retain = false;
  std::optional<std::int64_t> max_inflight;
  std::optional<Duration> expiry;
  std::string content_type;
};

extern const Spec<SinkSettings> sink_spec;

class MqttSink final : public Processor, public Listener {
 public:
  explicit MqttSink(SinkSettings settings);

  void start(Context& context) override;
  void step(Batch batch, Session& session) override;
  void tick(Session& session) override { settle(session); }
  void flush(Session& session) override { settle(session); }
  void finish(Session& session) override { settle(session); }
  void stop() override;

 private:
  enum class State { waiting, sent, acknowledged, refused };
  /// A FlowFile that the session holds; held_ has them in the session's order.
  struct Held {
    std::uint64_t sequence;
    std::string topic;
    State state = State::waiting;
    std::uint64_t attempt = 0;  ///< which publication counts; answers to earlier ones do not
    std::string refusal = {};
  };
  /// What a publication is known by when the broker answers.
  struct Answer {
    MqttSink* sink;
    std::uint64_t place;
    std::uint64_t attempt;
    std::uint64_t connection;
  };
  struct Callbacks;

  void changed() override;
  void answered(const Answer& answer, int code);
  void settle(Session& session);
  void look_again(Session& session);
  void align(Session& session);
  void finish_answered(Session& session);
  void publish_waiting(Session& session, const std::vector<FlowFile>& inputs);
  void forget_lost();
  void wait_again(Held& held);
  bool publish(FlowFile file, const std::string& topic, const Answer& answer);
  std::vector<std::optional<std::string>> topics_of(Batch batch, Session& session);

  const SinkSettings settings_;
  Context context_;
  std::string uri_;
  Statement topic_;  ///< none if the topic has no $(SQL)

  std::uint64_t window_ = 0;

  std::mutex mutex_;  ///< guards what answers touch: all below
  std::condition_variable room_;
  std::deque<Held> held_;
  std::uint64_t first_place_ = 0;  ///< of held_'s front; places never come back
  std::uint64_t attempts_ = 0;
  std::uint64_t in_flight_ = 0;
  std::uint64_t connection_ = 0;    ///< the one that publications under way went out on
  std::unique_ptr<Client> client_;  ///< last: it calls back
};

}  // namespace weir::mqtt
