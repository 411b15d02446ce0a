#include "source.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "properties.h"

namespace weir::mqtt {
namespace {

constexpr std::string_view kPosition = "position";
constexpr std::uint64_t kBatch = 4096;                ///< messages in one session
constexpr auto kRoomPause = std::chrono::seconds(3);  ///< after the disk was full; what is sent again may be large
constexpr std::uint64_t kLargest = 268'435'455;       ///< what MQTT's packets can hold (3.1.1, section 2.2.3)

constexpr std::size_t kMaxLevels = 32;
const auto kLevelNames = [] {
  std::array<std::string, kMaxLevels> names;
  for (std::size_t i = 0; i < kMaxLevels; ++i) names[i] = "mqtt.topic." + std::to_string(i + 1);
  return names;
}();

/// Gathers payloads as the lines of FlowFiles, for emit: batch.
class Lines {
 public:
  explicit Lines(Session& session) : session_(session) {}
  /// False if the payload is no line: it is empty, or holds a line break other than at its end.
  bool add(std::string_view payload) {
    if (payload.ends_with('\n')) payload.remove_suffix(1);
    if (payload.empty() || payload.find('\n') != std::string_view::npos) return false;
    if (file_ && size_ + payload.size() > kMaxSize) end();
    if (!file_) file_ = session_.create();
    char* to = session_.append(*file_, payload.size() + 1);
    std::memcpy(to, payload.data(), payload.size());
    to[payload.size()] = '\n';
    size_ += payload.size() + 1;
    ++count_;
    return true;
  }
  void end() {
    if (!file_) return;
    session_.records(*file_, count_);
    session_.transfer(*file_, 0);
    file_.reset();
    size_ = 0;
    count_ = 0;
  }

 private:
  static constexpr std::size_t kMaxSize = 1 << 20;
  Session& session_;
  std::optional<FlowFile> file_;
  std::size_t size_ = 0;
  std::uint32_t count_ = 0;
};

std::string encode(std::uint64_t number) {
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(number >> (56 - 8 * i));
  return bytes;
}

std::uint64_t decode(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}

}  // namespace

std::vector<std::string> MqttSource::filters() const {
  auto filters = settings_.topics;
  if (!settings_.topic.empty()) filters.insert(filters.begin(), settings_.topic);
  return filters;
}

MqttSource::MqttSource(SourceSettings settings) : settings_(std::move(settings)) {
  check(settings_);
  const auto subscribed = filters();
  if (subscribed.empty()) throw Misconfigured("topic: give a topic filter, by 'topic' or 'topics'");
  for (const auto& filter : subscribed) {
    if (const auto error = filter_error(filter); !error.empty())
      throw Misconfigured("topic: '" + filter + "' " + error);
  }
  if (settings_.session_expiry && !settings_.version_5()) throw Misconfigured("session_expiry: needs version: 5");
}

void MqttSource::start(Context& context) {
  context_ = context;
  check_files(settings_);
  const auto subscribed = filters();
  max_message_size_ = settings_.max_message_size.value_or(kLargest);
  uri_ = parse_url(settings_.url).display + "/" + subscribed.front();
  for (std::size_t i = 1; i < subscribed.size(); ++i) uri_ += "," + subscribed[i];
  inbox_bytes_ = context_.gauge("inbox_bytes", "Received and not yet in a durable epoch.");
  context_.not_ready("not connected to " + parse_url(settings_.url).display + " yet");
  too_large_ = context_.counter("too_large", "Messages dropped because they were larger than max_message_size.");
  const auto durability = settings_.durability == "power" ? Durability::power : Durability::process;
  try {
    folder_ = context_.folder();
    inbox_ = std::make_unique<Inbox>(folder_ / "inbox", durability);
  } catch (const std::filesystem::filesystem_error& error) {
    throw Misconfigured(std::string("the inbox cannot be opened: ") + error.what());
  }
}

Client::Options MqttSource::client_options() const {
  Client::Options options;
  options.connection = settings_;
  const auto subscribed = filters();
  const bool shared = std::ranges::any_of(subscribed, [](const auto& filter) { return filter.starts_with("$share/"); });
  options.client_id = !settings_.client_id.empty()
                          ? settings_.client_id
                          : default_client_id(context_.flow(), context_.name(), shared ? context_.store_id() : "");
  options.clean = settings_.session == "clean";
  if (settings_.session_expiry)
    options.session_expiry_seconds =
        std::chrono::duration_cast<std::chrono::seconds>(*settings_.session_expiry).count();
  // Topic and properties come on top of the payload.
  if (settings_.max_message_size && settings_.version_5())
    options.max_packet_size = static_cast<std::uint32_t>(std::min(max_message_size_ + 128 * KiB, kLargest));
  for (const auto& filter : subscribed) options.subscriptions.push_back({filter, static_cast<int>(settings_.qos)});
  options.memory = folder_ / "subscriptions";
  return options;
}

/// Finds where the durable epoch left off, and only then connects.
void MqttSource::open(Session& session) {
  first_position_ = inbox_->position();
  if (const auto damaged = seek(session); damaged > 0)
    context_.bulletin(Level::error, "the inbox is damaged: up to " + std::to_string(damaged) +
                                        " acknowledged messages cannot be read (after a power cut? see durability)");
  persistence_ =
      std::make_unique<Persistence>(*inbox_, settings_.version_5(), [this](const Message& m) { receive(m); });
  auto options = client_options();
  options.persistence = persistence_->functions();
  client_ = std::make_unique<Client>(std::move(options), context_, *this);
  client_->resume();
}

/// Goes to the position that the session's state holds; elsewhere it is only when a session was rolled back.
std::uint64_t MqttSource::seek(Session& session) {
  const auto state = session.state(kPosition);
  const auto position = state ? decode(*state) : first_position_;
  return std::exchange(position_, position) == position ? 0 : inbox_->seek(position);
}

void MqttSource::arrived(const MQTTAsync_message& message, std::string_view topic) {
  if (message.qos == 2) return;  // stored before it was acknowledged: see persistence.h
  wire_.clear();
  append_properties(message.properties, wire_);
  receive({.topic = topic,
           .properties = wire_,
           .payload = {static_cast<const char*>(message.payload), static_cast<std::size_t>(message.payloadlen)},
           .qos = static_cast<std::uint8_t>(message.qos),
           .retain = message.retained != 0,
           .duplicate = message.dup != 0});
}

void MqttSource::receive(const Message& message) {
  if (message.payload.size() > max_message_size_) {
    too_large_.add(1);
    context_.bulletin(Level::warning, "dropped a message of " + std::to_string(message.payload.size()) +
                                          " bytes on topic '" + std::string(message.topic) +
                                          "': larger than max_message_size");
    return;
  }
  const auto appended = message.qos == 2 ? inbox_->append_once(message) : inbox_->append(message);
  if (appended.wake) context_.wake();
  if (appended.stored && appended.reserve && appended.bytes <= settings_.inbox_max) return;
  // Unstored, it must not be acknowledged; the broker sends it again. Otherwise there is time to leave in good order.
  if (!appended.stored) client_->cut();
  if (inbox_->failed()) {
    client_->pause(
        "the disk failed to keep what was written to the inbox: nothing is received until Weir is restarted");
    context_.not_ready("the disk failed to keep what was written to the inbox");
  } else if (!appended.stored || !appended.reserve) {
    client_->pause("no room on the disk for the inbox: disconnected, the broker keeps the rest");
    resume_after_ = std::chrono::steady_clock::now() + kRoomPause;
  } else {
    client_->pause(
        "the inbox is full (inbox_max): disconnected until half of it is passed on, the broker keeps the rest");
  }
  // In this order: who sees full_ and finds the inbox drained resumes a client that has been paused before.
  if (full_.exchange(true)) return;
  context_.wake();
}

void MqttSource::changed() {
  context_.wake();
}

void MqttSource::poll(Session& session) {
  if (ended_) return session.finished();
  if (client_) {
    seek(session);
  } else {
    open(session);
  }
  bool full = false;
  const auto count = deliver(session, full);
  inbox_bytes_.set(static_cast<double>(inbox_->bytes()));
  resume_if_drained();
  if (count > 0) {
    idle_since_ = session.now();
    if (full || settings_.linger == Duration::zero()) return session.again();
    return session.tick_at(session.now() + settings_.linger.count());
  }
  if (const auto fatal = client_->fatal(); !fatal.empty()) throw Misconfigured(fatal);
  if (full_) session.tick_at(session.now() + 1'000'000'000);  // room on the disk comes back without a sign
  end_if_idle(session);
}

/// Passes on what is in the inbox, as far as fits a session. Returns the number of messages.
std::uint64_t MqttSource::deliver(Session& session, bool& full) {
  std::uint64_t count = 0;
  Lines lines(session);
  const bool batch = settings_.emit == "batch";
  inbox_->read(true, [&](const Message& message) {
    if (!batch || !lines.add(message.payload)) {
      lines.end();
      emit(session, message);
    }
    full = ++count == kBatch || session.over_budget();
    return !full;
  });
  lines.end();
  if (count == 0) return 0;
  position_ = inbox_->position();
  session.set_state(kPosition, encode(position_));
  session.when_durable(position_);
  session.event("RECEIVE", uri_);
  return count;
}

void MqttSource::emit(Session& session, const Message& message) {
  const auto file = session.create();
  if (!message.payload.empty()) session.append(file, message.payload);
  session.set(file, "mqtt.topic", message.topic);
  auto rest = message.topic;
  for (std::size_t level = 0; level < kMaxLevels; ++level) {
    const auto slash = rest.find('/');
    session.set(file, kLevelNames[level], rest.substr(0, slash));
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  constexpr std::array<std::string_view, 3> numbers = {"0", "1", "2"};
  session.set(file, "mqtt.qos", numbers[std::min<std::size_t>(message.qos, 2)]);
  session.set(file, "mqtt.retain", message.retain ? "true" : "false");
  session.set(file, "mqtt.duplicate", message.duplicate ? "true" : "false");
  if (!message.properties.empty())
    visit_properties(message.properties, [&](auto name, auto value) { session.set(file, name, value); });
  session.transfer(file, 0);
}

/// From the committer's thread, so that it is drained though no session runs.
void MqttSource::durable(std::uint64_t position) {
  inbox_->trim(position);
  resume_if_drained();
}

void MqttSource::resume_if_drained() {
  if (!full_ || ended_ || !client_ || std::chrono::steady_clock::now() < resume_after_.load() ||
      inbox_->bytes() > settings_.inbox_max / 2 || !inbox_->try_reserve())
    return;
  full_ = false;
  client_->resume();
}

void MqttSource::end_if_idle(Session& session) {
  if (!settings_.end_after_idle || full_ || !client_->up()) return;
  if (!idle_since_) idle_since_ = session.now();
  const auto end = *idle_since_ + settings_.end_after_idle->count();
  if (session.now() < end) return session.tick_at(end);
  ended_ = true;
  client_->pause({});
  session.finished();
}

void MqttSource::stop() {
  if (client_) client_->stop();  // messages may come until it returns, and need it
}

}  // namespace weir::mqtt
