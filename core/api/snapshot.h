#pragma once
// How the processors and connections of an engine stand at one moment: copied under the engine's lock, where only
// numbers are copied, and written as JSON without it.

#include <boost/json.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/lane_view.h"

namespace weir::api {

struct ProcessorSnapshot {
  std::shared_ptr<const flow::Flow> flow;
  const flow::Processor* definition = nullptr;  ///< of the flow
  engine::Instance::Status status = engine::Instance::Status::starting;
  bool source = false;
  bool in_lanes = false;  ///< and nowhere else: nothing can be done to it here
  bool ready = false;
  std::string message;
  std::uint32_t active = 0;
  engine::Traffic in, ended;
  std::vector<engine::Traffic> out;  ///< by relationship
  std::uint64_t sessions = 0, rolled_back = 0, errors = 0;
  std::int64_t busy = 0, last_success = 0;
  std::size_t held = 0, state_entries = 0;
  std::string stopped_by;  ///< empty: nobody
  std::int64_t stopped_at = 0;
  std::size_t threads_left = 0;  ///< of a terminated one, not come back

  bool operator==(const ProcessorSnapshot&) const = default;
};

struct ConnectionSnapshot {
  std::shared_ptr<const flow::Flow> flow;
  const flow::Connection* definition = nullptr;  ///< of the flow
  std::uint64_t queued = 0, bytes = 0, held = 0, retry = 0, next = 0, cursor = 0;
  bool full = false;
  std::int64_t oldest = 0;

  bool operator==(const ConnectionSnapshot&) const = default;
};

struct Snapshot {
  std::vector<ProcessorSnapshot> processors;
  std::vector<ConnectionSnapshot> connections;
  engine::EpochStatistics epochs;
  bool ready = false;
  std::string problem;  ///< why not
};

/// Holds the engine's lock for some 100 ns a processor and connection, and that of each lane. A flow that scales out is
/// shown as its lanes together. Any thread.
Snapshot take_snapshot(const engine::Engine& engine);
ProcessorSnapshot snapshot_of(const engine::Instance& instance);
ConnectionSnapshot snapshot_of(const engine::Connection& connection);
ConnectionSnapshot snapshot_of(const engine::LaneConnection& connection);
/// `member`: the same processor where it speaks to the group for all lanes; null: it does not.
ProcessorSnapshot snapshot_of(const engine::LaneProcessor& processor, const ProcessorSnapshot* member);

/// What changes: as in the live events.
boost::json::object live_json(const ProcessorSnapshot& processor);
boost::json::object live_json(const ConnectionSnapshot& connection);
/// With what stays as the flow says it.
boost::json::object full_json(const ProcessorSnapshot& processor);
boost::json::object full_json(const ConnectionSnapshot& connection);
boost::json::object epochs_json(const engine::EpochStatistics& epochs);
boost::json::object bulletin_json(const engine::Bulletin& bulletin);

const char* name_of(engine::Instance::Status status);

}  // namespace weir::api
