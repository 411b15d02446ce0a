// What runs when. An instance is posted to its executor when it has something to do and a free task; it then works for
// a few milliseconds and goes back to the end of the queue.

#include <fmt/format.h>

#include <algorithm>
#include <ratio>
#include <utility>

#include "engine/engine.h"
#include "engine/executor.h"
#include "engine/to_show.h"
#include "flow/cron.h"
#include "weir/sql.h"

namespace weir::engine {

namespace {

constexpr std::uint32_t kBatchCount = 1'000;
constexpr std::uint64_t kBatchBytes = 2 * MiB;
/// See Engine::runs_ahead.
constexpr std::uint64_t kRunAheadBytes = 3 * MiB;
constexpr int kConsumersAsked = 4;
constexpr auto kTimeSlice = std::chrono::milliseconds(5);
constexpr auto kLongestWait = std::chrono::seconds(60);
constexpr std::int64_t kClockJump = 1'000'000'000;

/// Where order is strict, a session that puts a FlowFile aside does nothing with those behind it: how many it has to be
/// done again with, if it did.
std::optional<std::uint32_t> before_retry(const Instance& instance, const Taken& taken, const Prepared& prepared) {
  if (!instance.definition().strict_order || !taken.flight || prepared.retries.empty()) return std::nullopt;
  const auto first = std::min_element(prepared.retries.begin(), prepared.retries.end(),
                                      [](const auto& a, const auto& b) { return a.input < b.input; });
  return first->input + 1 < taken.flight->count ? std::optional(first->input + 1) : std::nullopt;
}

std::unique_ptr<store::ContentWriter> write_content(void* store) {
  return static_cast<store::Store*>(store)->write_content();
}

}  // namespace

bool Engine::runs_ahead(const Connection& connection, int depth) {
  if (connection.queued_bytes() <= kRunAheadBytes) return false;
  if (connection.to->active != 0) return true;
  if (depth == kConsumersAsked) return false;
  for (const auto& relationship : connection.to->outputs) {
    for (const auto* output : relationship) {
      if (runs_ahead(*output, depth + 1)) return true;
    }
  }
  return false;
}

bool Engine::blocked(Instance& instance, const Connection* input) {
  const bool inside_cycle = input != nullptr && input->definition().in_cycle;
  for (const auto& relationship : instance.outputs) {
    for (const auto* output : relationship) {
      // A full connection inside a cycle stops only what enters the cycle from outside.
      if (inside_cycle && output->definition().in_cycle) continue;
      if (output->full()) return true;
      if (!runs_ahead(*output)) continue;
      if (!std::exchange(instance.is_ahead, true)) run_ahead_.push_back(&instance);
      return true;
    }
  }
  return false;
}

std::optional<Engine::Step> Engine::next_step(Instance& instance) {
  const bool ends = stopping_ || instance.status == Instance::Status::stopping;
  if (over_) return std::nullopt;
  if (instance.status != Instance::Status::running && instance.status != Instance::Status::stopping)
    return std::nullopt;
  const bool alone = instance.active <= 1;
  const auto now = clock_->now();
  if (instance.flush_wanted && alone && (instance.not_before <= now || ends)) return Step{abi::Trigger::flush};
  if (cut_is_next_ || instance.paused) return std::nullopt;
  if (instance.once != 0 && (instance.once_done || !alone)) return std::nullopt;
  if (ends || !fatal_.empty() || instance.not_before > now) return std::nullopt;
  const bool waits = options_.lane && instance.is_source() && !lane_is_done(instance);
  if (instance.tick_at != 0 && instance.tick_at <= now && alone && !waits && !blocked(instance, nullptr))
    return Step{abi::Trigger::tick};
  if (instance.next_scheduled > now && !instance.finish_wanted) return std::nullopt;
  if (instance.is_source()) {
    if (instance.poll_wanted && !waits && !instance.source_ended && !sources_paused_ && !draining_ && alone &&
        !blocked(instance, nullptr))
      return Step{abi::Trigger::input};
  }
  for (std::size_t i = 0; i < instance.inputs.size(); ++i) {
    auto* connection = instance.inputs[(instance.next_input + i) % instance.inputs.size()];
    if (connection->available(now, instance.definition().strict_order) && !blocked(instance, connection)) {
      instance.next_input = (instance.next_input + i + 1) % instance.inputs.size();
      return Step{abi::Trigger::input, connection};
    }
  }
  if (!instance.is_source() && instance.poll_wanted && alone) return Step{abi::Trigger::input};  // woken
  if (instance.finish_wanted && alone && !blocked(instance, nullptr)) return Step{abi::Trigger::finish};
  return std::nullopt;
}

void Engine::consider(Instance& instance) {
  if (!started_ || instance.active >= instance.definition().concurrency) return;
  const auto before = instance.next_input;
  ++instance.active;  // next_step asks what one more task would find
  const auto step = next_step(instance);
  --instance.active;
  instance.next_input = before;
  if (!step) return;
  ++instance.active;
  ++active_;
  executor_->post(instance, [this, &instance] { return work(instance); });
}

void Engine::set_timer(Instance& instance, std::int64_t when) {
  if (instance.timer_at != 0 && instance.timer_at <= when) return;  // that one will set the next
  instance.timer_at = when;
  if (timers_.empty() || when < timers_.top().when) timer_changed_.notify_one();
  timers_.push({when, &instance});
}

void Engine::consider_timers(Instance& instance) {
  const auto now = clock_->now();
  const auto later = [&](std::int64_t when) {
    if (when > now) set_timer(instance, when);
  };
  later(instance.tick_at);
  later(instance.not_before);
  later(instance.next_scheduled);
  for (const auto* input : instance.inputs) later(input->next_due());
}

/// Returns whether the thread goes on: not, if the instance was abandoned while the thread was in it.
bool Engine::work(Instance& instance) {
  Lock lock(mutex_);
  const auto until = std::chrono::steady_clock::now() + kTimeSlice;
  const bool is_late = instance.is_abandoned();
  do {
    const auto step = next_step(instance);
    if (!step) break;
    run_step(instance, *step, lock);
  } while (std::chrono::steady_clock::now() < until);
  --instance.active;
  if (instance.is_abandoned()) {
    if (is_late) executor_->give_up_this(instance);
    came_back(instance, lock);
    return false;
  }
  --active_;
  consider_timers(instance);
  consider(instance);
  if (instance.once_done && instance.active == 0 && instance.status == Instance::Status::running) begin_stop(instance);
  go_on_stopping(instance);
  if (options_.lane) end_round();
  if (instance.paused && instance.active == 0) quiet_.notify_all();
  for (auto* ahead : std::exchange(run_ahead_, {})) {  // now it may not be any more
    ahead->is_ahead = false;
    consider(*ahead);
  }
  if (options_.until_idle) check_ends();
  if (active_ == 0 || stopping_) quiet_.notify_all();
  if (draining_) drained_.notify_all();
  return true;
}

/// Reads what only the disk holds of a flight, without the lock. False: the disk failed, and so did the engine; or the
/// consumer was terminated, and it is not its flight any more.
bool Engine::read_back(Connection& connection, Taken& taken, Lock& lock) {
  if (taken.missing.empty()) return true;
  const auto* consumer = connection.to;
  lock.unlock();
  std::string broken;
  try {
    taken.read(connection.number(), store_);
  } catch (const std::exception& error) {
    broken = error.what();
  }
  lock.lock();
  if (connection.to != consumer) return false;
  if (!broken.empty()) {
    fail("reading the queue " + connection.id() + ": " + broken);
    return false;
  }
  connection.complete(taken);
  return true;
}

void Engine::run_step(Instance& instance, const Step& step, Lock& lock) {
  const InCall call(instance);
  const auto now = clock_->now();
  SessionInput input;
  input.now = now;
  input.processor_name = instance.definition().name;
  input.secrets = &instance.flow_definition().secrets;
  input.routed = &instance.routed;
  for (std::uint32_t i = 0; i < instance.definition().relationships.size(); ++i) {
    if (instance.definition().relationships[i] == "failure") input.failure = i;
  }
  if (instance.definition().concurrency == 1) {  // tasks that overlap may have neither
    input.state = &instance.state;
    input.held = &instance.held;
    if (!instance.held.empty()) {
      for (const auto* connection : instance.inputs) input.came_by.emplace_back(connection->number(), connection->id());
    }
  }
  Taken taken;
  auto status = abi::Status::ok;
  detail::Message message;
  if (step.connection != nullptr) {
    const auto most = instance.once == 0 ? kBatchCount : std::min(instance.once, kBatchCount);
    taken = step.connection->take(now, most, kBatchBytes, instance.definition().strict_order);
    if (!taken.flight) return;
    consider(instance);  // what is left is for its next task, which need not wait for this one
    if (!read_back(*step.connection, taken, lock)) return;
    input.batch = taken.batch;
    input.offset = taken.offset;
    input.count = taken.flight->count;
    input.first_sequence = taken.flight->first;
    input.first_offset = taken.flight->offset;
    input.sequences = std::move(taken.sequences);
    input.connection = step.connection->number();
    input.connection_id = step.connection->id();
    input.durable_cursor = step.connection->durable_cursor();
  } else if (step.trigger == abi::Trigger::tick) {
    instance.tick_at = 0;
  }
  if (step.trigger == abi::Trigger::input || instance.is_source()) instance.poll_wanted = false;
  if (instance.once != 0 && step.trigger == abi::Trigger::input)
    instance.once_done = taken.flight || instance.is_source();
  lock.unlock();

  const auto begin = std::chrono::steady_clock::now();
  auto session = std::make_unique<SessionBuilder>(input, &write_content, &store_);
  Prepared prepared;
  try {
    status = instance.processor->step(session.get(), step.trigger, &message);
    if (status == abi::Status::ok) {
      session->finish();
      if (instance.definition().concurrency > 1 && !session->outcome().state.empty())
        throw std::logic_error("keeps state, so it cannot run concurrently");
    }
  } catch (const store::DiskFull& error) {
    status = abi::Status::unavailable;
    message.message(to_text(error.what()));
  } catch (const store::IoError& error) {
    lock.lock();
    if (!instance.is_abandoned()) fail(error.what());
    return;
  } catch (const std::exception& error) {
    status = abi::Status::defect;
    message.message(to_text(error.what()));
  }
  const auto duration = std::chrono::steady_clock::now() - begin;
  if (status == abi::Status::ok) prepared = prepare(instance, std::move(session), taken.attempts, duration.count());

  lock.lock();
  if (instance.is_abandoned()) return;
  instance.statistics.busy += duration.count();
  if (step.trigger == abi::Trigger::flush) {
    instance.flush_wanted = status == abi::Status::unavailable && !stopping_ &&
                            instance.status != Instance::Status::stopping;  // then again, after the pause
    // What a sink takes after its flush has to be written with the epoch, content and all: so nothing begins until the
    // cut, which is a matter of microseconds.
    cut_is_next_ = committing_ && all_flushed();
    flushed_.notify_all();
  }
  if (status != abi::Status::ok) {
    if (step.connection == nullptr && step.trigger == abi::Trigger::tick) instance.tick_at = now;
    if (step.connection == nullptr && instance.is_source()) instance.poll_wanted = true;
    return roll_back(instance, step, taken.flight, std::move(session), status,
                     to_show(message.text(), instance.flow_definition().secrets), lock);
  }
  if (step.trigger == abi::Trigger::finish) {
    instance.finish_wanted = false;
    instance.finish_done = !prepared.session->outcome().again;
  }
  // What a session asks for that began before the clock was set back.
  const auto back = instance.set_back;
  if (instance.active == 1) instance.set_back = 0;
  if (auto& tick_at = prepared.session->outcome().tick_at; tick_at != 0)
    tick_at = std::max<std::int64_t>(1, tick_at - back);
  for (auto& retry : prepared.retries) retry.delay -= back;
  if (const auto most = before_retry(instance, taken, prepared))
    return step.connection->take_again(taken.flight, *most);
  const auto held = instance.held.size();
  if (taken.flight && taken.flight->retries.empty()) {
    taken.flight->state = Flight::State::finished;
    prepared_[taken.flight.get()] = std::move(prepared);
    settle_finished(instance, *step.connection);
  } else {
    settle(instance, step.connection, taken.flight, prepared);
  }
  round_moves_ |= step.trigger != abi::Trigger::flush || !prepared.outputs.empty() || instance.held.size() != held;
  const auto& schedule = instance.definition().schedule;
  if (schedule.every && step.trigger == abi::Trigger::input) {
    instance.next_scheduled = now - back + schedule.every->count();
  } else if (instance.next_scheduled != 0 && step.trigger == abi::Trigger::input) {
    instance.next_scheduled = flow::next_cron_time(schedule.cron, now);
  }
  // Also where this step was a tick, behind a poll that has taken longer than the schedule's pause.
  if (instance.next_scheduled != 0 && instance.is_source()) instance.poll_wanted = true;
}

void Engine::wake(Instance& instance) {
  const std::lock_guard lock(mutex_);
  instance.poll_wanted = true;
  consider(instance);
}

bool Engine::may_finish(const Instance& instance) const {
  const auto has_ended = [&](const Instance& from) {
    return from.status == Instance::Status::finished || from.status == Instance::Status::stopped ||
           from.component == instance.component;
  };
  // All processors of a cycle end together: nothing is under way in it, and nothing will come into it.
  return std::all_of(instances_.begin(), instances_.end(), [&](const auto& other) {
    if (other->component != instance.component) return true;
    return other->active == 0 && std::all_of(other->inputs.begin(), other->inputs.end(), [&](const Connection* input) {
             return input->idle() && has_ended(*input->from);
           });
  });
}

void Engine::check_ends() {
  for (bool changed = true; changed;) {
    changed = false;
    for (auto& instance : instances_) {
      auto& in = *instance;
      if (in.status != Instance::Status::running || in.active != 0) continue;
      const bool ends = in.is_source() ? in.source_ended : may_finish(in);
      if (!ends) continue;
      if (!in.finish_done) {
        if (!in.finish_wanted) {
          in.finish_wanted = true;
          consider(in);
        }
      } else if (in.held.empty()) {
        in.status = Instance::Status::finished;
        changed = true;
      } else {
        touch(true);  // an epoch's flush will finish what is held
      }
    }
  }
  if (!nothing_will_run()) return;
  if (dirty_) touch(true);  // the last epoch: only its end is waited for
  if (everything_ended()) quiet_.notify_all();
}

std::int64_t Engine::clock_lead() const {
  return clock_->now() - Duration(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// A clock that was set back would have everything that waits wait so much longer: it is due so much earlier instead.
void Engine::follow_clock(Lock& lock) {
  if (virtual_clock_ != nullptr) return;
  const auto before = std::exchange(clock_lead_, clock_lead());
  const auto back = before - clock_lead_;
  if (back < kClockJump) return;
  const auto earlier = [back](std::int64_t& when) { when = when == 0 ? 0 : std::max<std::int64_t>(1, when - back); };
  for (auto& instance : instances_) {
    const auto& cron = instance->definition().schedule.cron;
    for (auto* when : {&instance->tick_at, &instance->not_before, &instance->told_at}) earlier(*when);
    if (cron.empty()) {
      earlier(instance->next_scheduled);
    } else if (instance->next_scheduled != 0) {
      instance->next_scheduled = flow::next_cron_time(cron, clock_->now());
    }
    instance->timer_at = 0;
    if (instance->active != 0) instance->set_back += back;
  }
  bool retries = false;
  for (auto& connection : connections_) {
    connection->set_back(back);
    retries |= connection->dirty;
  }
  if (retries) touch();
  timers_ = {};
  for (auto& instance : instances_) {
    consider_timers(*instance);
    consider(*instance);
  }
  lock.unlock();
  report(nullptr, abi::Level::warning, fmt::format("the system's clock was set back by {} s", back / std::nano::den));
  lock.lock();
}

void Engine::timer_loop() {
  Lock lock(mutex_);
  while (!stopping_) {
    if (timers_.empty()) {
      quiet_.notify_all();
      timer_changed_.wait(lock);
      continue;
    }
    follow_clock(lock);
    if (timers_.empty() || stopping_) continue;
    const auto [when, instance] = timers_.top();
    const auto now = clock_->now();
    if (when <= now) {
      timers_.pop();
      instance->timer_at = 0;
      consider_timers(*instance);
      consider(*instance);
      continue;
    }
    if (virtual_clock_ != nullptr) {
      quiet_.notify_all();
      timer_changed_.wait(lock);  // advance() says when time has moved
    } else {
      // It is by another clock that this waits: the time of day may jump ahead meanwhile.
      timer_changed_.wait_for(lock, std::min<Duration>(std::chrono::nanoseconds(when - now), kLongestWait));
    }
  }
}

}  // namespace weir::engine
