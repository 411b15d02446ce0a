#pragma once
// What an HTTP server took in and the flow did not yet take up: a bounded queue between their threads.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "client.h"

namespace weir::http {

/// A request that waits for its answer.
struct Arrival {
  std::uint64_t id = 0;
  std::string method;
  std::string path;   ///< as it was sent, without the query
  std::string query;  ///< what stands behind the question mark
  std::string remote;
  Headers headers;  ///< names in lower case
  std::string body;
};

/// Thread-safe.
class Intake {
 public:
  Intake(std::size_t max_requests, std::uint64_t max_bytes) : max_requests_(max_requests), max_bytes_(max_bytes) {}

  /// Makes room for a request that is about to be read. False: full. The room is taken until release().
  bool reserve(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    // One that is larger than all there is may pass alone: max_body is its limit.
    if (requests_ > 0 && (requests_ >= max_requests_ || bytes_ + bytes > max_bytes_)) return false;
    ++requests_;
    bytes_ += bytes;
    return true;
  }
  void release(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    --requests_;
    bytes_ -= bytes;
  }
  /// The request turned out to be of another size. False: there is no room for that, and it keeps what it has.
  [[nodiscard]] bool resize(std::uint64_t from, std::uint64_t to) {
    const std::lock_guard lock(mutex_);
    if (to > from && requests_ > 1 && bytes_ - from + to > max_bytes_) return false;
    bytes_ += to - from;
    return true;
  }

  void put(Arrival arrival) {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(arrival));
  }
  /// The oldest, which is now the flow's.
  std::optional<Arrival> take() {
    const std::lock_guard lock(mutex_);
    if (queue_.empty()) return std::nullopt;
    std::optional<Arrival> arrival(std::move(queue_.front()));
    queue_.pop_front();
    return arrival;
  }
  /// The flow could not keep them: they are the oldest again.
  void give_back(std::vector<Arrival> arrivals) {
    const std::lock_guard lock(mutex_);
    for (auto at = arrivals.rbegin(); at != arrivals.rend(); ++at) queue_.push_front(std::move(*at));
  }
  /// Takes back what the flow has not taken. False: it has.
  bool withdraw(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    for (auto at = queue_.begin(); at != queue_.end(); ++at) {
      if (at->id != id) continue;
      queue_.erase(at);
      return true;
    }
    return false;
  }

  std::uint64_t bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }
  std::size_t requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  const std::size_t max_requests_;
  const std::uint64_t max_bytes_;
  mutable std::mutex mutex_;
  std::deque<Arrival> queue_;
  std::size_t requests_ = 0;  ///< being read, queued, or taken and not answered
  std::uint64_t bytes_ = 0;
};

}  // namespace weir::http
