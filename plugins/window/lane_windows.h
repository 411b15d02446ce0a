#pragma once
// What windows do in a lane (weir/lane.h): they say from where on their readings are needed to build them anew, and how
// far event time has come; and where the lane goes on elsewhere, they take in again what they had then, and no more.

#include <charconv>
#include <cstdint>
#include <limits>
#include <map>
#include <string>

#include "watermark.h"
#include "weir/lane.h"
#include "windows.h"

namespace weir::window {

class LaneWindows {
 public:
  LaneWindows() = default;
  LaneWindows(const Context& context, std::int64_t allowed_lateness) : lane_(context), lateness_(allowed_lateness) {}

  /// Begins a step, before the watermark does.
  void begin(Session& session, WatermarkTracker& watermark) {
    if (!lane_) return;
    if (!restored_) {
      restored_ = true;
      const auto kept = lane_.restored();
      if (!kept.empty()) std::from_chars(kept.data(), kept.data() + kept.size(), latest_);
      if (latest_ != kLongAgo) watermark.restore(session, latest_);
    }
    first_ = lane_->begin();
    rebuilding_ = lane_->rebuilding();
  }

  /// False: it had not been taken in where the lane was before. All that had been is not later than this; and what
  /// counted then belongs to a window that is open now, or to none that matters any more.
  bool takes(std::int64_t time) const { return !rebuilding_ || time <= latest_; }

  /// A reading counts in this window.
  void count(const Window& window) {
    if (!lane_ || window.end == last_end_) return;
    last_end_ = window.end;
    needed_from_.try_emplace(window.end, first_);
  }

  /// Emissions are numbered by the lane's offsets: a number of their own would begin again with each owner.
  std::uint64_t revision(std::uint64_t revisions) const {
    return lane_ && revisions > 0 ? static_cast<std::uint64_t>(lane_->end()) : revisions;
  }

  /// Ends a step that had readings.
  void end(const WatermarkTracker& watermark) {
    if (!lane_) return;
    latest_ = watermark.latest();
    last_end_ = kLongAgo;
    while (!needed_from_.empty() && later(needed_from_.begin()->first, lateness_) <= watermark.watermark())
      needed_from_.erase(needed_from_.begin());
    auto from = std::numeric_limits<std::int64_t>::max();
    for (const auto& [window_end, first] : needed_from_) from = std::min(from, first);
    lane_.keep(from, latest_ == kLongAgo ? std::string() : std::to_string(latest_));
  }

 private:
  Lane lane_;
  std::int64_t lateness_ = 0;
  bool restored_ = false;
  std::int64_t latest_ = kLongAgo;                    ///< event time
  std::map<std::int64_t, std::int64_t> needed_from_;  ///< by a window's end: where the round of its first reading began
  std::int64_t last_end_ = kLongAgo;

  // Of the step under way.
  std::int64_t first_ = 0;
  bool rebuilding_ = false;
};

}  // namespace weir::window
