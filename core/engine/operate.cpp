// What an operator does to a running flow: stops a processor, starts it, has it run once.
//
// A stop goes like the end of the process, for one processor. It is `stopping` while the sessions under way end; then
// it is flushed once, as before any epoch; and when an epoch that holds all it did is durable, so that nothing will be
// told to it any more, its object is stopped and destroyed. What it still held is queued again, as after a crash. A
// start makes a new object, as the start of the process does. That an operator stopped it is part of the epochs, as
// state of a processor that no flow can have, and so holds over restarts. One that does not return from a call stays
// `stopping` until it is terminated (terminate.cpp).

#include <algorithm>
#include <boost/json.hpp>

#include "engine/engine.h"
#include "engine/executor.h"
#include "store/names.h"

namespace weir::engine {

namespace {

/// Names of processors have a flow in front, so this is nobody's.
constexpr const char* kOperator = "@operator";

}  // namespace

void Engine::recover_stops() {
  operator_number_ = store_.processor_number(kOperator);
  const auto stops = store_.state(operator_number_);
  for (auto& instance : instances_) {
    recover_stop(*instance, stops);
    if (!instance->stopped_by.empty())
      instance->status = Instance::Status::stopped;  // also for who asks before start()
  }
}

void Engine::recover_stop(Instance& instance, const std::map<std::string, std::string>& stops) {
  const auto& definition = instance.definition();
  for (const auto& name : {instance.full_name(), instance.flow_name() + "/" + definition.renamed_from}) {
    const auto found = stops.find(name);
    if (found == stops.end()) continue;
    boost::system::error_code error;
    const auto said = boost::json::parse(found->second, error);
    instance.stopped_by = "somebody";
    if (!error && said.is_object()) {
      if (const auto* who = said.as_object().if_contains("who"); who != nullptr && who->is_string())
        instance.stopped_by = std::string(who->as_string());
      if (const auto* time = said.as_object().if_contains("time"); time != nullptr && time->is_int64())
        instance.stopped_at = time->as_int64();
    }
    if (name == instance.full_name()) continue;
    stop_changes_[name] = std::nullopt;  // it was renamed
    stop_changes_[instance.full_name()] = found->second;
  }
}

/// With the lock.
std::shared_ptr<Instance> Engine::instance_of(const std::string& flow, const std::string& processor) const {
  std::vector<std::string> known;
  for (const auto& instance : instances_) {
    if (instance->flow_name() == flow && instance->processor_name() == processor) return instance;
    known.push_back(instance->full_name());
  }
  throw std::invalid_argument(store::unknown_name("processor", flow + "/" + processor, known));
}

void Engine::operate(const std::string& flow, const std::string& processor, Operation operation, const std::string& who,
                     std::uint32_t flowfiles) {
  Lock lock(mutex_);
  if (operation == Operation::terminate) return terminate(flow, processor, who, lock);
  const auto found = instance_of(flow, processor);
  auto& instance = *found;
  check_operable();
  const Operating operating(*this, lock);
  using Status = Instance::Status;
  const bool is_stopped = instance.status == Status::stopped;
  if (operation == Operation::stop) {
    const bool is_news = instance.stopped_by.empty();
    if (is_news) note_stopped(instance, who);
    instance.start_after_stop = false;
    if (instance.status == Status::starting || instance.status == Status::running) begin_stop(instance);
    if (instance.status == Status::misconfigured) begin_stop(instance);
    if (is_news) report_unlocked(instance, abi::Level::info, "stopped by " + who, lock);
    return;
  }
  if (operation == Operation::run_once && !is_stopped)
    throw NotNow(instance.full_name() + " is not stopped: stop it first, and it can run once");
  if (instance.status == Status::finished)
    throw NotNow(instance.full_name() + " has finished: its sources have nothing more to give");
  if (operation == Operation::start && !instance.stopped_by.empty()) {
    instance.stopped_by.clear();
    instance.stopped_at = 0;
    stop_changes_[instance.full_name()] = std::nullopt;
    touch(true);
  }
  if (operation == Operation::start && (instance.status == Status::running || instance.status == Status::starting)) {
    instance.once = 0;  // from now on it goes on
    return;
  }
  instance.once = operation == Operation::run_once ? std::max(flowfiles, 1U) : 0;
  auto message = (operation == Operation::start ? "started by " : "run once by ") + who;
  const bool is_alone = threads_left(instance.number()) == 0;
  if (!is_alone) message += ", while a thread of what was terminated is still away: both may write to the far side";
  if (instance.status == Status::stopping) {
    instance.start_after_stop = true;
  } else if (instance.status == Status::misconfigured) {
    instance.start_after_stop = true;
    begin_stop(instance);
  } else if (instance.status == Status::stopped) {
    begin_start(instance);
  }
  report_unlocked(instance, is_alone ? abi::Level::info : abi::Level::warning, std::move(message), lock);
}

/// Over restarts, too.
void Engine::note_stopped(Instance& instance, const std::string& who) {
  instance.stopped_by = who;
  instance.stopped_at = clock_->now();
  stop_changes_[instance.full_name()] =
      boost::json::serialize(boost::json::object{{"who", who}, {"time", instance.stopped_at}});
  touch(true);
}

void Engine::begin_start(Instance& instance) {
  instance.status = Instance::Status::starting;
  instance.status_message.clear();
  instance.once_done = false;
  const auto start = ++instance.start_number;
  // It may have left the graph before a thread is free for it: so it is kept.
  executor_->post(instance,
                  [this, kept = instance.shared_from_this(), start] { return start_processor(*kept, start); });
}

void Engine::begin_stop(Instance& instance) {
  // One that could not start, or refused to go on, is not asked to flush.
  instance.stop_flushed = instance.status != Instance::Status::running;
  instance.status = Instance::Status::stopping;
  instance.stop_cut = 0;
  ++instance.start_number;
  go_on_stopping(instance);
}

/// Called whenever nothing of it runs: what was done until now has to be in a durable epoch.
void Engine::go_on_stopping(Instance& instance) {
  if (instance.status != Instance::Status::stopping || instance.active != 0 || instance.in_start) return;
  instance.stop_cut = cuts_ + 1;
  touch(true);
}

/// After an epoch, and when all who wait for it were told.
void Engine::end_stops() {
  for (auto& each : instances_) {
    auto& instance = *each;
    if (instance.status != Instance::Status::stopping || instance.active != 0 || instance.in_start) continue;
    if (instance.stop_cut == 0 || instance.stop_cut > cuts_) continue;
    if (!instance.held.empty() && !instance.stop_flushed) {  // the epoch was too far on to ask it
      go_on_stopping(instance);
      continue;
    }
    instance.stop_cut = 0;
    auto* processor = std::exchange(instance.processor, nullptr);
    ++instance.active;  // Engine::stop() waits for it
    ++active_;
    executor_->post(instance, [this, &instance, processor] { return destroy_processor(instance, processor); });
  }
}

bool Engine::destroy_processor(Instance& instance, abi::Processor* processor) {
  Lock lock(mutex_);
  const bool is_late = instance.is_abandoned();  // it was terminated before this thread was free for it
  if (is_late) executor_->give_up_this(instance);
  if (processor != nullptr) {
    const InCall call(instance);
    lock.unlock();
    processor->stop();
    processor->destroy();
    lock.lock();
  }
  --instance.active;
  if (instance.is_abandoned()) {
    came_back(instance, lock);
    return false;
  }
  --active_;
  for (auto& held : instance.held) {
    for (auto* input : instance.inputs) {
      if (input->number() != held.connection) continue;
      input->release(held.sequence);
      input->add_retry({held.sequence, 0, 0, held.offset}, std::move(held.batch), held.index);
    }
  }
  if (!instance.held.empty()) touch();
  instance.held.clear();
  instance.forget_run();
  instance.status = Instance::Status::stopped;
  if (instance.start_after_stop && !stopping_) begin_start(instance);
  instance.start_after_stop = false;
  if (options_.until_idle) check_ends();
  quiet_.notify_all();
  return true;
}

}  // namespace weir::engine
