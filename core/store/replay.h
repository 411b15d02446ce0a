#pragma once
// Replay: a FlowFile that left a source, queued again where it was, as a new one with the next sequence and a REPLAY
// event that says which it was.

#include <cstdint>
#include <string>

#include "store/lineage.h"
#include "store/provenance.h"
#include "store/store.h"

namespace weir::store {

/// Where a FlowFile that is replayed comes from, and what it is.
struct Replay {
  std::uint32_t connection = 0;
  std::uint32_t source = 0;  ///< the processor that the connection leaves
  std::uint64_t sequence = 0;
  BatchRef batch;  ///< it alone
};

/// Throws NotRetained for a FlowFile in a lane: it cannot be replayed.
void check_replayable(const Place& place);

/// The REPLAY event of one that was queued again as `as`.
LineageRow replay_event(const Replay& replay, std::uint64_t as, std::int64_t now);

/// Replays on a store that no engine runs; returns the new sequence, which is durable. Throws std::invalid_argument (an
/// unknown connection), NotRetained, DiskFull, IoError.
std::uint64_t replay(Store& store, const Place& place, std::int64_t now);

}  // namespace weir::store
