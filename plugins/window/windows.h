#pragma once
// Windows in event time, and which of them a reading belongs to.
//
// Times are nanoseconds since 1970. The words are Flink's and Beam's: a window [start, end) fires when the watermark
// reaches its end, and is kept for the allowed lateness after that.

#include <cstdint>
#include <limits>
#include <optional>

namespace weir::window {

inline constexpr std::int64_t kLongAgo = std::numeric_limits<std::int64_t>::min();

struct Window {
  std::int64_t start = 0;
  std::int64_t end = 0;  ///< exclusive
  bool contains(std::int64_t time) const { return start <= time && time < end; }
};

/// `a + b`, at most the largest time there is. b is not negative.
inline std::int64_t later(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<std::int64_t>::max() : sum;
}

/// `a - b`, at least the smallest time there is. b is not negative.
inline std::int64_t earlier(std::int64_t a, std::int64_t b) {
  std::int64_t difference = 0;
  return __builtin_sub_overflow(a, b, &difference) ? kLongAgo : difference;
}

/// Windows of one size that follow each other without gap or overlap, aligned to 1970 in UTC (Flink's
/// TumblingEventTimeWindows): with a size of 1m they are the clock's minutes.
class TumblingWindows {
 public:
  explicit TumblingWindows(std::int64_t size) : size_(size) {}

  /// The window that `time` belongs to. Nothing: it reaches beyond the times that can be counted (1677 to 2262).
  std::optional<Window> assign(std::int64_t time) const {
    auto into = time % size_;
    if (into < 0) into += size_;  // rounded down before 1970 too
    Window window;
    if (__builtin_sub_overflow(time, into, &window.start) || __builtin_add_overflow(window.start, size_, &window.end))
      return std::nullopt;
    return window;
  }

 private:
  std::int64_t size_;
};

}  // namespace weir::window
