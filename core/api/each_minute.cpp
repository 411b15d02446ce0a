#include "api/each_minute.h"

#include <chrono>
#include <utility>

namespace weir::api {

EachMinute::EachMinute(std::function<void()> work) : work_(std::move(work)) {
  thread_ = std::thread([this] {
    std::unique_lock lock(mutex_);
    while (!awake_.wait_for(lock, std::chrono::minutes(1), [this] { return over_; })) {
      lock.unlock();
      work_();
      lock.lock();
    }
  });
}

EachMinute::~EachMinute() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  awake_.notify_all();
  thread_.join();
  work_();
}

}  // namespace weir::api
