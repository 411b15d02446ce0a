// An operator terminates a processor that is stopping and does not return from a call.
//
// No thread can be ended from outside without harm to the others, so it is left to itself: the Instance with all that
// the thread may still look at (the session, its inputs, state, what it holds, its connections) is abandoned and kept
// as it is, and another Instance takes its place in the graph, stopped, with a copy of what the last settled session
// left. What the abandoned session had is queued again, as after a crash. Whoever comes back from an abandoned Instance
// finds that out where he takes the engine's lock, which he has to do anyway, and then does nothing more; its Context
// does nothing either. The last thread that comes back stops and destroys the object, says so, and all is freed.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/engine.h"
#include "engine/executor.h"

namespace weir::engine {

namespace {

/// For others who work on the graph at this moment; they take as long as an epoch.
constexpr auto kOthersPatience = std::chrono::seconds(2);

}  // namespace

void Engine::terminate(const std::string& flow, const std::string& processor, const std::string& who, Lock& lock) {
  quiet_.wait_for(lock, kOthersPatience, [&] {
    const bool is_told = telling_ == instance_of(flow, processor).get();
    return (operators_ == 0 && !is_told) || applying_ || stopping_ || !fatal_.empty();
  });
  const auto instance = instance_of(flow, processor);
  check_operable();
  check_hangs(*instance);
  if (operators_ != 0) throw NotNow("a queue or a processor is being worked on: try again when that is done");

  const auto successor =
      std::make_shared<Instance>(*this, instance->shared_flow(), instance->definition(), instance->number());
  successor->status = Instance::Status::stopped;
  successor->succeed(*instance);
  executor_->add(*successor);
  abandon(instance, who);
  replace_abandoned(instance, successor);
  note_stopped(*successor, who);
  const auto threads = threads_left(instance->number());
  auto message = fmt::format("terminated by {}: what it was at is queued again", who);
  if (threads != 0) message += fmt::format("; threads that have not come back: {}", threads);
  report_unlocked(*successor, abi::Level::warning, std::move(message), lock);
}

void Engine::check_hangs(const Instance& instance) const {
  using Status = Instance::Status;
  const auto& name = instance.full_name();
  switch (instance.status) {
    case Status::stopped:
    case Status::finished:
      throw NotNow(name + " does not run: there is nothing to terminate");
    case Status::starting:
    case Status::running:
    case Status::misconfigured:
      throw NotNow("stop " + name + " first: it can be terminated if it does not come to an end then");
    case Status::stopping:
      break;
  }
  if (telling_ == &instance)
    throw NotNow(name +
                 " is being told what is durable, and does not return from that: no epoch is written until it does. "
                 "Restart Weir, which loses nothing");
  if (instance.active == 0 && !instance.in_start)
    throw NotNow(name +
                 " has come to its end, and is stopped as soon as what it did is durable: if that takes long, see what "
                 "keeps the disk from taking epochs");
}

/// From now on what its threads do has no effect, and others have their places.
void Engine::abandon(const std::shared_ptr<Instance>& instance, const std::string& who) {
  executor_->give_up(*instance, instance->calls);
  auto& abandoned = abandoned_.emplace_back(Abandoned{instance, {}, who, std::chrono::steady_clock::now()});
  for (const auto& connection : connections_) {
    if (connection->from == instance.get() || connection->to == instance.get())
      abandoned.connections.push_back(connection);
  }
  instance->abandon();
  ++instance->start_number;
  active_ -= instance->active;
  forget(*instance);
}

/// Both graphs are the same but for this. What was under way or held is queued again, in its order.
void Engine::replace_abandoned(const std::shared_ptr<Instance>& instance, const std::shared_ptr<Instance>& successor) {
  for (auto* input : instance->inputs) {
    for (const auto& flight : input->give_back()) prepared_.erase(flight.get());
    for (const auto& held : instance->held) {
      if (held.connection != input->number()) continue;
      input->release(held.sequence);
      input->add_retry({held.sequence, 0, 0, held.offset}, held.batch, held.index);
    }
  }
  std::replace(instances_.begin(), instances_.end(), instance, successor);
  for (const auto& connection : connections_) {
    if (connection->from == instance.get()) connection->from = successor.get();
    if (connection->to == instance.get()) connection->to = successor.get();
  }
  for (const auto* input : successor->inputs) consider(*input->from);  // who was kept back while it was busy
  flushed_.notify_all();
  drained_.notify_all();
  quiet_.notify_all();
  if (options_.until_idle) check_ends();
}

/// A thread has come back from an abandoned instance, which may be gone when this returns.
void Engine::came_back(Instance& instance, Lock& lock) {
  if (instance.active != 0 || instance.in_start) return;
  quiet_.wait(lock, [&] { return telling_ != &instance; });
  if (auto* processor = std::exchange(instance.processor, nullptr); processor != nullptr) {
    const InCall call(instance);
    lock.unlock();
    processor->stop();
    processor->destroy();
    lock.lock();
  }
  const auto at = std::find_if(abandoned_.begin(), abandoned_.end(),
                               [&](const auto& abandoned) { return abandoned.instance.get() == &instance; });
  const auto successor = std::find_if(instances_.begin(), instances_.end(), [&](const auto& each) {
    return each->number() == instance.number() && each.get() != &instance;
  });
  const auto told = successor == instances_.end() ? nullptr : *successor;
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - at->since).count();
  auto message = fmt::format("what was terminated by {} has come back after {} s; nothing of what it did since counts",
                             at->who, seconds);
  if (!told) message = instance.full_name() + ": " + message;
  auto kept = std::move(at->instance);
  auto connections = std::move(at->connections);
  const bool is_news = !at->who.empty();
  lock.unlock();
  kept.reset();  // what it has may report something, which takes the lock
  connections.clear();
  if (is_news) report(told.get(), abi::Level::info, std::move(message));
  lock.lock();
  abandoned_.erase(at);
  quiet_.notify_all();
}

std::size_t Engine::threads_left(std::uint32_t number) const {
  std::size_t threads = 0;
  for (const auto& abandoned : abandoned_) {
    if (abandoned.instance && abandoned.instance->number() == number) threads += abandoned.instance->calls.size();
  }
  return threads;
}

std::vector<LeftBehind> Engine::left_behind() const {
  std::vector<LeftBehind> left;
  const Lock lock(mutex_);
  for (const auto& abandoned : abandoned_) {
    if (abandoned.instance) left.push_back({abandoned.instance->full_name(), !abandoned.who.empty()});
  }
  if (telling_ != nullptr && stopped_) left.push_back({telling_->full_name(), false});
  return left;
}

}  // namespace weir::engine
