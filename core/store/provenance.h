#pragma once
// Asking provenance: which events happened, where a FlowFile came from, and what became of it.
//
// Read-only, through a connection of its own: while the runtime runs, or on a directory that nobody runs. Answers are
// exact, name connections and processors by their names, and come as a stream; what limits or retention cut off is
// said.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/lineage.h"
#include "store/store.h"

namespace weir::store {

std::string_view name_of(EventType type);  ///< as in NiFi: "ATTRIBUTES_MODIFIED"
std::optional<EventType> event_type(std::string_view name);

/// One event: what a processor did, for a range of FlowFiles of one pair of connections. Sessions that did the same
/// one after the other may be one event.
struct ProvenanceEvent {
  EventType type = EventType::route;
  std::string processor;
  std::int64_t time = 0;      ///< nanoseconds since 1970, of the first session
  std::int64_t duration = 0;  ///< nanoseconds, of all sessions
  std::uint64_t bytes = 0;
  std::string in_connection;   ///< empty: none
  Interval inputs;             ///< for a filter or a route, those it looked at
  std::string out_connection;  ///< empty: none
  Interval outputs;
  std::string transit_uri;
  std::string details;
};

struct EventFilter {
  std::string processor;   ///< flow/name, which is that of all lanes (names.h), or one of a lane; empty: any
  std::string connection;  ///< the same, as input or output; empty: any
  std::optional<EventType> type;
  std::optional<std::int64_t> from;  ///< nanoseconds since 1970
  std::optional<std::int64_t> to;    ///< exclusive
  std::string attribute;             ///< name of an indexed attribute; empty: any
  std::string value;
  std::string transit;  ///< part of the transit URI; empty: any
  std::uint64_t limit = 1000;
};

/// A step of a lineage: an event that connects FlowFiles of the answer.
struct LineageStep {
  std::uint32_t depth = 0;  ///< 1: next to the FlowFile that was asked for
  ProvenanceEvent event;
  std::vector<Interval> inputs;   ///< in event.in_connection: exactly those that belong to the answer
  std::vector<Interval> outputs;  ///< in event.out_connection
};

struct LineageLimits {
  std::uint32_t depth = 1000;
  std::uint64_t steps = 100'000;
};

/// How an answer ended.
struct ProvenanceSummary {
  std::uint64_t found = 0;            ///< events or steps given
  bool limited = false;               ///< there are more: the depth, the number or the visitor ended it
  bool removed_by_retention = false;  ///< something that belongs to the answer is, or may be, gone by age or size
};

/// A FlowFile by its place, and where it is now.
struct Place {
  std::string connection;
  std::uint64_t sequence = 0;
};

/// "flow/from/relationship/to:17". Nothing if it is no such text.
std::optional<Place> parse_place(std::string_view text);

/// For one thread at a time. Every function throws IoError, also for damage, and std::invalid_argument for a connection
/// or processor that the data directory does not know, naming the nearest that it knows.
class Provenance {
 public:
  /// Throws CannotOpen.
  explicit Provenance(const std::filesystem::path& directory, const std::string& vfs = {});
  ~Provenance();

  /// Newest first. The visitor returns false to end.
  ProvenanceSummary events(const EventFilter& filter, const std::function<bool(const ProvenanceEvent&)>& visit);
  /// All that the FlowFile came from, nearest first.
  ProvenanceSummary ancestors(const Place& place, const std::function<bool(const LineageStep&)>& visit,
                              const LineageLimits& limits = {});
  /// All that became of the FlowFile, nearest first, to its ends (SEND, DROP).
  ProvenanceSummary descendants(const Place& place, const std::function<bool(const LineageStep&)>& visit,
                                const LineageLimits& limits = {});
  /// FlowFiles that carried an indexed attribute, newest first, up to `limit`.
  std::vector<Place> find(const std::string& attribute, const std::string& value, std::uint64_t limit = 1000);

 private:
  class Reading;
  std::unique_ptr<Reading> reading_;
};

}  // namespace weir::store
