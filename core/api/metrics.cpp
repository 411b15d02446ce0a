#include "api/metrics.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "api/exposition.h"
#include "api/process.h"
#include "engine/lane_view.h"
#include "weir/spec.h"

namespace weir::api {

namespace {

using engine::Instance;
using engine::Statistics;
using enum MetricType;

/// Copies of what the engine's lock guards, and what is constant or has a lock of its own: shared, as a changed flow
/// may take its place meanwhile.
struct ProcessorView {
  std::shared_ptr<const Instance> instance;  ///< null: it is in lanes alone
  std::shared_ptr<const flow::Flow> flow;
  const flow::Processor* definition;
  Instance::Status status;
  bool ready;
  Statistics statistics;
  bool ends_here;  ///< none of its outputs leads on
  bool is_source;
  bool is_sink;
  std::map<std::string, engine::LaneProcessor::Made> made = {};  ///< in lanes
  std::uint64_t threads_left = 0;
};
struct QueueView {
  std::shared_ptr<const flow::Flow> flow;
  const flow::Connection* definition;
  std::uint64_t count;
  std::uint64_t bytes;
  std::uint64_t held;
  std::uint64_t retry;
  std::int64_t oldest;  ///< nanoseconds since 1970; 0: empty
};
struct View {
  std::vector<ProcessorView> processors;
  std::vector<QueueView> queues;
  engine::EpochStatistics epochs;
};

/// The source of a flow that scales out is there already: it speaks to the group for all lanes.
void add_lanes(const engine::LaneView& lanes, View& view) {
  for (const auto& lane : lanes.processors) {
    const auto member = std::find_if(view.processors.begin(), view.processors.end(), [&](const auto& p) {
      return p.flow->name == lane.flow->name && p.definition->name == lane.definition->name;
    });
    if (member != view.processors.end()) {
      engine::add(member->statistics, lane.statistics);
      member->ends_here = lane.ends_here;
      member->made = lane.made;
    } else {
      view.processors.push_back({nullptr, lane.flow, lane.definition, lane.status, lane.not_ready.empty(),
                                 lane.statistics, lane.ends_here, lane.source, lane.sink, lane.made});
    }
  }
  for (const auto& queue : lanes.connections)
    view.queues.push_back(
        {queue.flow, queue.definition, queue.queued, queue.bytes, queue.held, queue.retry, queue.oldest});
}

View look(const engine::Engine& engine) {
  View view;
  engine.look_up_oldest();
  engine.inspect([&](const auto& instances, const auto& connections, const auto& epochs) {
    view.processors.reserve(instances.size());
    for (const auto& instance : instances) {
      const auto& outputs = instance->outputs;
      view.processors.push_back({instance, instance->shared_flow(), &instance->definition(), instance->status,
                                 instance->not_ready().empty(), instance->statistics,
                                 std::all_of(outputs.begin(), outputs.end(), [](auto& to) { return to.empty(); }),
                                 instance->is_source(), instance->is_sink()});
      view.processors.back().threads_left = instance->threads_left();
    }
    view.queues.reserve(connections.size());
    for (const auto& c : connections)
      view.queues.push_back({c->shared_flow(), &c->definition(), c->queued_count(), c->queued_bytes(), c->held_count(),
                             c->retry_count(), c->oldest_born()});
    view.epochs = epochs;
  });
  add_lanes(engine.lanes(), view);
  return view;
}

/// Writes one family with a sample for each processor.
template <class Value>
void per_processor(Exposition& out, const View& view, std::string_view name, MetricType type, std::string_view help,
                   Value value) {
  out.begin({name, type, "flow, processor", help});
  for (const auto& p : view.processors) {
    out.labels({{"flow", p.flow->name}, {"processor", p.definition->name}});
    out.sample(value(p));
  }
}

/// The same for those that take FlowFiles: a source's would be 0 for ever, as if nothing came.
template <class Value>
void per_consumer(Exposition& out, const View& view, std::string_view name, std::string_view help, Value value) {
  out.begin({name, counter, "flow, processor", help});
  for (const auto& p : view.processors) {
    if (p.is_source) continue;
    out.labels({{"flow", p.flow->name}, {"processor", p.definition->name}});
    out.sample(value(p));
  }
}

template <class Value>
void per_relationship(Exposition& out, const View& view, std::string_view name, std::string_view help, Value value) {
  out.begin({name, counter, "flow, processor, relationship", help});
  for (const auto& p : view.processors) {
    const auto& names = p.definition->relationships;
    for (std::size_t r = 0; r < names.size() && r < p.statistics.out.size(); ++r) {
      out.labels({{"flow", p.flow->name}, {"processor", p.definition->name}, {"relationship", names[r]}});
      out.sample(value(p.statistics.out[r]));
    }
  }
}

template <class Value>
void per_queue(Exposition& out, const View& view, std::string_view name, std::string_view help, Value value) {
  out.begin({name, gauge, "flow, from, relationship, to", help});
  for (const auto& queue : view.queues) {
    const auto& from = queue.flow->processors[queue.definition->from];
    out.labels({{"flow", queue.flow->name},
                {"from", from.name},
                {"relationship", from.relationships[queue.definition->relationship]},
                {"to", queue.flow->processors[queue.definition->to].name}});
    out.sample(value(queue));
  }
}

template <class Value>
void single(Exposition& out, std::string_view name, MetricType type, std::string_view help, Value value) {
  out.begin({name, type, "", help});
  out.sample(value);
}

void processors(Exposition& out, const View& view) {
  using P = const ProcessorView&;
  using T = const engine::Traffic&;
  out.begin(
      {"weir_processor_info", gauge, "flow, processor, type, role",
       "1; says of which type a processor is, and its role: source (data comes in), sink (it ends here) or step."});
  for (const auto& p : view.processors) {
    out.labels({{"flow", p.flow->name},
                {"processor", p.definition->name},
                {"type", weir::view(p.definition->type->spec()->type)},
                {"role", p.is_source ? "source"
                         : p.is_sink ? "sink"
                                     : "step"}});
    out.sample(std::uint64_t{1});
  }
  constexpr std::pair<Instance::Status, std::string_view> kStatus[] = {
      {Instance::Status::starting, "starting"},
      {Instance::Status::running, "running"},
      {Instance::Status::misconfigured, "misconfigured"},
      {Instance::Status::stopping, "stopping"},
      {Instance::Status::stopped, "stopped"},
      {Instance::Status::finished, "finished"}};
  out.begin({"weir_processor_status", gauge, "flow, processor, status",
             "1 for the status that a processor is in, 0 for the others."});
  for (const auto& p : view.processors) {
    for (const auto& [status, name] : kStatus) {
      out.labels({{"flow", p.flow->name}, {"processor", p.definition->name}, {"status", name}});
      out.sample(std::uint64_t{p.status == status});
    }
  }
  per_processor(
      out, view, "weir_processor_ready", gauge,
      "1 while a processor has what it needs; 0: it has not reached its far side, or cannot start. /readyz says why.",
      [](P p) { return std::uint64_t{p.ready}; });
  per_processor(out, view, "weir_processor_threads_left", gauge,
                "Threads that have not come back from a processor that was terminated. Each keeps what it had.",
                [](P p) { return p.threads_left; });
  per_consumer(out, view, "weir_in_flowfiles_total",
               "FlowFiles that a processor took from its queues. Sources take none: see weir_out_flowfiles_total.",
               [](P p) { return p.statistics.in.files; });
  per_consumer(out, view, "weir_in_records_total", "Records in them.", [](P p) { return p.statistics.in.records; });
  per_consumer(out, view, "weir_in_bytes_total", "Bytes of content in them.",
               [](P p) { return p.statistics.in.bytes; });
  per_relationship(out, view, "weir_out_flowfiles_total",
                   "FlowFiles that a processor transferred to a relationship, routed or dropped.",
                   [](T t) { return t.files; });
  per_relationship(out, view, "weir_out_records_total", "Records in them.", [](T t) { return t.records; });
  per_relationship(out, view, "weir_out_bytes_total", "Bytes of content in them.", [](T t) { return t.bytes; });
  per_processor(out, view, "weir_dropped_flowfiles_total", counter, "FlowFiles whose way a processor ended on purpose.",
                [](P p) { return p.statistics.dropped.files; });
  per_processor(out, view, "weir_dropped_bytes_total", counter, "Bytes of content in them.",
                [](P p) { return p.statistics.dropped.bytes; });
  per_processor(out, view, "weir_sessions_total", counter, "Sessions that took effect.",
                [](P p) { return p.statistics.sessions; });
  per_processor(out, view, "weir_rollbacks_total", counter,
                "Sessions that were rolled back: the far side was away, or a processor failed.",
                [](P p) { return p.statistics.rolled_back; });
  per_processor(out, view, "weir_errors_total", counter,
                "Sessions that failed by bad data, a defect or settings that cannot work.",
                [](P p) { return p.statistics.errors; });
  per_processor(out, view, "weir_busy_seconds_total", counter, "Time spent in a processor's code, all tasks together.",
                [](P p) { return static_cast<double>(p.statistics.busy) / 1e9; });
  per_processor(out, view, "weir_last_success_timestamp_seconds", gauge,
                "When a processor's last session began that took effect, by the flow's clock, since 1970; 0: none did.",
                [](P p) { return static_cast<double>(p.statistics.last_success) / 1e9; });
  out.begin({"weir_end_to_end_latency_seconds", histogram, "flow, processor",
             "From the moment a FlowFile's first ancestor entered Weir to its end, at the processor where it ended."});
  for (const auto& p : view.processors) {
    if (p.statistics.latency_count == 0 && !p.ends_here) continue;
    out.labels({{"flow", p.flow->name}, {"processor", p.definition->name}});
    out.histogram(engine::kLatencyBounds, p.statistics.latency_buckets, p.statistics.latency_count,
                  p.statistics.latency_sum);
  }
}

void queues(Exposition& out, const View& view, std::int64_t now) {
  using Q = const QueueView&;
  per_queue(out, view, "weir_queue_flowfiles", "FlowFiles queued or in sessions; retried ones too, held ones not.",
            [](Q q) { return q.count; });
  per_queue(out, view, "weir_queue_bytes", "Bytes of content in them, but for what is retried.",
            [](Q q) { return q.bytes; });
  per_queue(out, view, "weir_queue_held_flowfiles", "FlowFiles that the consumer holds: merged, or not yet sent.",
            [](Q q) { return q.held; });
  per_queue(out, view, "weir_queue_retry_flowfiles", "FlowFiles put aside until they are tried again.",
            [](Q q) { return q.retry; });
  per_queue(out, view, "weir_queue_limit_flowfiles", "The threshold on FlowFiles (max_count); 0: none.",
            [](Q q) { return q.definition->queue.max_count; });
  per_queue(out, view, "weir_queue_limit_bytes", "The threshold on bytes (max_bytes); 0: none.",
            [](Q q) { return q.definition->queue.max_bytes; });
  per_queue(out, view, "weir_queue_fullness_ratio",
            "How near a queue is to its nearer threshold; from 1 on, its producer waits.", [](Q q) {
              const auto& limits = q.definition->queue;
              const auto of = [](std::uint64_t part, std::uint64_t whole) {
                return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
              };
              return std::max(of(q.count, limits.max_count), of(q.bytes, limits.max_bytes));
            });
  per_queue(out, view, "weir_queue_oldest_age_seconds",
            "Time since the first FlowFile in the queue, or its first ancestor, entered Weir; 0: the queue is empty.",
            [now](Q q) { return q.oldest == 0 ? 0.0 : std::max(0.0, static_cast<double>(now - q.oldest) / 1e9); });
}

/// Counters and gauges that processors made. Two processors of a type share a family; what two plugins name alike but
/// mean differently, or what differs only in characters that a name cannot have, is kept apart by underscores.
void made_by_processors(Exposition& out, const View& view) {
  struct Made {
    MetricType type;
    std::string help;
    std::vector<std::pair<const ProcessorView*, double>> samples;
  };
  std::map<std::string, Made> families;
  for (const auto& p : view.processors) {
    const auto add = [&](const std::string& metric, const std::string& help, bool is_counter, double value) {
      const auto type = is_counter ? counter : gauge;
      auto name = "weir_processor_" + sanitised(metric);
      if (is_counter && !name.ends_with("_total")) name += "_total";
      while (true) {
        if (name == "weir_processor_info" || name == "weir_processor_status" || name == "weir_processor_ready") {
          name += '_';
          continue;
        }
        auto& family = families.try_emplace(name, Made{type, help, {}}).first->second;
        const bool taken = !family.samples.empty() && family.samples.back().first == &p;
        if (family.type == type && !taken) {
          family.samples.emplace_back(&p, value);
          return;
        }
        name += '_';
      }
    };
    if (p.instance) {
      p.instance->each_metric([&](const engine::InstanceMetric& metric) {
        if (!p.made.contains(metric.name)) add(metric.name, metric.help, metric.is_counter, metric.value());
      });
    }
    for (const auto& [metric, made] : p.made) add(metric, made.help, made.is_counter, made.value);
  }
  for (const auto& [name, family] : families) {
    out.begin({name, family.type, "flow, processor", family.help});
    for (const auto& [processor, value] : family.samples) {
      out.labels({{"flow", processor->flow->name}, {"processor", processor->definition->name}});
      out.sample(value);
    }
  }
}

/// By processor, flag and rule; keys are too many for labels.
void quality(Exposition& out, const engine::QualityLedgers& ledgers) {
  const auto all = ledgers.all();
  std::map<std::pair<std::string, std::string>, engine::QualityLedger::Overview> found;
  for (const auto& [name, ledger] : all) found.emplace(name, ledger->overview());
  out.begin({"weir_quality_records_total", counter, "flow, processor, flag",
             "Records that a processor judged, by QARTOD's flag: pass, suspect, fail, missing, not_evaluated."});
  for (const auto& [name, of] : found) {
    const auto& counts = of.since_start;
    for (const auto& [flag, count] : {std::pair<std::string_view, std::uint64_t>{"pass", counts.pass},
                                      {"suspect", counts.suspect},
                                      {"fail", counts.fail},
                                      {"missing", counts.missing},
                                      {"not_evaluated", counts.not_evaluated}}) {
      out.labels({{"flow", name.first}, {"processor", name.second}, {"flag", flag}});
      out.sample(count);
    }
  }
  out.begin({"weir_quality_flagged_total", counter, "field, flow, processor, rule",
             "Records that a rule flagged; a check has no field."});
  for (const auto& [name, of] : found) {
    for (const auto& rule : of.rules) {
      out.labels({{"flow", name.first}, {"processor", name.second}, {"field", rule.field}, {"rule", rule.name}});
      out.sample(rule.flagged);
    }
  }
  out.begin({"weir_quality_keys", gauge, "flow, processor",
             "Keys, such as sensors, whose quality is followed: at most 1,000 a processor."});
  for (const auto& [name, of] : found) {
    out.labels({{"flow", name.first}, {"processor", name.second}});
    out.sample(std::uint64_t{of.keys});
  }
}

void process(Exposition& out) {
  const auto status = process_status();
  single(out, "process_cpu_seconds_total", counter, "Processor time, user and system.", status.cpu_seconds);
  single(out, "process_resident_memory_bytes", gauge, "Memory in use.", status.resident_bytes);
  single(out, "process_virtual_memory_bytes", gauge, "Address space.", status.virtual_bytes);
  single(out, "process_open_fds", gauge, "Open file descriptors.", status.open_files);
  single(out, "process_max_fds", gauge, "File descriptors that may be open.", status.most_files);
  single(out, "process_start_time_seconds", gauge, "When the process started, since 1970.", status.start_time);
}

}  // namespace

std::string Metrics::text() {
  const auto view = look(engine_);
  Exposition out;

  out.begin({"weir_build_info", gauge, "version", "1; says which Weir this is."});
  out.labels({{"version", version_}});
  out.sample(std::uint64_t{1});
  single(out, "weir_ready", gauge, "1 while every processor has what it needs and the disk takes data (as /readyz).",
         std::uint64_t{engine_.ready()});
  processors(out, view);
  queues(out, view, engine_.now());
  quality(out, engine_.quality());

  out.begin({"weir_orphaned_flowfiles", gauge, "connection",
             "FlowFiles that wait, since the start, in a connection that is in no flow any more."});
  for (const auto& orphan : engine_.orphans()) {
    auto count = orphan.next - orphan.cursor + orphan.retry.size();
    for (const auto& held : orphan.held) count += held.count;
    out.labels({{"connection", orphan.id}});
    out.sample(std::uint64_t{count});
  }

  out.begin({"weir_epoch_duration_seconds", histogram, "", "Time to make an epoch durable."});
  out.histogram(engine::kLatencyBounds, view.epochs.buckets, view.epochs.count, view.epochs.seconds);
  single(out, "weir_epoch_longest_seconds", gauge, "The longest of them since the start.", view.epochs.longest);
  single(out, "weir_epoch_failures_total", counter, "Attempts to write an epoch that found the disk full.",
         view.epochs.failed);
  single(out, "weir_epoch_number", gauge, "Number of the last durable epoch of the data directory.", view.epochs.last);

  single(out, "weir_flowfile_memory_bytes", gauge, "Memory that FlowFiles take.", store::Arena::total_bytes());
  single(out, "weir_flowfile_memory_limit_bytes", gauge, "The memory budget; beyond it, what is durable leaves memory.",
         engine_.options().memory_budget);
  single(out, "weir_disk_room_bytes", gauge,
         "Free space on the data directory's disk beyond the reserve; at 0 sources pause.", engine_.store().room());
  single(out, "weir_retained_bytes", gauge, "Content on disk that left a source and is kept for replay.",
         engine_.store().retained_bytes());

  {
    const std::lock_guard lock(mutex_);
    for (const auto& bulletin : engine_.bulletins(last_bulletin_)) {
      bulletins_.back() += bulletin.id - last_bulletin_ - 1;
      last_bulletin_ = bulletin.id;
      ++bulletins_[std::min<std::size_t>(static_cast<std::size_t>(bulletin.level), 3)];
    }
    constexpr std::string_view kLevels[] = {"debug", "info", "warning", "error", "unknown"};
    out.begin({"weir_bulletins_total", counter, "level",
               "Messages for the operator; `unknown`: of 1,000 and more between two scrapes, those that were gone."});
    for (std::size_t level = 0; level < bulletins_.size(); ++level) {
      out.labels({{"level", kLevels[level]}});
      out.sample(bulletins_[level]);
    }
  }
  process(out);
  made_by_processors(out, view);
  return out.text();
}

}  // namespace weir::api
