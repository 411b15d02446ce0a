#pragma once
// What a window keeps of its readings instead of the readings.
//
// An accumulator is a small value with add(), encode() and decode(); WindowStore keeps any of that shape. It is loaded
// before the first reading of a step is added and goes on from there, so that its result depends on the order of the
// readings, never on how they were batched.

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "bytes.h"

namespace weir::window {

/// Count and sum of doubles. The sum is compensated as by Neumaier (ZAMM 54, 1974, p. 39, "Kahan-Babuška"): its error
/// does not grow with the number of readings, also where large ones cancel each other.
class MeanAccumulator {
 public:
  /// False, and nothing changed: the sum would leave the range of a double.
  [[nodiscard]] bool add(double value) {
    const double sum = sum_ + value;
    if (!std::isfinite(sum)) return false;
    lost_ += std::abs(sum_) >= std::abs(value) ? (sum_ - sum) + value : (value - sum) + sum_;
    sum_ = sum;
    ++count_;
    return true;
  }
  /// Whether add() would take it.
  bool fits(double value) const { return std::isfinite(sum_ + value); }
  std::uint64_t count() const { return count_; }
  double sum() const {
    const double total = sum_ + lost_;
    return std::isfinite(total) ? total : sum_;
  }
  /// Of at least one reading.
  double mean() const {
    // The compensation may bring a sum at the edge back into range, or over it: divided first, both are safe.
    const auto n = static_cast<double>(count_);
    const double total = sum_ + lost_;
    return std::isfinite(total) ? total / n : sum_ / n + lost_ / n;
  }

  void encode(std::string& to) const {
    put(to, count_);
    put_double(to, sum_);
    put_double(to, lost_);
  }
  static MeanAccumulator decode(std::string_view& from) {
    MeanAccumulator result;
    result.count_ = take(from);
    result.sum_ = take_double(from);
    result.lost_ = take_double(from);
    return result;
  }

 private:
  std::uint64_t count_ = 0;
  double sum_ = 0;
  double lost_ = 0;  ///< the low-order part that the additions to sum_ lost
};

}  // namespace weir::window
