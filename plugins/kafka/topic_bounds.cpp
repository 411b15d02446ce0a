#include "topic_bounds.h"

#include <charconv>
#include <limits>

#include "producer.h"
#include "topic_config.h"

namespace weir::kafka {
namespace {

constexpr auto kBelieved = std::chrono::minutes(1);

std::optional<std::int64_t> number(const std::map<std::string, std::string>& config, const std::string& name) {
  const auto found = config.find(name);
  if (found == config.end()) return std::nullopt;
  std::int64_t value = 0;
  const auto* end = found->second.data() + found->second.size();
  if (std::from_chars(found->second.data(), end, value).ptr != end) return std::nullopt;
  // Its largest is Kafka's word for no bound.
  return value == std::numeric_limits<std::int64_t>::max() ? std::nullopt : std::optional(value);
}

/// As a batch has numbers: zigzag, seven bits a byte.
std::uint64_t varint_size(std::int64_t value) {
  auto bits = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
  std::uint64_t size = 1;
  while ((bits >>= 7) != 0) ++size;
  return size;
}

/// With its length before it, which is -1 for none.
std::uint64_t sized(std::optional<std::string_view> bytes) {
  if (!bytes) return varint_size(-1);
  return varint_size(static_cast<std::int64_t>(bytes->size())) + bytes->size();
}

std::string seconds(std::int64_t milliseconds) {
  return std::to_string(milliseconds / 1000) + " s";
}

}  // namespace

std::uint64_t batch_size(const Outgoing& message) {
  constexpr std::uint64_t kBatchHeader = 61;
  constexpr std::uint64_t kRecordHeader =
      3;  // attributes, and differences of time and offset, which are 0 in the first
  auto size = kRecordHeader + sized(message.key) + sized(message.value) +
              varint_size(static_cast<std::int64_t>(message.headers.size()));
  for (const auto& [name, value] : message.headers) size += sized(name) + sized(value);
  return kBatchHeader + varint_size(static_cast<std::int64_t>(size)) + size;
}

bool TopicBounds::stale(const Bounds& bounds) const {
  return std::chrono::steady_clock::now() > bounds.asked + kBelieved;
}

bool TopicBounds::want(const std::string& topic) {
  const auto known = known_.find(topic);
  if (known != known_.end() && !stale(known->second)) return false;
  wanted_.insert(topic);
  return true;
}

void TopicBounds::ask(Producer& producer) {
  for (const auto& topic : wanted_) {
    const auto config = topic_config(producer, topic);
    const auto either = number(config, "message.timestamp.difference.max.ms");  // before Kafka 3.6, the one for both
    const auto before = number(config, "message.timestamp.before.max.ms");
    const auto after = number(config, "message.timestamp.after.max.ms");
    known_.insert_or_assign(topic, Bounds{number(config, "max.message.bytes"), before ? before : either,
                                          after ? after : either, std::chrono::steady_clock::now()});
  }
  wanted_.clear();
}

std::string TopicBounds::refusal(const Outgoing& message) const {
  const auto known = known_.find(message.topic);
  if (known == known_.end() || stale(known->second)) return {};
  const auto& [most, before, after, asked] = known->second;
  const auto topic = "the topic '" + std::string(message.topic) + "' takes ";
  if (most && !compressed_ && batch_size(message) > static_cast<std::uint64_t>(*most))
    return "the message is too large: " + topic + std::to_string(*most) + " bytes (max.message.bytes)";
  if (!message.timestamp) return {};
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  if (before && now - *message.timestamp > *before)
    return "the timestamp is " + seconds(now - *message.timestamp) + " old: " + topic + seconds(*before) +
           " (message.timestamp.before.max.ms)";
  if (after && *message.timestamp - now > *after)
    return "the timestamp is " + seconds(*message.timestamp - now) + " ahead: " + topic + seconds(*after) +
           " (message.timestamp.after.max.ms)";
  return {};
}

}  // namespace weir::kafka
