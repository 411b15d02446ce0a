#include "api/snapshot.h"

#include <algorithm>
#include <utility>

#include "api/json.h"
#include "weir/sql.h"

namespace weir::api {

namespace json = boost::json;
using engine::Instance;

namespace {

const char* name_of(abi::Level level) {
  switch (level) {
    case abi::Level::debug:
      return "debug";
    case abi::Level::info:
      return "info";
    case abi::Level::warning:
      return "warning";
    case abi::Level::error:
      return "error";
  }
  return "info";
}

json::object traffic(const engine::Traffic& traffic) {
  return {{"flowfiles", traffic.files}, {"records", traffic.records}, {"bytes", traffic.bytes}};
}

double share(std::uint64_t value, std::uint64_t most) {
  return most == 0 ? 0.0 : static_cast<double>(value) / static_cast<double>(most);
}

}  // namespace

const char* name_of(Instance::Status status) {
  switch (status) {
    case Instance::Status::starting:
      return "starting";
    case Instance::Status::running:
      return "running";
    case Instance::Status::stopping:
      return "stopping";
    case Instance::Status::misconfigured:
      return "misconfigured";
    case Instance::Status::stopped:
      return "stopped";
    case Instance::Status::finished:
      return "finished";
  }
  return "starting";
}

ProcessorSnapshot snapshot_of(const Instance& instance) {
  ProcessorSnapshot snapshot;
  const auto& statistics = instance.statistics;
  snapshot.flow = instance.shared_flow();
  snapshot.definition = &instance.definition();
  snapshot.status = instance.status;
  snapshot.source = instance.is_source();
  snapshot.message = instance.not_ready();
  snapshot.ready = snapshot.message.empty();
  snapshot.active = instance.active;
  snapshot.in = statistics.in;
  snapshot.ended = statistics.dropped;
  snapshot.out = statistics.out;
  snapshot.sessions = statistics.sessions;
  snapshot.rolled_back = statistics.rolled_back;
  snapshot.errors = statistics.errors;
  snapshot.busy = statistics.busy;
  snapshot.last_success = statistics.last_success;
  snapshot.held = instance.held.size();
  snapshot.stopped_by = instance.stopped_by;
  snapshot.stopped_at = instance.stopped_at;
  snapshot.state_entries = instance.state.size();
  snapshot.threads_left = instance.threads_left();
  return snapshot;
}

ConnectionSnapshot snapshot_of(const engine::Connection& connection) {
  ConnectionSnapshot snapshot;
  snapshot.flow = connection.shared_flow();
  snapshot.definition = &connection.definition();
  snapshot.queued = connection.queued_count();
  snapshot.bytes = connection.queued_bytes();
  snapshot.held = connection.held_count();
  snapshot.retry = connection.retry_count();
  snapshot.next = connection.next();
  snapshot.cursor = connection.cursor();
  snapshot.full = connection.full();
  snapshot.oldest = connection.oldest_born();
  return snapshot;
}

ConnectionSnapshot snapshot_of(const engine::LaneConnection& connection) {
  ConnectionSnapshot snapshot;
  snapshot.flow = connection.flow;
  snapshot.definition = connection.definition;
  snapshot.next = connection.entered;
  snapshot.cursor = connection.entered - std::min(connection.entered, connection.queued);
  snapshot.queued = connection.queued;
  snapshot.bytes = connection.bytes;
  snapshot.held = connection.held;
  snapshot.retry = connection.retry;
  snapshot.full = connection.full;
  snapshot.oldest = connection.oldest;
  return snapshot;
}

ProcessorSnapshot snapshot_of(const engine::LaneProcessor& processor, const ProcessorSnapshot* member) {
  ProcessorSnapshot snapshot;
  const auto& statistics = processor.statistics;
  if (member != nullptr) snapshot = *member;
  snapshot.flow = processor.flow;
  snapshot.definition = processor.definition;
  snapshot.source = processor.source;
  snapshot.in_lanes = member == nullptr;
  if (member == nullptr) {
    snapshot.status = processor.status;
    snapshot.message = processor.lanes == 0 ? "this Weir has no partition now" : processor.not_ready;
    snapshot.ready = processor.not_ready.empty();
  }
  snapshot.active += processor.active;
  snapshot.in = statistics.in;
  snapshot.ended = statistics.dropped;
  snapshot.out = statistics.out;
  snapshot.sessions += statistics.sessions;
  snapshot.rolled_back += statistics.rolled_back;
  snapshot.errors += statistics.errors;
  snapshot.busy += statistics.busy;
  snapshot.last_success = std::max(snapshot.last_success, statistics.last_success);
  snapshot.held = processor.held;
  snapshot.state_entries += processor.state_entries;
  return snapshot;
}

namespace {

/// In place of the members of flows that scale out.
void show_lanes(const engine::LaneView& lanes, std::vector<ProcessorSnapshot>& processors) {
  for (auto lane = lanes.processors.begin(); lane != lanes.processors.end();) {
    const auto& name = lane->flow->name;
    const auto is_member = [&](const auto& processor) { return processor.flow->name == name; };
    const auto first = std::find_if(processors.begin(), processors.end(), is_member);
    std::vector<ProcessorSnapshot> shown;
    for (; lane != lanes.processors.end() && lane->flow->name == name; ++lane) {
      const auto member = std::find_if(first, processors.end(), [&](const auto& processor) {
        return is_member(processor) && processor.definition->name == lane->definition->name;
      });
      shown.push_back(snapshot_of(*lane, member == processors.end() ? nullptr : &*member));
    }
    const auto place = processors.erase(first, std::find_if_not(first, processors.end(), is_member));
    processors.insert(place, shown.begin(), shown.end());
  }
}

}  // namespace

Snapshot take_snapshot(const engine::Engine& engine) {
  Snapshot snapshot;
  std::string why_not;
  snapshot.ready = engine.ready(&why_not);
  snapshot.problem = engine.fatal();
  if (snapshot.problem.empty()) snapshot.problem = std::move(why_not);
  engine.look_up_oldest();
  engine.inspect([&](const auto& instances, const auto& connections, const auto& epochs) {
    snapshot.processors.reserve(instances.size());
    for (const auto& instance : instances) snapshot.processors.push_back(snapshot_of(*instance));
    snapshot.connections.reserve(connections.size());
    for (const auto& connection : connections) snapshot.connections.push_back(snapshot_of(*connection));
    snapshot.epochs = epochs;
  });
  const auto lanes = engine.lanes();
  show_lanes(lanes, snapshot.processors);
  for (const auto& connection : lanes.connections) snapshot.connections.push_back(snapshot_of(connection));
  return snapshot;
}

json::object live_json(const ProcessorSnapshot& processor) {
  const auto& definition = *processor.definition;
  json::object out;
  for (std::size_t i = 0; i < definition.relationships.size(); ++i)
    out[definition.relationships[i]] = traffic(processor.out[i]);
  json::value stopped_by;
  if (!processor.stopped_by.empty())
    stopped_by = json::object{{"who", utf8(processor.stopped_by)}, {"time", time_json(processor.stopped_at)}};
  return {{"flow", processor.flow->name},
          {"name", definition.name},
          {"status", name_of(processor.status)},
          {"ready", processor.ready},
          {"message", utf8(processor.message)},
          {"active", processor.active},
          {"in", traffic(processor.in)},
          {"out", std::move(out)},
          {"ended", traffic(processor.ended)},
          {"sessions", processor.sessions},
          {"rolled_back", processor.rolled_back},
          {"errors", processor.errors},
          {"busy_seconds", static_cast<double>(processor.busy) / 1e9},
          {"last_success", time_json(processor.last_success)},
          {"held", processor.held},
          {"state_entries", processor.state_entries},
          {"stopped_by", std::move(stopped_by)},
          {"threads_left", processor.threads_left}};
}

json::object full_json(const ProcessorSnapshot& processor) {
  const auto& definition = *processor.definition;
  auto object = live_json(processor);
  auto& out = object["out"].as_object();
  for (std::size_t i = 0; i < definition.relationships.size(); ++i)
    out[definition.relationships[i]].as_object()["dropped"] =
        definition.dropped.contains(static_cast<std::uint32_t>(i));
  object["type"] = view(definition.type->spec()->type);
  object["description"] = definition.description;
  object["source"] = processor.source;
  object["concurrency"] = definition.concurrency;
  object["exactly_once"] = definition.exactly_once;
  return object;
}

json::object live_json(const ConnectionSnapshot& connection) {
  const auto& queue = connection.definition->queue;
  return {{"id", connection.definition->id},
          {"queued", connection.queued},
          {"queued_bytes", connection.bytes},
          {"held", connection.held},
          {"retry", connection.retry},
          {"fullness", std::max(share(connection.queued, queue.max_count), share(connection.bytes, queue.max_bytes))},
          {"full", connection.full},
          {"next", connection.next},
          {"cursor", connection.cursor},
          {"oldest", time_json(connection.oldest)}};
}

json::object full_json(const ConnectionSnapshot& connection) {
  const auto& definition = *connection.definition;
  const auto& processors = connection.flow->processors;
  auto object = live_json(connection);
  object["from"] = processors[definition.from].name;
  object["relationship"] = processors[definition.from].relationships[definition.relationship];
  object["to"] = processors[definition.to].name;
  object["max_count"] = definition.queue.max_count;
  object["max_bytes"] = definition.queue.max_bytes;
  return object;
}

json::object epochs_json(const engine::EpochStatistics& epochs) {
  return {{"last", epochs.last},
          {"count", epochs.count},
          {"failed", epochs.failed},
          {"seconds", epochs.seconds},
          {"longest_seconds", epochs.longest}};
}

json::object bulletin_json(const engine::Bulletin& bulletin) {
  return {{"id", bulletin.id},     {"time", time_json(bulletin.time)}, {"level", name_of(bulletin.level)},
          {"flow", bulletin.flow}, {"processor", bulletin.processor},  {"message", utf8(bulletin.message)}};
}

}  // namespace weir::api
