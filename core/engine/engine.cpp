#include "engine/engine.h"

#include <algorithm>
#include <stdexcept>

#include "engine/executor.h"
#include "engine/lane_view.h"
#include "engine/log.h"
#include "engine/to_show.h"
#include "flow/cron.h"
#include "flow/settings.h"
#include "store/names.h"
#include "store/replay.h"
#include "weir/sql.h"

namespace weir::engine {

namespace {

constexpr std::size_t kBulletinsKept = 1'000;

Flows borrowed(const std::vector<flow::Flow>& flows) {
  Flows result;
  for (const auto& flow : flows) result.emplace_back(std::shared_ptr<const flow::Flow>(), &flow);
  return result;
}

}  // namespace

Engine::Engine(const std::vector<flow::Flow>& flows, store::Store& store, Options options)
    : Engine(borrowed(flows), store, std::move(options)) {}

Engine::Engine(Flows flows, store::Store& store, Options options)
    : store_(store),
      options_(std::move(options)),
      virtual_clock_(options_.clock),
      clock_(virtual_clock_ != nullptr  ? virtual_clock_
             : options_.wall != nullptr ? options_.wall
                                        : static_cast<const Clock*>(&real_clock_)),
      quality_(*clock_),
      flows_(std::move(flows)) {
  const auto workers = options_.workers != 0 ? options_.workers : std::max(2U, std::thread::hardware_concurrency());
  executor_ = std::make_unique<Executor>(workers);
  epochs_.buckets.resize(std::size(kLatencyBounds));
  epoch_number_ = epochs_.last = store_.last_epoch();
  wire();
}

void Engine::wire() {
  std::map<std::string, store::RecoveredConnection> recovered;
  for (const auto& each : flows_) {
    const auto& flow = *each;
    for (const auto& processor : flow.processors) {
      if (processor.renamed_from.empty()) continue;
      store_.rename_processor(flow.name + "/" + processor.renamed_from, flow.name + "/" + processor.name);
    }
    for (const auto& connection : flow.connections) {
      const auto& from = flow.processors[connection.from];
      const auto& to = flow.processors[connection.to];
      if (from.renamed_from.empty() && to.renamed_from.empty()) continue;
      const auto old_id = flow.name + "/" + (from.renamed_from.empty() ? from.name : from.renamed_from) + "/" +
                          from.relationships[connection.relationship] + "/" +
                          (to.renamed_from.empty() ? to.name : to.renamed_from);
      store_.rename_connection(old_id, connection.id);
    }
  }
  for (auto& connection : store_.connections()) recovered.emplace(connection.id, std::move(connection));
  for (const auto& each : flows_) {
    const auto& flow = *each;
    const auto base = instances_.size();
    for (const auto& processor : flow.processors) {
      const auto number = store_.processor_number(flow.name + "/" + processor.name);
      auto& instance = instances_.emplace_back(std::make_shared<Instance>(*this, each, processor, number));
      for (auto& [key, value] : store_.state(number)) instance->state.emplace(key, value);
      if (instance->is_source())
        store_.retain(number,
                      {processor.retain.keep_for.count(), processor.retain.none ? 0 : processor.retain.keep_bytes});
      executor_->add(*instance);
    }
    for (const auto& definition : flow.connections) {
      auto& connection = connections_.emplace_back(
          std::make_shared<Connection>(store_.connection_number(definition.id), each, definition));
      connection->from = instances_[base + definition.from].get();
      connection->to = instances_[base + definition.to].get();
      connection->durable_only = connection->to->definition().exactly_once && !options_.lane;
      connection->from->outputs[definition.relationship].push_back(connection.get());
      connection->from->routed[definition.relationship] = true;
      connection->to->inputs.push_back(connection.get());
      if (const auto at = recovered.find(definition.id); at != recovered.end()) {
        connection->recover(at->second);
        recovered.erase(at);
      }
    }
  }
  for (auto& [id, connection] : recovered) {
    if (connection.next > connection.cursor || !connection.held.empty() || !connection.retry.empty())
      orphans_.push_back(std::move(connection));
  }
  find_components();
  recover_stops();
}

void Engine::find_components() {
  const auto reach = [](Instance& start) {
    std::vector<Instance*> reached{&start};
    for (std::size_t i = 0; i < reached.size(); ++i) {
      for (const auto& relationship : reached[i]->outputs) {
        for (const auto* connection : relationship) {
          if (std::find(reached.begin(), reached.end(), connection->to) == reached.end())
            reached.push_back(connection->to);
        }
      }
    }
    return reached;
  };
  std::map<Instance*, std::vector<Instance*>> reached;
  for (auto& instance : instances_) reached[instance.get()] = reach(*instance);
  std::uint32_t next = 1;
  for (auto& instance : instances_) {
    if (instance->component != 0) continue;
    instance->component = next++;
    for (auto* other : reached[instance.get()]) {
      const auto& back = reached[other];
      if (std::find(back.begin(), back.end(), instance.get()) != back.end()) other->component = instance->component;
    }
  }
}

bool Engine::create(Instance& instance) {
  const flow::SettingsNode settings(instance.definition().settings, instance.definition().exactly_once);
  detail::Message message;
  abi::Processor* processor = nullptr;
  const auto status = instance.definition().type->create(&settings, &processor, &message);
  if (status == abi::Status::ok) {
    instance.processor = processor;
    return true;
  }
  const auto why = to_show(message.text(), instance.flow_definition().secrets);
  report(&instance, abi::Level::error, "cannot start: " + why);
  const Lock lock(mutex_);
  if (instance.is_abandoned()) return false;
  if (instance.status == Instance::Status::starting) instance.status = Instance::Status::misconfigured;
  instance.status_message = why;
  end_batch(instance.full_name() + ": " + why);
  return false;
}

/// `number`: of the start that is meant, unless an operator has stopped it since. Returns whether the thread goes on.
bool Engine::start_processor(Instance& instance, std::uint64_t number) {
  Lock lock(mutex_);
  if (instance.start_number != number || stopping_) return true;
  instance.in_start = true;
  auto status = abi::Status::misconfigured;
  bool created = false;
  std::string why;
  {
    const InCall call(instance);
    lock.unlock();
    detail::Message message;
    created = instance.processor != nullptr || create(instance);
    if (created && !instance.is_abandoned()) status = instance.processor->start(&instance, &message);
    why = to_show(message.text(), instance.flow_definition().secrets);
    if (created && status == abi::Status::unavailable) {  // tried again until it works, or it is not wanted any more
      report(&instance, abi::Level::warning, why + "; trying again");
    } else if (created && status != abi::Status::ok) {
      report(&instance, abi::Level::error, "cannot start: " + why);
    }
    lock.lock();
  }
  instance.in_start = false;
  quiet_.notify_all();
  if (instance.is_abandoned()) {
    came_back(instance, lock);
    return false;
  }
  if (instance.start_number != number) {
    go_on_stopping(instance);
    return true;
  }
  if (!created) return true;
  if (status == abi::Status::ok) {
    instance.status = Instance::Status::running;
    instance.failures = 0;
    instance.unavailable.clear();
    instance.poll_wanted = instance.is_source();
    const auto& schedule = instance.definition().schedule;
    // A batch ends when all has flowed: nothing in it waits for a time of day.
    if (!schedule.cron.empty() && !options_.until_idle)
      instance.next_scheduled = flow::next_cron_time(schedule.cron, clock_->now());
    consider_timers(instance);
    consider(instance);
  } else if (status == abi::Status::unavailable) {
    if (stopping_) return true;
    instance.unavailable = why;
    const auto pause = std::chrono::nanoseconds(pause_after(instance.failures++));
    executor_->post_later(instance, std::chrono::ceil<std::chrono::milliseconds>(pause),
                          [this, &instance, number] { return start_processor(instance, number); });
  } else {
    instance.status = Instance::Status::misconfigured;
    instance.status_message = why;
    end_batch(instance.full_name() + ": " + why);
  }
  return true;
}

void Engine::report_orphan(const store::RecoveredConnection& orphan) {
  report(nullptr, abi::Level::warning,
         "connection " + orphan.id + " is in no flow any more and keeps " +
             std::to_string(orphan.next - orphan.cursor) + " queued FlowFiles; they flow on if it comes back");
}

void Engine::start() {
  for (const auto& orphan : orphans_) report_orphan(orphan);
  for (auto& instance : instances_) {
    const bool stays_stopped = !instance->stopped_by.empty();
    if (stays_stopped) report(instance.get(), abi::Level::info, "stays stopped: by " + instance->stopped_by);
    if (stays_stopped || !instance->definition().enabled) {
      instance->status = Instance::Status::stopped;
      continue;
    }
    create(*instance);
  }
  {
    const Lock lock(mutex_);
    started_ = true;
  }
  committer_ = std::thread([this] {
    committer_loop();
    const Lock lock(mutex_);
    committer_ended_ = true;
    quiet_.notify_all();
  });
  clock_lead_ = clock_lead();  // before anything runs: however late its thread begins, it sees what was adjusted since
  timer_thread_ = std::thread([this] { timer_loop(); });
  // Sinks compare their progress with the store's before a source may add to it.
  for (const bool sources : {false, true}) start_first(sources);
  const Lock lock(mutex_);
  up_ = true;
}

/// One after the other; who waits for his far side is not waited for. A start that does not return is waited for until
/// an operator terminates it, or all has to end.
void Engine::start_first(bool sources) {
  Lock lock(mutex_);
  const auto instances = instances_;  // a terminated one is replaced there
  for (const auto& instance : instances) {
    if (instance->is_source() != sources) continue;
    // What an operator has stopped or started since is his; its object may be made at this moment.
    if (instance->start_number == 0 && instance->processor == nullptr) continue;
    executor_->post(*instance, [this, instance] { return start_processor(*instance, 0); });
    quiet_.wait(lock, [&] {
      return instance->status != Instance::Status::starting || !instance->unavailable.empty() || stopping_ ||
             stop_waiting_ || !fatal_.empty();
    });
  }
}

bool Engine::nothing_will_run() const {
  return active_ == 0 && std::all_of(instances_.begin(), instances_.end(), [](const auto& instance) {
           return instance->status == Instance::Status::finished || instance->status == Instance::Status::stopped;
         });
}

bool Engine::everything_ended() const {
  return !dirty_ && epochs_.last == epoch_number_ && nothing_will_run();
}

bool Engine::wait(Duration at_most) {
  Lock lock(mutex_);
  const auto done = [&] {
    return stop_waiting_ || !fatal_.empty() || !batch_failure_.empty() || (options_.until_idle && everything_ended());
  };
  if (options_.until_idle) check_ends();
  if (at_most == Duration::zero()) {
    quiet_.wait(lock, done);
  } else {
    quiet_.wait_for(lock, at_most, done);
  }
  return options_.until_idle && everything_ended();
}

void Engine::stop_waiting() {
  const Lock lock(mutex_);
  stop_waiting_ = true;
  quiet_.notify_all();
}

void Engine::end_batch(std::string message) {
  if (options_.until_idle && batch_failure_.empty()) batch_failure_ = std::move(message);
  quiet_.notify_all();
}

void Engine::fail(std::string message) {
  if (!fatal_.empty()) return;
  fatal_ = std::move(message);
  log_line(abi::Level::error, nullptr, fatal_);
  quiet_.notify_all();
  commit_wanted_.notify_all();
}

std::string Engine::fatal() const {
  const Lock lock(mutex_);
  return fatal_.empty() ? batch_failure_ : fatal_;
}

bool Engine::ready(std::string* why_not) const {
  // Without the lock: lanes take theirs, and who asks may be the last who keeps one that has ended.
  const auto lanes_not_ready = options_.lanes_not_ready ? options_.lanes_not_ready() : std::string();
  const Lock lock(mutex_);
  const auto no = [&](std::string why) {
    if (why_not != nullptr) *why_not = std::move(why);
    return false;
  };
  if (!fatal_.empty()) return no(fatal_);
  std::string reasons = sources_paused_ ? "the disk is full" : "";
  if (!lanes_not_ready.empty()) reasons += (reasons.empty() ? "" : "\n") + lanes_not_ready;
  for (const auto& instance : instances_) {
    const auto reason = instance->not_ready();
    if (!reason.empty()) reasons += (reasons.empty() ? "" : "\n") + instance->full_name() + ": " + reason;
  }
  return reasons.empty() || no(std::move(reasons));
}

void Engine::inspect(
    const std::function<void(const std::vector<std::shared_ptr<Instance>>&,
                             const std::vector<std::shared_ptr<Connection>>&, const EpochStatistics&)>& visit) const {
  const Lock lock(mutex_);
  visit(instances_, connections_, epochs_);
}

LaneView Engine::lanes() const {
  return options_.lanes_view ? options_.lanes_view() : LaneView{};
}

std::vector<LaneStatus> Engine::lanes_of(const std::string& flow) const {
  return options_.lanes_of ? options_.lanes_of(flow) : std::vector<LaneStatus>();
}

std::shared_ptr<Engine> Engine::lane(const flow::LaneName& name) const {
  return options_.lane_engine ? options_.lane_engine(name) : nullptr;
}

std::uint64_t Engine::replay(const store::Place& place) {
  store::check_replayable(place);
  Lock lock(mutex_);
  const auto found = connection_of(place.connection);
  auto& connection = *found;
  if (applying_) throw std::runtime_error("a changed flow is being applied: try again when that is done");
  const Operating operating(*this, lock);
  lock.unlock();
  const store::Replay replay{connection.number(), connection.from->number(), place.sequence,
                             store_.retained(connection.number(), place.sequence)};
  lock.lock();
  if (!started_ || stopping_ || !fatal_.empty()) throw std::runtime_error("Weir is stopping: nothing is replayed");
  const auto as = connection.push(replay.batch, 0, 1, replay.batch->items.at(0).size);
  if (options_.tap) options_.tap(connection, *replay.batch, 0, 1);
  if (connection.tap) connection.tap(as, replay.batch, 0, 1);
  store::add_coalescing(lineage_, store::replay_event(replay, as, clock_->now()));
  touch(true);
  consider(*connection.to);
  quiet_.wait(lock, [&] { return connection.durable_next() > as || !fatal_.empty() || committer_ended_ || over_; });
  if (connection.durable_next() <= as)
    throw std::runtime_error("Weir stopped before the replay was durable: it is not known to have happened");
  return as;
}

std::vector<store::RecoveredConnection> Engine::orphans() const {
  const Lock lock(mutex_);
  return orphans_;
}

Flows Engine::flows() const {
  const Lock lock(mutex_);
  return flows_;
}

std::vector<Bulletin> Engine::bulletins(std::uint64_t after_id) const {
  const Lock lock(mutex_);
  std::vector<Bulletin> found;
  for (const auto& bulletin : bulletins_) {
    if (bulletin.id > after_id) found.push_back(bulletin);
  }
  return found;
}

void Engine::on_bulletin(std::function<void()> listener) {
  const Lock lock(mutex_);
  bulletin_listener_ = std::move(listener);
}

void Engine::report(const Instance* instance, abi::Level level, std::string message) {
  if (instance != nullptr && instance->is_abandoned()) return;
  if (options_.report) return options_.report(level, instance == nullptr ? "" : instance->definition().name, message);
  log_line(level, instance, message);
  const Lock lock(mutex_);
  Bulletin bulletin;
  bulletin.id = ++bulletin_id_;
  bulletin.time = clock_->now();
  bulletin.level = level;
  if (instance != nullptr) {
    bulletin.flow = instance->flow_name();
    bulletin.processor = instance->processor_name();
  }
  bulletin.message = message;
  bulletins_.push_back(std::move(bulletin));
  if (bulletins_.size() > kBulletinsKept) bulletins_.pop_front();
  new_bulletins_.push_back({clock_->now(), instance == nullptr ? 0 : instance->number(),
                            static_cast<std::uint32_t>(level), std::move(message)});
  if (started_ && !sources_paused_) touch();
  if (bulletin_listener_) bulletin_listener_();
}

}  // namespace weir::engine
