// A changed flow takes the place of the one that runs.
//
// The graph that is wanted is built beside the one that runs, and shares with it every processor that works by the same
// definition and every connection that both have. Then
//   1. what differs or goes is stopped as by an operator (operate.cpp), with a flush and a last cut, and those whose
//      FlowFiles will go elsewhere are kept from beginning another session;
//   2. under the lock, the one graph takes the place of the other: a matter of microseconds;
//   3. what is new is started, sinks before sources, and kept from its first session, so that until here no FlowFile
//      has moved that would not have moved in the old graph;
//   4. if all started, everything goes on; else the old graph takes its place back.
// A connection keeps its object, and so its queue, its cursor and its sequence numbers. One that goes is gone from
// memory when all of it is durable; if it comes back, it is recovered as at the start. All that is durable on the way
// is of either graph, whatever kills the process.

#include <algorithm>
#include <boost/json.hpp>
#include <set>
#include <utility>

#include "engine/engine.h"
#include "engine/executor.h"
#include "engine/graph.h"

namespace weir::engine {

using Status = Instance::Status;

namespace {

bool works(const Instance& instance) {
  return instance.status == Status::starting || instance.status == Status::running ||
         instance.status == Status::misconfigured;
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

bool keeps_data(const store::RecoveredConnection& connection) {
  return connection.next > connection.cursor || !connection.held.empty() || !connection.retry.empty();
}

}  // namespace

/// Whoever would be woken later is not there any more. With the lock.
void Engine::forget(Instance& instance) {
  std::vector<Timer> left;
  for (; !timers_.empty(); timers_.pop()) {
    if (timers_.top().instance != &instance) left.push_back(timers_.top());
  }
  for (const auto& timer : left) timers_.push(timer);
  instance.timer_at = 0;
  std::erase(run_ahead_, &instance);
  instance.is_ahead = false;
}

void Engine::check_going_on() const {
  if (stopping_ || !fatal_.empty()) throw NotNow("Weir is stopping: nothing was applied");
}

/// Waits until nothing of what changes runs, and all that goes is durable.
void Engine::wait_quiesced(Applying& change, Lock& lock) {
  const auto busy = [&] {
    std::vector<std::string> names;
    for (const auto& instance : change.stopping) {
      const bool has_stopped = instance->status == Status::stopped || instance->status == Status::finished;
      if (!has_stopped || instance->active != 0) names.push_back(instance->full_name());
    }
    for (const auto& instance : change.paused) {
      if (instance->active != 0) names.push_back(instance->full_name());
    }
    return names;
  };
  const auto durable = [&] {
    return change.going.empty() ||
           (cuts_durable_ == cuts_ &&
            std::none_of(change.going.begin(), change.going.end(), [](const auto& each) { return each->dirty; }));
  };
  const auto deadline = std::chrono::steady_clock::now() + change.options.patience;
  while (true) {
    check_going_on();
    const auto names = busy();
    if (names.empty() && durable()) return;
    if (names.empty()) touch(true);
    if (std::chrono::steady_clock::now() >= deadline)
      throw NotApplied((names.empty() ? "the disk took no epoch" : listed(names) + " did not come to an end") +
                       " within " + format_duration(change.options.patience));
    quiet_.wait_until(lock, deadline);
  }
}

/// Starts what is new; returns what did not start, and why.
std::string Engine::start_new(Applying& change, Lock& lock) {
  std::string failed;
  for (const bool sources : {false, true}) {
    const auto is_meant = [&](const Applying::Fresh& fresh) {
      return fresh.wanted && fresh.instance->is_source() == sources;
    };
    for (const auto& fresh : change.fresh) {
      if (is_meant(fresh)) begin_start(*fresh.instance);
    }
    const auto deadline = std::chrono::steady_clock::now() + change.options.patience;
    const auto is_told = [&](const Applying::Fresh& fresh) {
      const auto& instance = *fresh.instance;
      return !is_meant(fresh) || instance.status != Status::starting || !instance.unavailable.empty();
    };
    while (!std::all_of(change.fresh.begin(), change.fresh.end(), is_told)) {
      check_going_on();
      if (quiet_.wait_until(lock, deadline) == std::cv_status::timeout) break;
    }
    check_going_on();
    for (const auto& fresh : change.fresh) {
      if (!is_meant(fresh) || fresh.instance->status != Status::misconfigured) continue;
      failed += (failed.empty() ? "" : "; ") + fresh.instance->full_name() + ": " + fresh.instance->status_message;
    }
    if (!failed.empty()) break;
  }
  return failed;
}

/// What was stopped or paused for it goes on as it was.
void Engine::resume_unchanged(Applying& change) {
  for (const auto& instance : change.paused) {
    instance->paused = false;
    consider(*instance);
  }
  for (const auto& instance : change.stopping) {
    if (!change.worked.contains(instance.get())) continue;
    if (instance->status == Status::stopped) {
      begin_start(*instance);
    } else {
      instance->start_after_stop = true;
    }
  }
}

void Engine::roll_back_graph(Applying& change, const Graph& before, Lock& lock) {
  for (const auto& fresh : change.fresh) {
    if (works(*fresh.instance)) begin_stop(*fresh.instance);
  }
  const auto deadline = std::chrono::steady_clock::now() + change.options.patience;
  bool is_patient = true;
  while (std::any_of(change.fresh.begin(), change.fresh.end(),
                     [](const auto& fresh) { return fresh.instance->status != Status::stopped; })) {
    check_going_on();
    if (!is_patient) {
      quiet_.wait(lock);
    } else if (quiet_.wait_until(lock, deadline) == std::cv_status::timeout) {
      is_patient = false;
      for (const auto& fresh : change.fresh) {  // what hangs has done nothing yet
        if (fresh.instance->status == Status::stopping && !fresh.instance->calls.empty())
          abandon(fresh.instance, "a change that was not applied");
      }
    }
  }
  for (const auto& fresh : change.fresh) {
    if (fresh.before) fresh.before->inherit(*fresh.instance);
    forget(*fresh.instance);
  }
  install(before);
  resume_unchanged(change);
}

/// The fresh graph is what runs.
void Engine::put_in_force(Applying& change) {
  for (const auto& [from, to] : change.renamed_processors) store_.rename_processor(from, to);
  for (const auto& [from, to] : change.renamed_connections) store_.rename_connection(from, to);
  for (const auto& fresh : change.fresh) {
    auto& instance = *fresh.instance;
    instance.paused = false;
    if (instance.is_source()) {
      const auto& retain = instance.definition().retain;
      store_.retain(instance.number(), {retain.keep_for.count(), retain.none ? 0 : retain.keep_bytes});
    }
    if (fresh.before && fresh.before->full_name() != instance.full_name() && !instance.stopped_by.empty()) {
      stop_changes_[fresh.before->full_name()] = std::nullopt;
      stop_changes_[instance.full_name()] =
          boost::json::serialize(boost::json::object{{"who", instance.stopped_by}, {"time", instance.stopped_at}});
    }
  }
  for (const auto& instance : change.paused) instance->paused = false;
  if (!change.going.empty()) {
    std::set<std::uint32_t> gone;
    for (const auto& connection : change.going) gone.insert(connection->number());
    for (auto& connection : store_.connections()) {
      if (gone.contains(connection.connection) && keeps_data(connection)) orphans_.push_back(std::move(connection));
    }
  }
  for (auto& instance : instances_) {
    consider_timers(*instance);
    consider(*instance);
  }
  touch();
}

void Engine::apply(Flows flows, const ApplyOptions& options) {
  change_flows([&](const Flows&) { return std::move(flows); }, options);
}

void Engine::add(std::shared_ptr<const flow::Flow> flow, const ApplyOptions& options) {
  const auto with = [&](Flows flows) {
    for (auto& each : flows) {
      if (each->name != flow->name) continue;
      each = flow;
      return flows;
    }
    flows.push_back(flow);
    return flows;
  };
  change_flows(with, options);
}

void Engine::remove(const std::string& flow, const ApplyOptions& options) {
  const auto without = [&](Flows flows) {
    if (std::erase_if(flows, [&](const auto& each) { return each->name == flow; }) == 0)
      throw std::invalid_argument("there is no flow '" + flow + "'");
    return flows;
  };
  change_flows(without, options);
}

/// Stops what changes or goes, and keeps those whose outputs change from another session.
void Engine::stop_changing(Applying& change, Graph& before) {
  for (const auto& instance : change.paused) {
    instance->paused = true;
    for (auto& place : before.places) place.rewired |= place.instance == instance;
  }
  for (const auto& instance : change.stopping) {
    // One that runs once stops by itself, and is stopped.
    const bool worked = (works(*instance) && instance->once == 0) || instance->start_after_stop;
    if (worked) change.worked.insert(instance.get());
    instance->start_after_stop = false;
    if (works(*instance)) begin_stop(*instance);
  }
}

/// What is new takes over from what was there, and whether it is to be started: what an operator stopped stays so.
/// `stops`: what operators have stopped, as it is kept.
void Engine::prepare_fresh(Applying& change, const std::map<std::string, std::string>& stops) {
  for (auto& fresh : change.fresh) {
    auto& instance = *fresh.instance;
    instance.paused = true;
    const bool is_enabled = instance.definition().enabled;
    if (fresh.before) {
      const bool was_enabled = fresh.before->definition().enabled;
      instance.inherit(*fresh.before);
      fresh.wanted = change.worked.contains(fresh.before.get())
                         ? is_enabled || !was_enabled
                         : instance.stopped_by.empty() && is_enabled && !was_enabled;
    } else {
      recover_stop(instance, stops);
      fresh.wanted = is_enabled && instance.stopped_by.empty();
    }
    if (!fresh.wanted) instance.status = Status::stopped;
  }
}

/// Has the caller keep what was applied; returns why he could not.
std::string Engine::keep_change(const Applying& change, Lock& lock) {
  if (!change.options.keep) return {};
  std::string failed;
  lock.unlock();
  try {
    change.options.keep();
  } catch (const std::exception& error) {
    failed = error.what();
  }
  lock.lock();
  check_going_on();
  return failed;
}

/// Returns why the graph is the one before again; empty if it is the one that is wanted.
std::string Engine::try_change(const std::function<Flows(Flows)>& next, Applying& change, Lock& lock) {
  quiet_.wait(lock, [&] { return operators_ == 0 || stopping_ || !fatal_.empty(); });
  check_going_on();
  auto before = present();
  lock.unlock();
  auto flows = next(before.flows);
  std::set<std::string> names;
  for (const auto& flow : flows) {
    if (!names.insert(flow->name).second) throw std::invalid_argument("two flows have the name '" + flow->name + "'");
  }
  const auto after = wanted(before, std::move(flows), change);
  const auto stops = store_.state(operator_number_);
  for (const auto& fresh : change.fresh) executor_->add(*fresh.instance);
  lock.lock();
  stop_changing(change, before);
  try {
    wait_quiesced(change, lock);
  } catch (const NotApplied& error) {
    resume_unchanged(change);
    return error.what();
  }
  prepare_fresh(change, stops);
  install(after);
  for (const auto& instance : change.stopping) forget(*instance);
  auto failed = start_new(change, lock);
  if (failed.empty()) failed = keep_change(change, lock);
  if (failed.empty()) {
    put_in_force(change);
  } else {
    roll_back_graph(change, before, lock);
  }
  return failed;
}

/// Lets go of what is not part of the graph, and says what became of the change.
void Engine::tell(const Applying& change, const std::string& failed) {
  if (!failed.empty()) {
    for (const auto& fresh : change.fresh) executor_->remove(*fresh.instance);
    return report(nullptr, abi::Level::warning,
                  "a changed flow was not applied, and what ran before runs on: " + failed);
  }
  for (const auto& instance : change.stopping) executor_->remove(*instance);
  const auto& who = change.options.who;
  for (const auto& line : change.told)
    report(nullptr, abi::Level::info, "applied" + (who.empty() ? "" : " by " + who) + ": " + line);
  for (const auto& connection : change.going) {
    for (const auto& orphan : orphans()) {
      if (orphan.connection == connection->number()) report_orphan(orphan);
    }
  }
}

void Engine::change_flows(const std::function<Flows(Flows)>& next, const ApplyOptions& options) {
  Lock lock(mutex_);
  check_up();
  if (options_.until_idle || options_.lane)
    throw NotNow("a batch run ends by itself, and a lane goes with its flow: nothing is applied to it");
  applying_ = true;
  struct Over {
    Engine& engine;
    Lock& lock;
    ~Over() {
      if (!lock.owns_lock()) lock.lock();
      engine.applying_ = false;
      engine.quiet_.notify_all();
      lock.unlock();
    }
  };
  Applying change{options, {}, {}, {}, {}, {}, {}, {}, {}};
  std::string failed;
  {
    const Over over{*this, lock};
    failed = try_change(next, change, lock);
  }
  tell(change, failed);
  if (!failed.empty()) throw NotApplied(failed);
}

}  // namespace weir::engine
