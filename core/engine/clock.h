#pragma once
// The flow's time. Real in production; virtual in tests, where it moves only when it is told to.

#include <atomic>
#include <chrono>
#include <cstdint>

namespace weir::engine {

/// Nanoseconds since 1970. Thread-safe. Epochs and fsyncs use real time, whatever the flow's clock.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t now() const = 0;
};

class RealClock final : public Clock {
 public:
  std::int64_t now() const override {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
};

class VirtualClock final : public Clock {
 public:
  explicit VirtualClock(std::int64_t start) : now_(start) {}
  std::int64_t now() const override { return now_.load(); }
  void set(std::int64_t now) { now_.store(now); }

 private:
  std::atomic<std::int64_t> now_;
};

}  // namespace weir::engine
