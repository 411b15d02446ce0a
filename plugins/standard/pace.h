#pragma once
// Keeps a source at a rate, by whatever clock it is given.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace weir::standard {

/// Says how many records are due. What could not be produced in time (back pressure, a pause) is caught up, but never
/// more than one second's worth: a flow that stood still for an hour must not be flooded when it moves again.
class Pace {
 public:
  /// `chunk`: records that are produced together; that many are waited for.
  Pace(double per_second, std::uint64_t chunk)
      : per_second_(per_second), chunk_(static_cast<double>(chunk)), catch_up_(std::max(per_second, chunk_)) {}

  struct Due {
    std::uint64_t records = 0;  ///< whole chunks
    std::uint64_t missed = 0;   ///< given up for good, because they lay further back than is caught up
  };

  /// What may be produced at `now` (nanoseconds) from position `next` on.
  Due at(std::int64_t now, std::uint64_t next) {
    if (!started_ || now < start_ || next < origin_) restart(now, next);
    const double produced = static_cast<double>(next - origin_);
    double behind = elapsed(now) * per_second_ + chunk_ - produced;
    Due due;
    if (behind > catch_up_ + chunk_) {
      due.missed = static_cast<std::uint64_t>(behind - catch_up_);
      // Starting afresh, as much earlier as is still caught up.
      restart(now - static_cast<std::int64_t>((catch_up_ - chunk_) / per_second_ * 1e9), next);
      behind = catch_up_;
    }
    // A hair is added, so that a tick at the very nanosecond does not find 0.9999999 of a record.
    if (behind > 0)
      due.records = static_cast<std::uint64_t>((behind + 1e-6) / chunk_) * static_cast<std::uint64_t>(chunk_);
    return due;
  }

  /// When to look again, with production at `next`: when the next chunk is due, but not so soon that waking up would
  /// cost more than the work (then several chunks are due at once).
  std::int64_t wake(std::int64_t now, std::uint64_t next) const {
    constexpr double kShortestWait = 0.01;
    const double seconds = static_cast<double>(next - origin_) / per_second_;
    const auto due = start_ + static_cast<std::int64_t>(std::ceil(std::min(seconds, 1e9) * 1e9));
    return std::max(due, now + static_cast<std::int64_t>(kShortestWait * 1e9));
  }

 private:
  double elapsed(std::int64_t now) const { return static_cast<double>(now - start_) / 1e9; }
  void restart(std::int64_t now, std::uint64_t next) {
    started_ = true;
    start_ = now;
    origin_ = next;
  }

  double per_second_;
  double chunk_;
  double catch_up_;
  bool started_ = false;
  std::int64_t start_ = 0;  ///< when `origin_` was due
  std::uint64_t origin_ = 0;
};

}  // namespace weir::standard
