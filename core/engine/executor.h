#pragma once
// Where sessions run: a pool shared by all, and threads of its own for each processor that blocks. A thread that does
// not come back from a processor can be given up: another takes its place, and it ends when it comes back.

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "engine/engine.h"

namespace weir::engine {

/// Threads that share one queue of tasks. The threads keep it alive as long as one of them runs.
class Workers : public std::enable_shared_from_this<Workers> {
 public:
  /// A task ends with this if its thread was given up: the thread ends.
  struct GivenUp {};

  static std::shared_ptr<Workers> start(unsigned count) {
    auto workers = std::shared_ptr<Workers>(new Workers);
    for (unsigned i = 0; i < count; ++i) workers->add();
    return workers;
  }
  boost::asio::io_context& context() { return context_; }
  /// Adds a thread in the place of one that is not waited for any more.
  void replace(std::thread::id thread) {
    const std::lock_guard lock(mutex_);
    if (!ends_) add();
    give_up(thread);
  }
  void have_at_least(std::size_t count) {
    const std::lock_guard lock(mutex_);
    while (threads_.size() < count) add();
  }
  /// None of the threads is waited for any more. They end when all that was posted is done.
  void give_up_all() {
    const std::lock_guard lock(mutex_);
    for (auto& thread : threads_) thread.detach();
    threads_.clear();
    open_.reset();
  }
  /// Waits for all that was posted, but for the threads that were given up. Nothing will be posted.
  void join() {
    boost::asio::post(context_, [this] { context_.stop(); });  // behind all others; who is in a task ends it
    std::list<std::thread> threads;
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
      threads.swap(threads_);
    }
    for (auto& thread : threads) thread.join();
  }

 private:
  Workers() = default;
  void add() {
    threads_.emplace_back([self = shared_from_this()] {
      try {
        self->context_.run();
      } catch (const GivenUp&) {  // another has its place
      }
    });
  }
  void give_up(std::thread::id id) {
    const auto at =
        std::find_if(threads_.begin(), threads_.end(), [&](const auto& thread) { return thread.get_id() == id; });
    if (at == threads_.end()) return;
    at->detach();
    threads_.erase(at);
  }

  boost::asio::io_context context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> open_{context_.get_executor()};
  std::mutex mutex_;  ///< of what follows
  std::list<std::thread> threads_;
  bool ends_ = false;
};

struct Engine::Executor {
  explicit Executor(unsigned workers) : pool(Workers::start(workers)) {}

  /// Gives a blocking instance its threads. Before anything is posted for it.
  void add(const Instance& instance) {
    if (!instance.is_blocking()) return;
    auto threads = Workers::start(instance.definition().concurrency);
    const std::lock_guard lock(mutex);
    own[&instance] = std::move(threads);
  }
  /// Ends them, when nothing will be posted for it any more. Waits for what was; not with the engine's lock.
  void remove(const Instance& instance) {
    if (const auto threads = take(instance)) threads->join();
  }
  /// Gives up the threads that are in this instance, which does not get any more to do.
  void give_up(const Instance& instance, const std::vector<std::thread::id>& threads) {
    if (const auto its_own = take(instance)) return its_own->give_up_all();
    for (const auto thread : threads) pool->replace(thread);
  }
  /// This thread comes to an instance that was given up before: it ends when it comes back.
  void give_up_this(const Instance& instance) {
    if (!instance.is_blocking()) pool->replace(std::this_thread::get_id());
  }
  /// `work` returns whether its thread goes on: false, if that was given up meanwhile.
  template <class F>
  void post(const Instance& instance, F work) {
    if (instance.is_blocking()) {
      const std::lock_guard lock(mutex);
      const auto at = own.find(&instance);
      if (at != own.end()) return boost::asio::post(at->second->context(), [work] { work(); });
    }
    boost::asio::post(pool->context(), [work] {
      if (!work()) throw Workers::GivenUp();
    });
  }
  /// Posts after a pause, unless cancel_timers() comes first.
  template <class F>
  void post_later(Instance& instance, std::chrono::milliseconds pause, F work) {
    const std::lock_guard lock(mutex);
    if (cancelled) return;
    auto& timer = timers.emplace_back(pool->context(), pause);
    // It may have left the flow by then: so it is kept.
    timer.async_wait([this, kept = instance.shared_from_this(), work](const boost::system::error_code& error) {
      if (!error) post(*kept, [kept, work] { return work(); });
    });
  }
  void cancel_timers() {
    const std::lock_guard lock(mutex);
    cancelled = true;
    for (auto& timer : timers) timer.cancel();
  }
  void join() {
    pool->join();
    for (auto& [instance, threads] : own) threads->join();
  }

  const std::shared_ptr<Workers> pool;
  std::map<const Instance*, std::shared_ptr<Workers>> own;
  std::mutex mutex;  ///< of own, timers and cancelled
  std::list<boost::asio::steady_timer> timers;
  bool cancelled = false;

 private:
  std::shared_ptr<Workers> take(const Instance& instance) {
    const std::lock_guard lock(mutex);
    const auto at = own.find(&instance);
    if (at == own.end()) return nullptr;
    auto threads = std::move(at->second);
    own.erase(at);
    return threads;
  }
};

}  // namespace weir::engine
