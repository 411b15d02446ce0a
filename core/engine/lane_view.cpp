#include "engine/lane_view.h"

#include <algorithm>
#include <iterator>

#include "engine/connection.h"
#include "engine/engine.h"

namespace weir::engine {

namespace {

void add(Traffic& to, const Traffic& from) {
  to.add(from.files, from.records, from.bytes);
}

/// With a gauge's value in other lanes. The lane that is behind the others says how far event time has come; 0: one
/// that has had no reading yet.
double combine(const InstanceMetric& gauge, double others) {
  const auto value = gauge.value();
  if (gauge.name.find("watermark") == std::string::npos) return others + value;
  return value == 0 || others == 0 ? std::max(value, others) : std::min(value, others);
}

/// How much has to be seen to of a lane's processor in this status.
int urgency(Instance::Status status) {
  if (status == Instance::Status::misconfigured) return 2;
  return status == Instance::Status::running ? 0 : 1;
}

}  // namespace

void add(Statistics& to, const Statistics& from) {
  add(to.in, from.in);
  add(to.dropped, from.dropped);
  to.out.resize(std::max(to.out.size(), from.out.size()));
  for (std::size_t i = 0; i < from.out.size(); ++i) add(to.out[i], from.out[i]);
  to.sessions += from.sessions;
  to.rolled_back += from.rolled_back;
  to.errors += from.errors;
  to.busy += from.busy;
  to.last_success = std::max(to.last_success, from.last_success);
  to.latency_sum += from.latency_sum;
  to.latency_count += from.latency_count;
  to.latency_buckets.resize(std::size(kLatencyBounds));
  for (std::size_t i = 0; i < from.latency_buckets.size(); ++i) to.latency_buckets[i] += from.latency_buckets[i];
}

LaneTotals::LaneTotals(std::shared_ptr<const flow::Flow> flow) {
  for (const auto& definition : flow->processors) {
    auto& processor = view_.processors.emplace_back();
    processor.flow = flow;
    processor.definition = &definition;
    processor.statistics.out.resize(definition.relationships.size());
    processor.statistics.latency_buckets.resize(std::size(kLatencyBounds));
  }
  for (std::uint32_t i = 0; i < flow->processors.size(); ++i) {
    auto& processor = view_.processors[i];
    processor.source = (processor.definition->type->spec()->flags & abi::kSource) != 0;
    processor.ends_here = processor.sink = !processor.source;
    for (const auto& connection : flow->connections) {
      if (connection.from != i) continue;
      processor.ends_here = false;
      processor.sink &= processor.definition->relationships[connection.relationship] == "failure";
    }
  }
  for (const auto& definition : flow->connections) {
    auto& connection = view_.connections.emplace_back();
    connection.flow = flow;
    connection.definition = &definition;
  }
}

void LaneTotals::count(const Engine& lane) {
  std::vector<std::shared_ptr<Instance>> all;
  lane.look_up_oldest();
  lane.inspect([&](const auto& instances, const auto&, const auto&) {
    for (std::size_t i = 0; i < view_.processors.size() && i < instances.size(); ++i)
      add(view_.processors[i].statistics, instances[i]->statistics);
    all = instances;
  });
  for (auto& queue : view_.connections) {
    const auto& from = view_.processors[queue.definition->from];
    queue.entered = from.statistics.out[queue.definition->relationship].files;
  }
  for (std::size_t i = 0; i < view_.processors.size() && i < all.size(); ++i) {
    all[i]->each_metric([&](const InstanceMetric& metric) {
      auto& made = view_.processors[i].made.try_emplace(metric.name).first->second;
      made.help = metric.help;
      made.is_counter = metric.is_counter;
      if (metric.is_counter) made.value += metric.value();
    });
  }
}

void LaneTotals::look(const Engine& lane) {
  std::vector<std::shared_ptr<Instance>> all;
  lane.inspect([&](const auto& instances, const auto& connections, const auto&) {
    for (std::size_t i = 0; i < view_.processors.size() && i < instances.size(); ++i) {
      auto& processor = view_.processors[i];
      const auto& instance = *instances[i];
      if (processor.lanes++ == 0 || urgency(instance.status) > urgency(processor.status))
        processor.status = instance.status;
      if (processor.not_ready.empty()) processor.not_ready = instance.not_ready();
      processor.active += instance.active;
      processor.held += instance.held.size();
      processor.state_entries += instance.state.size();
    }
    for (std::size_t i = 0; i < view_.connections.size() && i < connections.size(); ++i) {
      auto& queue = view_.connections[i];
      const auto& connection = *connections[i];
      queue.queued += connection.queued_count();
      queue.bytes += connection.queued_bytes();
      queue.held += connection.held_count();
      queue.retry += connection.retry_count();
      queue.full |= connection.full();
      const auto oldest = connection.oldest_born();
      if (oldest != 0) queue.oldest = queue.oldest == 0 ? oldest : std::min(queue.oldest, oldest);
    }
    all = instances;
  });
  for (std::size_t i = 0; i < view_.processors.size() && i < all.size(); ++i) {
    all[i]->each_metric([&](const InstanceMetric& metric) {
      if (metric.is_counter) return;
      auto& value = view_.processors[i].made[metric.name].value;
      value = combine(metric, value);
    });
  }
}

}  // namespace weir::engine
