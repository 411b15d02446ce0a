#pragma once
// Where sessions run: a pool shared by all, and a thread of its own for each processor that blocks.

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "engine/engine.h"

namespace weir::engine {

struct Engine::Executor {
  explicit Executor(unsigned workers) : pool(workers) {}

  /// Gives a blocking instance its threads. Before anything is posted.
  void add(const Instance& instance) {
    if (instance.is_blocking())
      own[&instance] = std::make_unique<boost::asio::thread_pool>(instance.definition().concurrency);
  }
  template <class F>
  void post(const Instance& instance, F&& work) {
    const auto at = own.find(&instance);
    boost::asio::post(at == own.end() ? pool : *at->second, std::forward<F>(work));
  }
  /// Posts after a pause, unless cancel_timers() comes first.
  template <class F>
  void post_later(const Instance& instance, std::chrono::milliseconds pause, F work) {
    const std::lock_guard lock(mutex);
    if (cancelled) return;
    auto& timer = timers.emplace_back(pool, pause);
    timer.async_wait([this, &instance, work](const boost::system::error_code& error) {
      if (!error) post(instance, work);
    });
  }
  void cancel_timers() {
    const std::lock_guard lock(mutex);
    cancelled = true;
    for (auto& timer : timers) timer.cancel();
  }
  void join() {
    pool.join();
    for (auto& [instance, threads] : own) threads->join();
  }

  boost::asio::thread_pool pool;
  std::map<const Instance*, std::unique_ptr<boost::asio::thread_pool>> own;
  std::mutex mutex;  ///< of timers and cancelled
  std::list<boost::asio::steady_timer> timers;
  bool cancelled = false;
};

}  // namespace weir::engine
