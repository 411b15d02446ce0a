#pragma once
// What a topic takes: how large a message may be (max.message.bytes), and how far its time may be from the brokers'
// (message.timestamp.before.max.ms and after.max.ms; an hour ahead is all that Kafka 4 takes). Brokers refuse a whole
// batch for one message that is beyond, and do not say which: so where one was refused, its topic's bounds are asked
// for, and messages are held against them before they are sent.
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace weir::kafka {

class Producer;
struct Outgoing;

/// The bytes of a record batch (version 2, not compressed) with this message alone: what max.message.bytes bounds.
std::uint64_t batch_size(const Outgoing& message);

class TopicBounds {
 public:
  /// `compressed`: what is sent is, and only the brokers can tell whether a message is too large.
  explicit TopicBounds(bool compressed) : compressed_(compressed) {}

  /// A batch of the topic was refused. False: its bounds are known, or cannot be had, and do not explain it.
  bool want(const std::string& topic);
  /// Asks for those that are wanted.
  void ask(Producer& producer);
  /// Why the message's topic does not take it; empty if it may.
  std::string refusal(const Outgoing& message) const;

 private:
  struct Bounds {
    std::optional<std::int64_t> size;    ///< of a batch, in bytes
    std::optional<std::int64_t> before;  ///< how old it may be, in milliseconds
    std::optional<std::int64_t> after;   ///< and how far ahead
    std::chrono::steady_clock::time_point asked;
  };
  /// They are believed for a while only: somebody may widen them.
  bool stale(const Bounds& bounds) const;

  bool compressed_;
  std::map<std::string, Bounds, std::less<>> known_;
  std::set<std::string> wanted_;
};

}  // namespace weir::kafka
