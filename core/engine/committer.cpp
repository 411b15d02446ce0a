// Epochs: between two session commits everything that changed is swapped out, and written as its net effect in one
// transaction, by one thread, while the flow goes on.

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "engine/engine.h"
#include "engine/log.h"

namespace weir::engine {

namespace {

/// Epochs that someone waits for follow each other at least this far apart: waiting sessions share one fsync.
constexpr auto kUrgentGap = std::chrono::milliseconds(5);
/// Sources pause this long before a cut, at most.
constexpr auto kDrainPatience = std::chrono::milliseconds(30);
/// One that was in vain is tried again at a cut twice as far away as the last time, up to this.
constexpr std::uint32_t kMostCutsPerDrain = 64;
/// A cut waits this long for processors that hold FlowFiles; who is later is in the next epoch.
constexpr auto kFlushPatience = std::chrono::milliseconds(200);
constexpr auto kDiskFullPause = std::chrono::milliseconds(500);

}  // namespace

void Engine::committer_loop() {
  Lock lock(mutex_);
  // What a processor takes in after its flush, while others are still at theirs, is held in the epoch that is then cut.
  // Without another epoch it would be until something else happens; so the newest that each held at the last cut is
  // kept.
  std::map<const Instance*, std::pair<std::uint32_t, std::uint64_t>> newest;
  const auto holds_anew = [&] {
    if (options_.lane) return false;  // the end of the round says when
    bool anew = false;
    for (const auto& instance : instances_) {
      if (instance->held.empty() || instance->status != Instance::Status::running) continue;
      const auto& last = instance->held.back();
      const std::pair held(last.connection, last.sequence);
      const auto [known, is_new] = newest.try_emplace(instance.get(), held);
      anew |= is_new || known->second != held;
      known->second = held;
    }
    return anew;
  };
  while (true) {
    const auto due = [&] {
      return urgent_ ? std::max(last_cut_ + kUrgentGap, dirty_since_) : dirty_since_ + options_.epoch_interval;
    };
    while (!committer_stop_ && fatal_.empty() && (!dirty_ || std::chrono::steady_clock::now() < due())) {
      if (dirty_) {
        commit_wanted_.wait_until(lock, due());
      } else {
        commit_wanted_.wait(lock);
      }
    }
    if (!fatal_.empty() || (committer_stop_ && !dirty_)) return;
    committing_ = true;
    drain(lock);
    flush_processors(lock);
    WhenDurable told;
    const auto epoch = cut(&told);
    if (!committer_stop_ && holds_anew()) touch();
    if (options_.lane && round_moves_) end_round();  // whose turn it is now, after those who have flushed
    end_drain();
    if (std::exchange(cut_is_next_, false)) {
      for (auto& instance : instances_) consider(*instance);
    }
    if (!epoch.empty()) write(epoch, lock);
    if (!fatal_.empty()) return;
    made_durable(epoch, std::move(told), lock);
    maintain_store(lock);
  }
}

void Engine::maintain_store(Lock& lock) {
  lock.unlock();
  std::string broken;
  try {
    store_.maintain();
  } catch (const store::DiskFull&) {  // the next epoch says so, and waits
  } catch (const std::exception& error) {
    broken = error.what();
  }
  lock.lock();
  if (!broken.empty()) fail(broken);
}

/// What is produced and consumed within one epoch is never written, so sources pause for a moment before the cut, and
/// what is under way reaches its end: with it goes most of what the epoch would have to write. In a flow where it does
/// not in that time (a queue that stands, a slow far side) this would only cost, and is seldom tried.
void Engine::drain(Lock& lock) {
  if (--cuts_to_drain_ != 0) return;
  draining_ = true;
  drain_until_ = std::chrono::steady_clock::now() + kDrainPatience;
  const bool done = drained_.wait_until(lock, drain_until_, [&] { return stopping_ || drained(); });
  cuts_per_drain_ = done ? 1 : std::min(2 * cuts_per_drain_, kMostCutsPerDrain);
  cuts_to_drain_ = cuts_per_drain_;
}

/// True if no more will move now.
bool Engine::drained() const {
  if (active_ == 0 || cut_is_next_ || !fatal_.empty()) return true;
  const auto now = clock_->now();
  return std::none_of(instances_.begin(), instances_.end(), [&](const auto& instance) {
    if (instance->is_source() || instance->status != Instance::Status::running) return false;
    if (instance->active != 0) return true;
    if (instance->paused || instance->not_before > now || instance->next_scheduled > now) return false;
    return std::any_of(instance->inputs.begin(), instance->inputs.end(), [&](const Connection* input) {
      return input->available(now, instance->definition().strict_order);
    });
  });
}

void Engine::end_drain() {
  if (!std::exchange(draining_, false)) return;
  for (auto& instance : instances_) {
    if (instance->is_source()) consider(*instance);
  }
}

void Engine::flush_processors(Lock& lock) {
  bool any = false;
  if (options_.lane && !lane_at_rest()) return;
  round_moves_ = false;
  for (auto& instance : instances_) {
    const bool ends = instance->status == Instance::Status::stopping;
    if (instance->held.empty() || (instance->status != Instance::Status::running && !ends)) continue;
    if (options_.lane && !lane_flushes(*instance)) continue;
    if (ends && std::exchange(instance->stop_flushed, true)) continue;
    instance->flush_wanted = true;
    any |= ends || instance->not_before <= clock_->now();
    consider(*instance);
  }
  if (!any) return;
  const auto until = std::chrono::steady_clock::now() + kFlushPatience;
  const auto flushed = [&] { return all_flushed(); };
  if (draining_ && !flushed_.wait_until(lock, drain_until_, flushed)) end_drain();  // a slow one: sources need not wait
  flushed_.wait_until(lock, until, flushed);
}

bool Engine::all_flushed() const {
  return std::none_of(instances_.begin(), instances_.end(), [&](const auto& instance) {
    if (!instance->flush_wanted) return false;
    return instance->status == Instance::Status::stopping ||
           (instance->status == Instance::Status::running && instance->not_before <= clock_->now());
  });
}

store::Epoch Engine::cut(WhenDurable* told) {
  store::Epoch epoch;
  epoch.number = epoch_number_ + 1;
  for (auto& connection : connections_) {
    if (connection->dirty) epoch.connections.push_back(connection->cut());
  }
  for (auto& instance : instances_) {
    if (!instance->changed_state.empty()) {
      auto& change = epoch.states.emplace_back();
      change.processor = instance->number();
      change.entries.reserve(instance->changed_state.size());
      while (!instance->changed_state.empty()) {
        auto node = instance->changed_state.extract(instance->changed_state.begin());
        change.entries.emplace_back(std::move(node.key()), std::move(node.mapped()));
      }
    }
    for (const auto token : instance->tokens) told->tokens.emplace_back(instance, token);
    instance->tokens.clear();
  }
  if (!stop_changes_.empty()) {
    auto& change = epoch.states.emplace_back();
    change.processor = operator_number_;
    for (auto& [name, value] : stop_changes_) change.entries.emplace_back(name, std::move(value));
    stop_changes_.clear();
  }
  ++cuts_;
  epoch.lineage.swap(lineage_);
  epoch.attributes.swap(attributes_);
  epoch.bulletins.swap(new_bulletins_);
  epoch.retained.swap(retained_);
  for (auto& [number, change] : taken_in_.connections) epoch.connections.push_back(std::move(change));
  std::move(taken_in_.states.begin(), taken_in_.states.end(), std::back_inserter(epoch.states));
  told->taken_in = std::move(taken_in_.durable);
  taken_in_ = {};
  if (options_.lane) forget_changes(epoch);
  dirty_ = urgent_ = false;
  held_bytes_ = 0;
  last_cut_ = std::chrono::steady_clock::now();
  if (!epoch.empty()) ++epoch_number_;
  return epoch;
}

void Engine::write(const store::Epoch& epoch, Lock& lock) {
  while (true) {
    lock.unlock();
    std::string full;
    std::string broken;
    const auto begin = std::chrono::steady_clock::now();
    try {
      store_.write(epoch);
    } catch (const store::DiskFull& error) {
      full = error.what();
    } catch (const std::exception& error) {
      broken = error.what();
    }
    const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    lock.lock();
    if (!broken.empty())
      return fail(broken + ". What is on disk is consistent up to epoch " + std::to_string(epochs_.last) +
                  "; mend the disk and start again");
    if (full.empty()) {
      ++epochs_.count;
      epochs_.seconds += seconds;
      epochs_.longest = std::max(epochs_.longest, seconds);
      epochs_.last = epoch.number;
      for (std::size_t i = 0; i < std::size(kLatencyBounds); ++i) {
        if (seconds <= kLatencyBounds[i]) ++epochs_.buckets[i];
      }
      if (sources_paused_) {
        sources_paused_ = false;
        lock.unlock();
        report(nullptr, abi::Level::info, "the disk has room again: work goes on");
        lock.lock();
        for (auto& instance : instances_) consider(*instance);
      }
      return;
    }
    ++epochs_.failed;
    if (!sources_paused_) {
      sources_paused_ = true;
      lock.unlock();
      report(nullptr, abi::Level::error,
             full + ": sources pause until there is room; nothing is lost, and work resumes by itself");
      lock.lock();
    }
    if (committer_stop_)
      return fail(full + ": stopped before the last epoch could be written; what it held comes again");
    commit_wanted_.wait_for(lock, kDiskFullPause, [&] { return committer_stop_; });
  }
}

/// But for those that were abandoned meanwhile: what they did comes again, or is done by who took their place.
void Engine::tell_durable(const Tokens& tokens, Lock& lock) {
  for (auto at = tokens.begin(); at != tokens.end();) {
    const auto& instance = at->first;
    const auto end = std::find_if(at, tokens.end(), [&](const auto& each) { return each.first != instance; });
    if (!instance->is_abandoned() && instance->processor != nullptr) {
      telling_ = instance.get();
      telling_since_ = std::chrono::steady_clock::now();
      lock.unlock();
      for (; at != end; ++at) instance->processor->durable(at->second);
      lock.lock();
      telling_ = nullptr;
      quiet_.notify_all();
    }
    at = end;
  }
}

void Engine::made_durable(const store::Epoch& epoch, WhenDurable told, Lock& lock) {
  for (const auto& change : epoch.connections) {
    for (auto& connection : connections_) {
      if (connection->number() != change.connection) continue;
      connection->made_durable(change.next);
      if (connection->durable_only) consider(*connection->to);
    }
  }
  if (store::Arena::total_bytes() > options_.memory_budget && !options_.lane) {
    for (auto& connection : connections_) connection->unload();
  }
  if (!told.taken_in.empty()) {
    lock.unlock();
    for (const auto& durable : told.taken_in) durable();
    lock.lock();
  }
  if (!options_.lane) {
    tell_durable(told.tokens, lock);
  } else if (!told.tokens.empty()) {
    lock.unlock();
    store_.when_durable([tokens = std::move(told.tokens), listening = listening_] {
      const std::lock_guard listener(listening->mutex);
      if (listening->over) return;
      for (const auto& [instance, token] : tokens) {
        if (!instance->is_abandoned()) instance->processor->durable(token);
      }
    });
    lock.lock();
  }
  committing_ = false;
  cuts_durable_ = cuts_;
  end_stops();
  quiet_.notify_all();
}

}  // namespace weir::engine
