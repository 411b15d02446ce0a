#pragma once
// A flow as the engine runs it: read from YAML, every reference resolved, every value validated and in its canonical
// spelling. load.h makes it; nothing here knows YAML.

#include <boost/property_tree/ptree.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "flow/flow_test.h"
#include "sql/database_table.h"
#include "sql/declaration.h"
#include "weir/abi.h"
#include "weir/units.h"

namespace weir::flow {

/// Back-pressure thresholds of a connection; 0 is unlimited.
struct QueueOptions {
  std::uint64_t max_count = 10'000;
  std::uint64_t max_bytes = 64 * MiB;
};

/// How often, and how patiently, what goes to a relationship is tried again before it goes there.
struct Retry {
  std::uint32_t attempts = 3;
  Duration backoff = std::chrono::seconds(1);  ///< doubles with each attempt
  Duration max_backoff = std::chrono::minutes(5);
};

/// How long, how much and how fast what leaves a source is kept for replay; 0 is unlimited.
struct Retain {
  Duration keep_for = std::chrono::hours(24);
  std::uint64_t keep_bytes = 256 * MiB;
  /// Bytes a second, beyond which nothing is kept: so that keeping costs a busy flow next to nothing, unless the flow
  /// asks for it. docs/performance.md has the measurement.
  std::uint64_t most_a_second = 16 * MiB;
  bool none = false;
};

/// When a source is polled, or a processor runs. Neither: as soon as there is something to do.
struct Schedule {
  std::optional<Duration> every;
  std::string cron;  ///< five fields, or six with seconds first; UTC
};

struct Processor {
  std::string name;
  Mark mark;
  const abi::ProcessorType* type = nullptr;
  boost::property_tree::ptree settings;    ///< canonical; secrets in clear
  std::vector<std::string> relationships;  ///< by number: the spec's, then those named by a property's keys
  std::set<std::uint32_t> dropped;         ///< relationships that are auto-terminated
  std::map<std::uint32_t, Retry> retries;  ///< by relationship
  Schedule schedule;
  std::uint32_t concurrency = 1;
  bool enabled = true;
  bool strict_order = false;
  bool exactly_once = false;
  Retain retain;  ///< of a source
  std::string renamed_from;
  std::string description;
  std::map<std::string, std::string> labels;
  std::shared_ptr<const sql::Declaration> input_record;  ///< what its statements are compiled against; null: undeclared
  std::vector<sql::DatabaseTableOptions> tables;         ///< of databases, which its SQL joins with
  std::shared_ptr<const sql::Declaration> output_record;  ///< what a source or Select declares of what it emits
};

struct Connection {
  std::string id;          ///< flow/from/relationship/to
  std::uint32_t from = 0;  ///< index into Flow::processors
  std::uint32_t relationship = 0;
  std::uint32_t to = 0;
  bool in_cycle = false;  ///< both ends are in one cycle: full, it stops only what enters the cycle from outside
  QueueOptions queue;
  Mark mark;
};

struct ProvenanceOptions {
  std::vector<std::string> index;  ///< attributes of sources' FlowFiles that events can be searched by
  Duration keep_for = std::chrono::hours(24 * 7);
  std::uint64_t keep_bytes = 1 * GiB;
};

/// One partition of a flow that scales out (weir/lane.h).
struct LaneName {
  std::string flow;  ///< as its author named it
  std::string topic;
  std::int32_t partition = 0;
  auto operator<=>(const LaneName&) const = default;
  /// The same in every Weir, and in what the far sides keep of it.
  std::string id() const { return flow + "@" + topic + "/" + std::to_string(partition); }
};

struct Flow {
  std::string name;
  std::string file;
  std::string text;  ///< the file's, as it was read
  std::string description;
  std::vector<Processor> processors;
  std::vector<Connection> connections;
  ProvenanceOptions provenance;
  std::vector<FlowTest> tests;
  bool scale_out = false;
  std::optional<LaneName> lane;      ///< it is the flow of this lane (lanes.h)
  bool is_member = false;            ///< it is the member of the group for the lanes
  std::vector<std::string> secrets;  ///< values that must not be shown: see masked() in settings.h
};

}  // namespace weir::flow
