#pragma once
// A lane with one processor, for tests of what sources, windows and sinks do in a flow that scales out (weir/lane.h).

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "weir/lane.h"

namespace weir::testkit {

class TestLane final : public abi::Lane, public abi::LaneHolds, public abi::LaneEnd {
 public:
  std::int64_t first = 0;                                        ///< of the round
  std::int64_t last = 0;                                         ///< its end
  std::int64_t before = 0;                                       ///< rounds up to here rebuild
  std::string was_kept;                                          ///< where the lane was before
  std::int64_t from = std::numeric_limits<std::int64_t>::max();  ///< what the processor keeps, and needs
  std::string value;
  std::int64_t claimed_at = -1;  ///< what the sink's far side has; -1: not claimed
  std::string lost_because;
  std::int64_t held = -1;  ///< from where on its sink holds something; -1: nothing
  bool refusals = false;   ///< what comes is what another sink refuses
  bool is_given_up = false;

  abi::Text id() const override { return to_text("flow@topic/0"); }
  abi::Text flow() const override { return to_text("flow"); }
  abi::Text topic() const override { return to_text("topic"); }
  std::int32_t partition() const override { return 0; }
  bool claimed() const override { return true; }
  void go_on(std::int64_t offset) override { before = offset; }
  void restore(abi::Text, std::int64_t, abi::Text kept) override { was_kept = view(kept); }
  std::int64_t stop_after(std::int64_t) const override { return before; }
  void round(std::int64_t begin, std::int64_t end) override { first = begin, last = end; }
  std::int64_t needed_from(std::int64_t offset) const override { return std::min(offset, from); }
  void visit_kept(abi::StateVisitor*) const override {}
  std::int64_t begin() const override { return first; }
  std::int64_t end() const override { return last; }
  bool rebuilding() const override { return last <= before; }
  void keep(abi::Text, std::int64_t needed_from, abi::Text kept) override {
    from = needed_from;
    value = view(kept);
  }
  void restored(abi::Text, abi::Report* to) const override {
    if (!was_kept.empty()) to->message(to_text(was_kept));
  }
  void claim(abi::Text, std::int64_t offset) override { claimed_at = offset; }
  void lost(abi::Text why) override { lost_because = view(why); }
  void windows_at(std::int64_t offset) override { before = offset; }
  std::int64_t held_from(std::int64_t offset) override { return held < 0 ? offset : std::min(offset, held); }
  void will_hold(abi::Text) override {}
  void hold(abi::Text, std::int64_t offset) override { held = offset; }
  void release(abi::Text) override { held = -1; }
  bool comes_again(abi::Text) const override { return !refusals; }
  bool given_up() const override { return is_given_up; }
};

}  // namespace weir::testkit
