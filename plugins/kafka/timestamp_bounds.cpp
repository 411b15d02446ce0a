#include "timestamp_bounds.h"

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

std::string seconds(std::int64_t milliseconds) {
  return std::to_string(milliseconds / 1000) + " s";
}

}  // namespace

bool TimestampBounds::stale(const Bounds& bounds) const {
  return std::chrono::steady_clock::now() > bounds.asked + kBelieved;
}

bool TimestampBounds::want(const std::string& topic) {
  const auto known = known_.find(topic);
  if (known != known_.end() && !stale(known->second)) return false;
  wanted_.insert(topic);
  return true;
}

void TimestampBounds::ask(Producer& producer) {
  for (const auto& topic : wanted_) {
    const auto config = topic_config(producer, topic);
    const auto either = number(config, "message.timestamp.difference.max.ms");  // before Kafka 3.6, the one for both
    const auto before = number(config, "message.timestamp.before.max.ms");
    const auto after = number(config, "message.timestamp.after.max.ms");
    known_.insert_or_assign(topic,
                            Bounds{before ? before : either, after ? after : either, std::chrono::steady_clock::now()});
  }
  wanted_.clear();
}

std::string TimestampBounds::refusal(std::string_view topic, std::int64_t time) const {
  const auto known = known_.find(topic);
  if (known == known_.end() || stale(known->second)) return {};
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  const auto& [before, after, asked] = known->second;
  if (before && now - time > *before)
    return "the timestamp is " + seconds(now - time) + " old: the topic '" + std::string(topic) + "' takes " +
           seconds(*before) + " (message.timestamp.before.max.ms)";
  if (after && time - now > *after)
    return "the timestamp is " + seconds(time - now) + " ahead: the topic '" + std::string(topic) + "' takes " +
           seconds(*after) + " (message.timestamp.after.max.ms)";
  return {};
}

}  // namespace weir::kafka
