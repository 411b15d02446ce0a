// The end of an engine: sessions under way end, a last epoch is written, and processors are stopped.
//
// Each of these is waited for, and none for ever: a processor that does not return is left behind, as if an operator
// had terminated it (terminate.cpp). Its session is in no epoch, so what it was at comes again at the next start. All
// waits together stay well below the 30 s after which service managers kill.

#include <algorithm>
#include <utility>

#include "engine/engine.h"
#include "engine/executor.h"
#include "engine/lane.h"

namespace weir::engine {

namespace {

/// For sessions that the last epoch did not wait for, and whoever is in start(); where sessions had so much time.
Duration patience_for_calls(Duration sessions) {
  return sessions * 4 / 5;
}
/// For stop(), and for durable().
Duration patience_for_last_calls(Duration sessions) {
  return sessions * 2 / 5;
}

/// From the wish to end, for lanes that end their rounds; the others had as long, so there is less for them then.
Duration patience_for_lanes(Duration sessions) {
  return sessions * 2;
}
Duration patience_for_calls_after_lanes(Duration sessions) {
  return sessions / 5;
}

constexpr auto kLook = std::chrono::milliseconds(50);

}  // namespace

Engine::~Engine() {
  stop();
  Lock lock(mutex_);
  quiet_.wait(lock, [&] { return abandoned_.empty() && (committer_ended_ || !started_); });
}

void Engine::stop() {
  Lock lock(mutex_);
  if (stopped_) return;
  stopped_ = stopping_ = true;
  const auto lanes_until = std::chrono::steady_clock::now() + patience_for_lanes(options_.stop_patience);
  timer_changed_.notify_all();
  quiet_.notify_all();
  quiet_.wait(lock, [&] { return !applying_; });  // it gives up as soon as it sees that
  quiet_.wait_for(lock, options_.stop_patience, [&] { return active_ == 0; });
  if (options_.end_lanes) end_lanes(lanes_until, lock);
  if (started_ && fatal_.empty() && !options_.lane) {
    if (std::any_of(instances_.begin(), instances_.end(), [](const auto& in) { return !in->held.empty(); }))
      touch(true);
  }
  committer_stop_ = true;
  commit_wanted_.notify_all();
  executor_->cancel_timers();
  end_committer(lock);
  over_ = true;
  quiet_.notify_all();  // who waits for an epoch
  lock.unlock();
  {
    const std::lock_guard listener(listening_->mutex);
    listening_->over = true;
  }
  if (timer_thread_.joinable()) timer_thread_.join();
  lock.lock();
  end_processors(lock);
  lock.unlock();
  executor_->join();
}

/// The member of a group, whose lanes have ended when it has stopped.
bool Engine::is_member(const Instance& instance) const {
  return options_.end_lanes && instance.flow_definition().is_member;
}

/// Lanes end their rounds when the member of their group leaves it, and commit there what an epoch of this engine has
/// of their lineage: while there still are epochs.
void Engine::end_lanes(std::chrono::steady_clock::time_point until, Lock& lock) {
  std::vector<std::shared_ptr<Instance>> members;
  for (const auto& instance : instances_) {
    if (instance->processor == nullptr || instance->is_abandoned() || !is_member(*instance)) continue;
    members.push_back(instance);
    ++instance->active;
    ++active_;
    executor_->post(*instance, [this, &member = *instance] { return stop_processor(member); });
  }
  quiet_.wait_until(lock, until, [&] {
    return std::all_of(members.begin(), members.end(),
                       [](const auto& member) { return member->active == 0 || member->is_abandoned(); });
  });
  lock.unlock();
  options_.end_lanes(until);
  lock.lock();
}

/// An epoch takes as long as the disk does; only a processor that does not return from durable() is left behind.
void Engine::end_committer(Lock& lock) {
  if (!committer_.joinable()) return;
  const auto hangs = [&] {
    return telling_ != nullptr &&
           std::chrono::steady_clock::now() >= telling_since_ + patience_for_last_calls(options_.stop_patience);
  };
  while (!committer_ended_ && !hangs()) quiet_.wait_for(lock, kLook);
  if (!committer_ended_) return committer_.detach();
  lock.unlock();
  committer_.join();
  lock.lock();
}

bool Engine::nobody_in_call() const {
  return active_ == 0 && std::all_of(instances_.begin(), instances_.end(), [](const auto& instance) {
           return instance->calls.empty() || instance->is_abandoned();
         });
}

void Engine::abandon_hanging() {
  for (const auto& instance : instances_) {
    if (!instance->calls.empty() && !instance->is_abandoned()) abandon(instance, "");
  }
}

void Engine::end_processors(Lock& lock) {
  const bool had_lanes =
      std::any_of(instances_.begin(), instances_.end(), [this](const auto& instance) { return is_member(*instance); });
  const auto patience =
      had_lanes ? patience_for_calls_after_lanes(options_.stop_patience) : patience_for_calls(options_.stop_patience);
  quiet_.wait_for(lock, patience, [&] { return nobody_in_call(); });
  abandon_hanging();
  for (const auto& each : instances_) {
    auto& instance = *each;
    if (instance.processor == nullptr || instance.is_abandoned() || telling_ == &instance || is_member(instance))
      continue;
    ++instance.active;
    ++active_;
    executor_->post(instance, [this, &instance] { return stop_processor(instance); });
  }
  executor_->pool->have_at_least(active_);  // one that hangs keeps no other from its end
  quiet_.wait_for(lock, patience_for_last_calls(options_.stop_patience), [&] { return nobody_in_call(); });
  abandon_hanging();
}

bool Engine::stop_processor(Instance& instance) {
  Lock lock(mutex_);
  auto* processor = std::exchange(instance.processor, nullptr);
  {
    const InCall call(instance);
    lock.unlock();
    processor->stop();
    lock.lock();
  }
  if (instance.is_abandoned()) {
    lock.unlock();
    processor->destroy();
    lock.lock();
    --instance.active;
    came_back(instance, lock);
    return false;
  }
  instance.processor = processor;
  --instance.active;
  --active_;
  quiet_.notify_all();
  return true;
}

}  // namespace weir::engine
