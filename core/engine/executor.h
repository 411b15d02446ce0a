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

  /// Gives a blocking instance its threads. Before anything is posted for it.
  void add(const Instance& instance) {
    if (!instance.is_blocking()) return;
    auto threads = std::make_unique<boost::asio::thread_pool>(instance.definition().concurrency);
    const std::lock_guard lock(mutex);
    own[&instance] = std::move(threads);
  }
  /// Ends them, when nothing will be posted for it any more. Waits for what was; not with the engine's lock.
  void remove(const Instance& instance) {
    std::unique_ptr<boost::asio::thread_pool> threads;
    {
      const std::lock_guard lock(mutex);
      const auto at = own.find(&instance);
      if (at == own.end()) return;
      threads = std::move(at->second);
      own.erase(at);
    }
    threads->join();
  }
  template <class F>
  void post(const Instance& instance, F&& work) {
    if (!instance.is_blocking()) return boost::asio::post(pool, std::forward<F>(work));
    const std::lock_guard lock(mutex);
    const auto at = own.find(&instance);
    boost::asio::post(at == own.end() ? pool : *at->second, std::forward<F>(work));
  }
  /// Posts after a pause, unless cancel_timers() comes first.
  template <class F>
  void post_later(Instance& instance, std::chrono::milliseconds pause, F work) {
    const std::lock_guard lock(mutex);
    if (cancelled) return;
    auto& timer = timers.emplace_back(pool, pause);
    // It may have left the flow by then: so it is kept.
    timer.async_wait([this, kept = instance.shared_from_this(), work](const boost::system::error_code& error) {
      if (!error) post(*kept, [kept, work] { work(); });
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
  std::mutex mutex;  ///< of own, timers and cancelled
  std::list<boost::asio::steady_timer> timers;
  bool cancelled = false;
};

}  // namespace weir::engine
