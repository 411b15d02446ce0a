#pragma once
// How far a message's time may be from the brokers', topic by topic (message.timestamp.before.max.ms and after.max.ms;
// an hour ahead is all that Kafka 4 takes). Brokers refuse a whole batch for one message that is beyond, and do not say
// which: so where one was refused, its topic's bounds are asked for, and messages are held against them before they are
// sent.
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace weir::kafka {

class Producer;

class TimestampBounds {
 public:
  /// A batch of the topic was refused for a time. False: its bounds are known, or cannot be had, and do not explain it.
  bool want(const std::string& topic);
  /// Asks for those that are wanted.
  void ask(Producer& producer);
  /// Why the topic does not take a message of that time (milliseconds since 1970); empty if it may.
  std::string refusal(std::string_view topic, std::int64_t time) const;

 private:
  struct Bounds {
    std::optional<std::int64_t> before;  ///< how old it may be, in milliseconds
    std::optional<std::int64_t> after;   ///< and how far ahead
    std::chrono::steady_clock::time_point asked;
  };
  /// They are believed for a while only: somebody may widen them.
  bool stale(const Bounds& bounds) const;

  std::map<std::string, Bounds, std::less<>> known_;
  std::set<std::string> wanted_;
};

}  // namespace weir::kafka
