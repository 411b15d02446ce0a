#include "sink.h"

#include <algorithm>
#include <utility>

namespace weir::mqtt {
namespace {

using std::chrono::seconds;

constexpr std::uint64_t kLargest = 268'000'000;  ///< payload; MQTT's packets hold 268,435,455 bytes with the topic
constexpr std::size_t kMaxWaiting = 1000;        ///< held and not yet published, before input is refused
constexpr auto kLookAgain = std::chrono::milliseconds(50);
constexpr auto kPatience = seconds(5);  ///< how long a step waits for room among the publications under way

/// For each FlowFile anew.
bool is_computed(const std::string& topic) {
  return topic.find("$(") != std::string::npos;
}

void add_text(MQTTProperties& properties, MQTTPropertyCodes code, const std::string& text) {
  MQTTProperty property{};
  property.identifier = code;
  property.value.data = {static_cast<int>(text.size()), const_cast<char*>(text.data())};
  MQTTProperties_add(&properties, &property);
}

}  // namespace

/// paho's answers to a publication; `context` is an Answer, given back to us with them.
struct MqttSink::Callbacks {
  static void done(void* context, int code) {
    const std::unique_ptr<Answer> answer(static_cast<Answer*>(context));
    answer->sink->answered(*answer, code);
  }
  static void published_3(void* context, MQTTAsync_successData*) { done(context, 0); }
  static void published_5(void* context, MQTTAsync_successData5*) { done(context, 0); }
  static void failed_3(void* context, MQTTAsync_failureData*) { done(context, -1); }
  static void failed_5(void* context, MQTTAsync_failureData5* data) {
    done(context, data->reasonCode >= MQTTREASONCODE_UNSPECIFIED_ERROR ? static_cast<int>(data->reasonCode) : -1);
  }
};

MqttSink::MqttSink(SinkSettings settings) : settings_(std::move(settings)) {
  check(settings_);
  if (!settings_.version_5() && (settings_.expiry || !settings_.content_type.empty()))
    throw Misconfigured("expiry, content_type: need version: 5");
  if (is_computed(settings_.topic)) return;
  if (const auto error = topic_error(settings_.topic); !error.empty())
    throw Misconfigured("topic: '" + settings_.topic + "' " + error);
}

void MqttSink::start(Context& context) {
  context_ = context;
  check_files(settings_);
  if (is_computed(settings_.topic))
    topic_ = Query(context_).templated(settings_.topic, Encoding::topic_level).per_flowfile().prepare();
  window_ = static_cast<std::uint64_t>(settings_.max_inflight.value_or(settings_.qos == 2 ? 20 : 1000));
  uri_ = parse_url(settings_.url).display + "/" + settings_.topic;
  Client::Options options;
  options.connection = settings_;
  options.client_id = settings_.client_id.empty()
                          ? default_client_id(context_.flow(), context_.name(), context_.store_id())
                          : settings_.client_id;
  options.clean = true;  // what is not acknowledged is held here; a session at the broker would only hold it twice
  client_ = std::make_unique<Client>(std::move(options), context_, *this);
  client_->resume();
}

void MqttSink::changed() {
  context_.wake();
}

void MqttSink::step(Batch batch, Session& session) {
  if (const auto fatal = client_->fatal(); !fatal.empty()) throw Misconfigured(fatal);
  align(session);
  if (!batch.empty() && !client_->up()) {
    const std::lock_guard lock(mutex_);
    if (held_.size() >= kMaxWaiting) throw Unavailable(client_->trouble());
  }
  finish_answered(session);
  const auto topics = topics_of(batch, session);
  std::vector<FlowFile> inputs;
  for (std::uint32_t i = 0; i < batch.size(); ++i) {
    if (!topics[i]) continue;
    session.hold(batch[i]);
    inputs.push_back(batch[i]);
    const std::lock_guard lock(mutex_);
    held_.push_back({.sequence = batch[i].sequence(), .topic = *topics[i]});
  }
  publish_waiting(session, inputs);
  look_again(session);
}

void MqttSink::settle(Session& session) {
  align(session);
  finish_answered(session);
  publish_waiting(session, {});
  look_again(session);
}

/// Answers are also looked for at each flush; this is for when no epoch is due.
void MqttSink::look_again(Session& session) {
  const std::lock_guard lock(mutex_);
  if (!held_.empty()) session.tick_at(session.now() + std::chrono::nanoseconds(kLookAgain).count());
}

/// The topic of each input; nothing for what was rejected.
std::vector<std::optional<std::string>> MqttSink::topics_of(Batch batch, Session& session) {
  std::vector<std::optional<std::string>> topics(batch.size());
  std::vector<std::string> errors(batch.size(), "the topic is NULL");
  if (topic_) {
    topic_.run(session, batch, [&](const Row& row) {
      if (row.error.size > 0) {
        errors[row.input] = view(row.error);
      } else if (row.values[0].type == ValueType::text) {
        topics[row.input] = view(row.values[0].text);
      }
    });
  } else {
    std::ranges::fill(topics, settings_.topic);
  }
  for (std::uint32_t i = 0; i < batch.size(); ++i) {
    auto& topic = topics[i];
    if (topic) {
      if (const auto error = topic_error(*topic); !error.empty()) {
        errors[i] = "topic '" + *topic + "' " + error;
        topic.reset();
      } else if (batch[i].size() > kLargest) {
        errors[i] = std::to_string(batch[i].size()) + " bytes are more than an MQTT message can hold";
        topic.reset();
      }
    }
    if (!topic) session.reject(batch[i], errors[i]);
  }
  return topics;
}

/// A session that was rolled back leaves held_ with more or less than the session holds: made one again.
void MqttSink::align(Session& session) {
  const std::lock_guard lock(mutex_);
  const auto count = session.held_count();
  if (held_.size() == count) return;
  std::deque<Held> known = std::exchange(held_, {});
  first_place_ += known.size();
  in_flight_ = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto file = session.take_held(i);
    session.hold(file);
    const auto found = std::ranges::find(known, file.sequence(), &Held::sequence);
    const bool answered = found != known.end() && found->state != State::sent && found->state != State::waiting;
    Held held{.sequence = file.sequence(), .topic = found != known.end() ? found->topic : settings_.topic};
    if (answered) held.state = found->state;
    if (answered) held.refusal = found->refusal;
    held_.push_back(std::move(held));
  }
}

void MqttSink::finish_answered(Session& session) {
  bool sent = false;
  const std::lock_guard lock(mutex_);
  // Only from the front: so what is done is done in order.
  for (std::uint32_t i = 0; !held_.empty(); ++i) {
    const auto& held = held_.front();
    if (held.state == State::waiting || held.state == State::sent) break;
    const auto file = session.take_held(i);
    if (held.state == State::acknowledged) {
      sent = true;
      session.drop(file, {});
    } else {
      session.reject(file, held.refusal);
    }
    held_.pop_front();
    ++first_place_;
  }
  if (sent) session.event("SEND", uri_);
}

/// Publishes what waits, in order, as the window allows. `inputs` are the newest of held_, not among the session's yet.
void MqttSink::publish_waiting(Session& session, const std::vector<FlowFile>& inputs) {
  std::unique_lock lock(mutex_);
  forget_lost();
  const auto finished = session.held_count() - (held_.size() - inputs.size());
  for (std::size_t i = 0; i < held_.size(); ++i) {
    if (held_[i].state != State::waiting) continue;
    if (!room_.wait_for(lock, kPatience, [this] { return in_flight_ < window_ || !client_->up(); })) return;
    if (!client_->up() || client_->connections() != connection_) return;  // what was lost with it goes first, then
    auto& held = held_[i];
    if (held.state != State::waiting) continue;
    held.state = State::sent;
    held.attempt = ++attempts_;
    ++in_flight_;
    const Answer answer{this, first_place_ + i, held.attempt, connection_};
    const auto topic = held.topic;
    lock.unlock();
    const auto old = held_.size() - inputs.size();
    bool published = false;
    if (i < old) {
      const auto file = session.take_held(static_cast<std::uint32_t>(finished + i));
      session.hold(file);
      published = publish(file, topic, answer);
    } else {
      published = publish(inputs[i - old], topic, answer);
    }
    lock.lock();
    if (published) continue;
    // The connection went away in between: this one waits for the next.
    if (held_[i].attempt == answer.attempt) wait_again(held_[i]);
    return;
  }
}

/// Of another connection than this one, nothing is under way any more; paho says so of each publication, but perhaps
/// only once later ones have gone out.
void MqttSink::forget_lost() {
  const auto connection = client_->connections();
  if (std::exchange(connection_, connection) == connection) return;
  for (auto& held : held_) {
    if (held.state == State::sent) wait_again(held);
  }
}

void MqttSink::wait_again(Held& held) {
  held.state = State::waiting;
  held.attempt = 0;
  --in_flight_;
}

bool MqttSink::publish(FlowFile file, const std::string& topic, const Answer& answer) {
  const auto content = file.content();
  const bool v5 = settings_.version_5();
  MQTTAsync_message message = MQTTAsync_message_initializer;
  message.payload = const_cast<char*>(content.data());
  message.payloadlen = static_cast<int>(content.size());
  message.qos = static_cast<int>(settings_.qos);
  message.retained = settings_.retain ? 1 : 0;
  if (v5 && settings_.expiry) {
    MQTTProperty property{};
    property.identifier = MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL;
    property.value.integer4 = static_cast<unsigned>(std::chrono::duration_cast<seconds>(*settings_.expiry).count());
    MQTTProperties_add(&message.properties, &property);
  }
  if (v5 && !settings_.content_type.empty())
    add_text(message.properties, MQTTPROPERTY_CODE_CONTENT_TYPE, settings_.content_type);
  auto context = std::make_unique<Answer>(answer);
  MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
  response.context = context.get();
  if (v5) {
    response.onSuccess5 = Callbacks::published_5;
    response.onFailure5 = Callbacks::failed_5;
  } else {
    response.onSuccess = Callbacks::published_3;
    response.onFailure = Callbacks::failed_3;
  }
  const int code = client_->publish(topic, message, response, answer.connection);
  MQTTProperties_free(&message.properties);
  if (code != MQTTASYNC_SUCCESS) return false;
  static_cast<void>(context.release());  // comes back with the answer
  return true;
}

void MqttSink::answered(const Answer& answer, int code) {
  {
    const std::lock_guard lock(mutex_);
    if (answer.place < first_place_ || answer.place - first_place_ >= held_.size()) return;
    const auto index = static_cast<std::size_t>(answer.place - first_place_);
    auto& held = held_[index];
    if (held.attempt != answer.attempt || held.state != State::sent) return;
    if (code < 0) {
      // Lost with the connection. What was sent after it is sent again too, so that the last word is the latest.
      for (auto i = index; i < held_.size(); ++i) {
        if (held_[i].state == State::sent) wait_again(held_[i]);
      }
    } else {
      held.state = code == 0 ? State::acknowledged : State::refused;
      if (code != 0) {
        const char* reason = MQTTReasonCode_toString(static_cast<MQTTReasonCodes>(code));
        held.refusal = "the broker refuses the message on topic '" + held.topic +
                       "': " + (reason == nullptr ? std::to_string(code) : std::string(reason));
      }
      --in_flight_;
    }
  }
  room_.notify_all();
  context_.wake();
}

void MqttSink::stop() {
  if (client_) client_->stop();
}

}  // namespace weir::mqtt
