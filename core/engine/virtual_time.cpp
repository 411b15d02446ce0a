// Time in tests: it moves only when nothing can run and all is durable, so a flow sees hours pass in milliseconds, and
// sees the same every time.

#include <algorithm>

#include "engine/engine.h"

namespace weir::engine {

bool Engine::at_rest() const {
  return active_ == 0 && !dirty_ && !committing_ && epochs_.last == epoch_number_ &&
         (timers_.empty() || timers_.top().when > clock_->now()) &&
         std::none_of(instances_.begin(), instances_.end(),
                      [](const auto& instance) { return instance->status == Instance::Status::starting; });
}

bool Engine::come_to_rest(std::chrono::steady_clock::time_point deadline, Lock& lock) {
  while (fatal_.empty() && !at_rest()) {
    if (active_ == 0 && dirty_) touch(true);  // nobody has to wait for the epoch's interval
    if (quiet_.wait_until(lock, deadline) == std::cv_status::timeout && !at_rest()) return false;
  }
  return fatal_.empty();
}

bool Engine::advance(std::int64_t to, Duration patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  Lock lock(mutex_);
  while (come_to_rest(deadline, lock)) {
    const auto now = clock_->now();
    if (virtual_clock_ == nullptr || now >= to) return true;
    virtual_clock_->set(timers_.empty() ? to : std::clamp(timers_.top().when, now, to));
    timer_changed_.notify_all();
  }
  return false;
}

std::int64_t Engine::next_due() const {
  const Lock lock(mutex_);
  return timers_.empty() ? 0 : timers_.top().when;
}

}  // namespace weir::engine
