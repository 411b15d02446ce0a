#pragma once
// Has something done each minute, and once more at the end, on a thread of its own: what is kept over restarts.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace weir::api {

class EachMinute {
 public:
  explicit EachMinute(std::function<void()> work);
  ~EachMinute();
  EachMinute(const EachMinute&) = delete;
  EachMinute& operator=(const EachMinute&) = delete;

 private:
  const std::function<void()> work_;
  std::mutex mutex_;
  std::condition_variable awake_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace weir::api
