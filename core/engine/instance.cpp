#include "engine/instance.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "engine/engine.h"
#include "engine/lane.h"
#include "engine/log.h"
#include "engine/to_show.h"
#include "sql/declared_record.h"
#include "sql/engine.h"
#include "weir/schedule.h"
#include "weir/spec.h"

namespace weir::engine {

/// What the member of a flow that scales out says of its lanes, as long as it is not abandoned: then they end, and who
/// takes its place says anew which there are to be.
class Instance::MemberLanes final : public abi::Lanes {
 public:
  explicit MemberLanes(abi::Lanes& host) : host_(host) {}
  void want(abi::Text topic, std::int32_t partition) override {
    const std::lock_guard lock(mutex_);
    if (abandoned_) return;
    wanted_.emplace(view(topic), partition);
    host_.want(topic, partition);
  }
  void give_up(abi::Text topic, std::int32_t partition) override {
    const std::lock_guard lock(mutex_);
    if (abandoned_) return;
    wanted_.erase({std::string(view(topic)), partition});
    host_.give_up(topic, partition);
  }
  void abandon() {
    const std::lock_guard lock(mutex_);
    abandoned_ = true;
    for (const auto& [topic, partition] : wanted_) host_.give_up(to_text(topic), partition);
  }

 private:
  abi::Lanes& host_;
  std::mutex mutex_;  ///< of what follows; held while the host is told, so that nothing is told to it after abandon()
  bool abandoned_ = false;
  std::set<std::pair<std::string, std::int32_t>> wanted_;
};

Instance::Instance(Engine& engine, std::shared_ptr<const flow::Flow> flow, const flow::Processor& definition,
                   std::uint32_t number)
    : engine_(engine),
      flows_{std::move(flow)},
      flow_(flows_.back().get()),
      definition_(&definition),
      flow_name_(flows_.back()->name),
      name_(definition.name),
      number_(number),
      flags_(definition.type->spec()->flags),
      first_group_(engine.options().lane ? engine.options().lane->first_group() : 0) {
  outputs.resize(definition.relationships.size());
  routed.resize(definition.relationships.size());
  statistics.out.resize(definition.relationships.size());
  statistics.latency_buckets.resize(std::size(kLatencyBounds));
}

Instance::~Instance() {
  if (processor != nullptr) processor->destroy();
}

bool Instance::is_sink() const {
  for (std::size_t r = 0; r < outputs.size(); ++r) {
    if (!outputs[r].empty() && definition().relationships[r] != "failure") return false;
  }
  return !is_source();
}

abi::Text Instance::folder() {
  const std::lock_guard lock(mutex_);
  if (folder_.empty()) {
    const auto path = engine_.options().data / "processors" / flow_name_ / name_;
    std::filesystem::create_directories(path);
    folder_ = path.string();
  }
  return to_text(folder_);
}

abi::Text Instance::store_id() const {
  return to_text(engine_.store().id());
}

abi::Input Instance::input(std::uint32_t index) const {
  const auto lock = engine_.lock();
  const auto& connection = *inputs.at(index);
  return {to_text(connection.id()), connection.durable_cursor(), connection.next()};
}

std::uint32_t Instance::relationship(abi::Text name) const {
  const auto& names = definition().relationships;
  for (std::uint32_t i = 0; i < names.size(); ++i) {
    if (names[i] == view(name)) return i;
  }
  return abi::kNone;
}

bool Instance::until_idle() const {
  return engine_.options().until_idle;
}

std::int64_t Instance::now() const {
  return engine_.now();
}

void Instance::wake() {
  engine_.wake(*this);
}

std::uint64_t Instance::epoch() const {
  return engine_.store().last_epoch();
}

void Instance::log(abi::Level level, abi::Text message) {
  if (is_abandoned()) return;
  log_line(level, this, to_show(view(message), flow_definition().secrets));
}

void Instance::bulletin(abi::Level level, abi::Text message) {
  engine_.report(this, level, to_show(view(message), flow_definition().secrets));
}

abi::Metric* Instance::metric(abi::Text name, abi::Text help, bool counter) {
  const std::lock_guard lock(mutex_);
  for (auto& metric : metrics_) {
    if (metric.name == view(name)) return &metric;
  }
  return &metrics_.emplace_back(std::string(view(name)), std::string(view(help)), counter);
}

void* Instance::interface(const char* name) {
  const std::lock_guard lock(mutex_);
  if (std::string_view(name) == abi::kRecordInterface) {
    if (!record_ && definition().input_record)
      record_ = std::make_unique<sql::DeclaredRecord>(definition().input_record);
    return record_.get();
  }
  if (std::string_view(name) == abi::kEmittedRecordInterface) {
    if (!emitted_ && definition().output_record)
      emitted_ = std::make_unique<sql::EmittedRecord>(definition().output_record);
    return emitted_.get();
  }
  if (std::string_view(name) == abi::kLaneInterface) return static_cast<abi::Lane*>(engine_.options().lane.get());
  if (std::string_view(name) == abi::kLaneHoldsInterface)
    return static_cast<abi::LaneHolds*>(engine_.options().lane.get());
  if (std::string_view(name) == abi::kLaneEndInterface) return static_cast<abi::LaneEnd*>(engine_.options().lane.get());
  if (std::string_view(name) == abi::kLanesInterface) return lanes();
  if (std::string_view(name) == abi::kReadinessInterface) return static_cast<abi::Readiness*>(this);
  if (std::string_view(name) == abi::kScheduleInterface) {
    const auto& schedule = definition().schedule;
    return schedule.every || !schedule.cron.empty() ? static_cast<abi::Context*>(this) : nullptr;
  }
  if (std::string_view(name) == abi::kQualityInterface)
    return static_cast<abi::Quality*>(quality_ ? quality_.get() : &engine_.quality().of(flow_name_, name_));
  if (std::string_view(name) != abi::kSqlInterface) return nullptr;
  if (!sql_) sql_ = sql::make_sql(definition().input_record, [this] { return engine_.now(); }, database_tables());
  return sql_.get();
}

/// With mutex_.
abi::Lanes* Instance::lanes() {
  auto* host = flow_definition().is_member && engine_.options().lanes ? engine_.options().lanes(flow_name_) : nullptr;
  if (is_abandoned()) host = nullptr;
  if (!lanes_ && host != nullptr) lanes_ = std::make_unique<MemberLanes>(*host);
  return lanes_.get();
}

std::shared_ptr<sql::DatabaseTables> Instance::database_tables() {
  if (definition().tables.empty()) return nullptr;
  sql::TableReports reports;
  reports.bulletin = [this](abi::Level level, std::string_view message) { bulletin(level, to_text(message)); };
  reports.metric = [this](const std::string& name, const std::string& help, bool counter) {
    return metric(to_text(name), to_text(help), counter);
  };
  return std::make_shared<sql::DatabaseTables>(definition().tables, std::move(reports));
}

void Instance::waits_for(abi::Text what) {
  const std::lock_guard lock(mutex_);
  waits_for_ = to_show(view(what), flow_definition().secrets);
}

void Instance::redefine(std::shared_ptr<const flow::Flow> flow, const flow::Processor& definition) {
  if (flow != flows_.back()) flows_.push_back(std::move(flow));
  flow_.store(flows_.back().get(), std::memory_order_release);
  definition_.store(&definition, std::memory_order_release);
  if (active == 0 && !in_start) flows_.erase(flows_.begin(), flows_.end() - 1);
}

void Instance::inherit(Instance& from) {
  state.swap(from.state);
  changed_state.swap(from.changed_state);
  stopped_by = from.stopped_by;
  stopped_at = from.stopped_at;
  auto& theirs = from.statistics;
  auto out = std::move(theirs.out);
  auto mine = std::move(statistics.out);
  statistics = theirs;
  const auto& names = definition().relationships;
  const auto& before = from.definition().relationships;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto at = std::find(before.begin(), before.end(), names[i]) - before.begin();
    if (static_cast<std::size_t>(at) < out.size()) mine[i] = out[static_cast<std::size_t>(at)];
  }
  statistics.out = std::move(mine);
  theirs.out = std::move(out);
  const std::scoped_lock lock(mutex_, from.mutex_);
  if (from.is_abandoned()) return copy_metrics(from);
  metrics_.swap(from.metrics_);
}

/// With both mutex_: the other may go on with its own.
void Instance::copy_metrics(const Instance& from) {
  metrics_.clear();
  for (const auto& metric : from.metrics_)
    metrics_.emplace_back(metric.name, metric.help, metric.is_counter).set(metric.value());
}

void Instance::forget_run() {
  unavailable.clear();
  status_message.clear();
  not_before = tick_at = next_scheduled = 0;
  failures = 0;
  poll_wanted = flush_wanted = finish_wanted = finish_done = source_ended = false;
  once = 0;
  once_done = false;
  const std::lock_guard lock(mutex_);
  waits_for_.clear();
}

void Instance::abandon() {
  status = Status::stopped;
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
  if (engine_.options().quality == nullptr) quality_ = engine_.quality().replace(flow_name_, name_);
  if (lanes_) lanes_->abandon();
}

void Instance::succeed(const Instance& abandoned) {
  state = abandoned.state;
  changed_state = abandoned.changed_state;
  statistics = abandoned.statistics;
  stopped_by = abandoned.stopped_by;
  stopped_at = abandoned.stopped_at;
  component = abandoned.component;
  inputs = abandoned.inputs;
  outputs = abandoned.outputs;
  routed = abandoned.routed;
  const std::scoped_lock lock(mutex_, abandoned.mutex_);
  copy_metrics(abandoned);
}

std::size_t Instance::threads_left() const {
  return engine_.threads_left(number_);
}

std::string Instance::not_ready() const {
  switch (status) {
    case Status::starting:
      return unavailable.empty() ? "has not started yet" : unavailable;
    case Status::misconfigured:
      return status_message;
    case Status::running:
      break;
    case Status::stopping:
    case Status::stopped:
    case Status::finished:
      return {};
  }
  if (!unavailable.empty()) return unavailable;
  const std::lock_guard lock(mutex_);
  return waits_for_;
}

void Instance::each_metric(const std::function<void(const InstanceMetric&)>& visit) const {
  const std::lock_guard lock(mutex_);
  for (const auto& metric : metrics_) visit(metric);
}

}  // namespace weir::engine
