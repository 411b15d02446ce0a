#pragma once
// What the lanes of this Weir have done and have in hand, as one flow: for metrics and status.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/instance.h"
#include "flow/definition.h"

namespace weir::engine {

/// A processor in all lanes together. What is counted goes on where a lane has ended.
struct LaneProcessor {
  struct Made {
    std::string help = {};
    bool is_counter = false;
    double value = 0;
  };
  std::shared_ptr<const flow::Flow> flow;       ///< as its author wrote it
  const flow::Processor* definition = nullptr;  ///< of the flow
  bool source = false;
  bool sink = false;
  bool ends_here = false;  ///< none of its outputs leads on
  Instance::Status status = Instance::Status::starting;
  std::string not_ready;  ///< of the first lane that is not; empty: all are
  std::uint32_t lanes = 0;
  std::uint32_t active = 0;
  std::size_t held = 0;
  std::size_t state_entries = 0;
  Statistics statistics;
  std::map<std::string, Made> made;  ///< metrics of its own, by name
};

struct LaneConnection {
  std::shared_ptr<const flow::Flow> flow;
  const flow::Connection* definition = nullptr;
  std::uint64_t entered = 0;  ///< since the start of the process
  std::uint64_t queued = 0;
  std::uint64_t bytes = 0;
  std::uint64_t held = 0;
  std::uint64_t retry = 0;
  bool full = false;
  std::int64_t oldest = 0;
};

/// Flow by flow, in the order of each flow's definition.
struct LaneView {
  std::vector<LaneProcessor> processors;
  std::vector<LaneConnection> connections;
};

/// A lane that the group has given to this Weir.
struct LaneStatus {
  flow::LaneName name;
  std::int64_t since = 0;                        ///< began here then, in nanoseconds since 1970; 0: it is to begin
  std::optional<std::int64_t> offset;            ///< all before is done; nothing: it is not known yet
  std::optional<std::int64_t> needed_from;       ///< the first that a window which is open would need elsewhere
  std::optional<std::int64_t> reads_again_from;  ///< up to `offset`, for windows that were open
  std::string not_ready;                         ///< why it does not work; empty: it does
};

class Engine;

/// Adds up what the lanes of one flow have.
class LaneTotals {
 public:
  explicit LaneTotals(std::shared_ptr<const flow::Flow> flow);
  /// What a lane has counted.
  void count(const Engine& lane);
  /// What a lane has now.
  void look(const Engine& lane);
  const LaneView& view() const { return view_; }

 private:
  LaneView view_;
};

void add(Statistics& to, const Statistics& from);

}  // namespace weir::engine
