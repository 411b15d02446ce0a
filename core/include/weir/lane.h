#pragma once
// Flows that scale out: what their sources, windows and sinks say to each other and to the host.
//
// Several Weirs share a topic of Kafka. Each partition is a *lane*: an instance of the whole flow of its own, so that
// nothing of two partitions ever meets. A lane works in rounds: its source puts messages out, and is polled again only
// when all that came of them is out of every sink. So between two rounds everything before one offset is done, and
// nothing after it has begun: that offset goes to the group, with what the windows need to be built anew elsewhere.
//
// A lane that moves to another Weir loses its queues and state. The new owner reads again, from the first offset that a
// window still open needs, with what goes to sinks thrown away by the host, and then goes on. A sink with
// `delivery: exactly_once` stores how far it is, as an offset of the lane, in the transaction that has the data, and
// first *claims* that place: from then on the far side takes nothing from an owner before.

#include <cstdint>
#include <string>
#include <string_view>

#include "weir/context.h"

namespace weir::abi {

/// Context::interface("weir.lane.1") is a Lane, or null in a flow that does not scale out. Every function is
/// thread-safe, and none calls back.
inline constexpr const char* kLaneInterface = "weir.lane.1";

class Lane {
 public:
  virtual Text id() const = 0;    ///< FLOW@TOPIC/PARTITION: the same in every Weir that runs the flow
  virtual Text flow() const = 0;  ///< the flow that its author wrote
  virtual Text topic() const = 0;
  virtual std::int32_t partition() const = 0;

  // The source.
  virtual bool claimed() const = 0;  ///< every sink has claimed its place: what it has of the lane is known, and final
  virtual void go_on(std::int64_t offset) = 0;  ///< what lies before is done: rounds up to there only rebuild
  virtual void restore(Text processor, std::int64_t needed_from, Text kept) = 0;  ///< before the first round
  virtual std::int64_t stop_after(std::int64_t offset) const = 0;  ///< where a round that begins here has to end
  virtual void round(std::int64_t begin, std::int64_t end) = 0;
  virtual std::int64_t needed_from(std::int64_t offset) const = 0;  ///< the lowest that was kept; else `offset`
  virtual void visit_kept(StateVisitor* visitor) const = 0;         ///< processor and what it keeps, by name

  // All.
  virtual std::int64_t begin() const = 0;  ///< of the round under way
  virtual std::int64_t end() const = 0;
  virtual bool rebuilding() const = 0;  ///< what is done in this round was done before, elsewhere

  // Windows.
  virtual void keep(Text processor, std::int64_t needed_from, Text value) = 0;  ///< to be called in each step
  virtual void restored(Text processor, Report* value) const = 0;               ///< not called: there is nothing

  // Sinks.
  virtual void claim(Text processor, std::int64_t offset) = 0;  ///< it has all before this; in start()
  virtual void lost(Text why) = 0;  ///< throws the lane away; if it is still ours, it begins anew

 protected:
  ~Lane() = default;
};

/// Context::interface("weir.lane_holds.1") is the same lane, for sinks whose work is larger than a round: an object is
/// complete after many. Such a sink holds what it has of them outside its session; it is lost with the lane. So who
/// goes on elsewhere begins where the first of it came in, with the windows as they were there, and from there on the
/// sink gets all again, while those that had it get nothing. Null in a flow that does not scale out; thread-safe.
inline constexpr const char* kLaneHoldsInterface = "weir.lane_holds.1";

class LaneHolds {
 public:
  // The source.
  virtual void windows_at(std::int64_t offset) = 0;  ///< what was restored holds here; go_on() may be further
  /// The first offset that a sink holds something of; nothing is held: `offset`. What Lane::needed_from and visit_kept
  /// say is of there, whatever is released until the next call.
  virtual std::int64_t held_from(std::int64_t offset) = 0;

  // Sinks that hold.
  virtual void will_hold(Text processor) = 0;  ///< in start()
  /// It holds what has come since then: begin() of the round in which the first of it came.
  virtual void hold(Text processor, std::int64_t from) = 0;
  virtual void release(Text processor) = 0;  ///< nothing any more
  /// False: what comes by this connection is what another sink refuses. Once that one has the round it is not made
  /// again, and so must not be held beyond it.
  virtual bool comes_again(Text connection) const = 0;

 protected:
  ~LaneHolds() = default;
};

/// Context::interface("weir.lane_end.1") is the same lane, for who waits for a far side inside a call. Null in a flow
/// that does not scale out; thread-safe.
inline constexpr const char* kLaneEndInterface = "weir.lane_end.1";

class LaneEnd {
 public:
  /// It was lost, or the group has taken it away: nothing that is still done in it counts, and its end waits for calls
  /// under way. Who waits for a far side is to give up.
  virtual bool given_up() const = 0;

 protected:
  ~LaneEnd() = default;
};

/// Context::interface("weir.lanes.1") is the host's side of the source that is the member of the group; null for all
/// others. Thread-safe; returns at once.
inline constexpr const char* kLanesInterface = "weir.lanes.1";

class Lanes {
 public:
  virtual void want(Text topic, std::int32_t partition) = 0;
  virtual void give_up(Text topic, std::int32_t partition) = 0;

 protected:
  ~Lanes() = default;
};

}  // namespace weir::abi

namespace weir {

/// The lane that a processor is in; none in a flow that does not scale out.
class Lane {
 public:
  Lane() = default;
  explicit Lane(const Context& context)
      : lane_(static_cast<abi::Lane*>(context.raw()->interface(abi::kLaneInterface))),
        holds_(static_cast<abi::LaneHolds*>(context.raw()->interface(abi::kLaneHoldsInterface))),
        end_(static_cast<abi::LaneEnd*>(context.raw()->interface(abi::kLaneEndInterface))),
        processor_(context.name()) {}
  explicit operator bool() const { return lane_ != nullptr; }
  abi::Lane* operator->() const { return lane_; }

  std::string id() const { return std::string(view(lane_->id())); }
  void keep(std::int64_t needed_from, std::string_view value) const {
    lane_->keep(to_text(processor_), needed_from, to_text(value));
  }
  /// What this processor kept, where the lane was before; empty: nothing.
  std::string restored() const {
    struct Kept final : abi::Report {
      std::string text;
      void message(abi::Text value) override { text = view(value); }
    } kept;
    lane_->restored(to_text(processor_), &kept);
    return kept.text;
  }
  void claim(std::int64_t offset) const { lane_->claim(to_text(processor_), offset); }
  void lost(std::string_view why) const { lane_->lost(to_text(why)); }
  /// Waiting for a far side has no sense any more.
  bool given_up() const { return end_ != nullptr && end_->given_up(); }

  /// For those who hold; null if this host has no such lanes.
  abi::LaneHolds* holds() const { return holds_; }
  void will_hold() const { holds_->will_hold(to_text(processor_)); }
  void hold(std::int64_t from) const { holds_->hold(to_text(processor_), from); }
  void release() const { holds_->release(to_text(processor_)); }

 private:
  abi::Lane* lane_ = nullptr;
  abi::LaneHolds* holds_ = nullptr;
  abi::LaneEnd* end_ = nullptr;
  std::string processor_;
};

}  // namespace weir
