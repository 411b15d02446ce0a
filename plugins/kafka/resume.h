#pragma once
// Where a consumer goes on in a partition: between what this Weir's durable epoch holds and what the group says.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace weir::kafka {

struct Partition {
  std::string topic;
  std::int32_t number = 0;
  auto operator<=>(const Partition&) const = default;
};

/// "topic/number": a key of the processor's state, and what messages to people call it.
std::string to_string(const Partition& partition);

/// How far a partition is, as the processor's state holds it.
struct Position {
  std::int64_t next = 0;        ///< the offset after the last message that was emitted
  std::int64_t confirmed = -1;  ///< the highest offset that Kafka has confirmed as committed by us; -1: none

  std::string encode() const;
  static Position decode(std::string_view bytes);
  bool operator==(const Position&) const = default;
};
using Positions = std::map<Partition, Position>;

/// The partition that a key of the state names; nothing if it is no such key.
std::optional<Partition> partition_of(std::string_view key);

/// The decision.
struct Resume {
  std::optional<std::int64_t> offset;  ///< nothing: neither knows, begin as `start` says
  bool set_back = false;               ///< somebody has moved the group back
};

/// Offsets are committed to Kafka after the epoch is durable, so after a crash our own position is ahead of the
/// group's: it wins, else what lies between would come twice. While another member had the partition, the group's moves
/// ahead of ours: it wins, since that member has what lies between. Hence the larger one. But the group never falls
/// behind an offset that Kafka has confirmed to us, unless an operator resets it, to have messages read again: that is
/// obeyed.
Resume resume_at(const std::optional<Position>& own, const std::optional<std::int64_t>& group);

/// Milliseconds since 1970 of an RFC 3339 time; nothing if it is none.
std::optional<std::int64_t> parse_time(std::string_view text);

}  // namespace weir::kafka
