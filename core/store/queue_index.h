#pragma once
// What the store keeps in memory of its durable queues: how each connection stands, and where its rows are. Built from
// the database at start, without reading the packed entries, and changed when an epoch has committed.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "store/database.h"
#include "store/packing.h"
#include "store/store.h"

namespace weir::store {

/// A row of the table `entries`, without its blob.
struct QueueRow {
  std::int64_t row = 0;
  std::uint32_t count = 0;
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;
  std::vector<SegmentUse> segments;
};

struct DurableConnection {
  std::string id;
  std::uint64_t next = 0;
  std::uint64_t cursor = 0;
  std::uint64_t cursor_offset = 0;
  std::vector<Interval> held;
  std::vector<RetryEntry> retry;
  std::map<std::uint64_t, QueueRow> rows;  ///< by their first sequence; never overlap
};

using QueueIndex = std::map<std::uint32_t, DurableConnection>;

/// Reads the index. Throws Malformed, DatabaseError.
QueueIndex read_queue_index(Database& database);

/// What is wrong with a connection as it stands, for the person who reads it; empty if nothing: held and retry lie
/// below the cursor, ascending and apart; rows do not overlap and cover every sequence that is alive.
std::string inconsistency(const DurableConnection& connection);

/// Whether any of [first, first + count) is alive.
bool any_alive(std::uint64_t first, std::uint64_t count, std::uint64_t cursor, std::uint64_t next,
               const std::vector<Interval>& held, const std::vector<RetryEntry>& retry);

std::string pack_aside(const std::vector<Interval>& held, const std::vector<RetryEntry>& retry);
void unpack_aside(std::string_view bytes, std::vector<Interval>& held, std::vector<RetryEntry>& retry);

}  // namespace weir::store
