#pragma once
// Lineage by interval: what came from what, a row or so per session instead of one per FlowFile.
//
// A row maps a range of sequences of an input connection to a range of sequences of an output connection, for one
// event of one processor. Its Shape says how; only what the shape does not say is in the payload. Adjacent rows of the
// same shape coalesce. docs/provenance.md describes the encoding.

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace weir::store {

/// NiFi's provenance event types.
enum class EventType : std::uint8_t {
  create,
  receive,
  fetch,
  send,
  fork,
  join,
  clone,
  route,
  content_modified,
  attributes_modified,
  drop,
  expire,
  replay
};

enum class Shape : std::uint8_t {
  none,        ///< no parents (CREATE, RECEIVE) or no children (SEND, DROP)
  one_to_one,  ///< output i came from input i
  each_k,      ///< inputs have k children each, in order; payload: varint k
  counts,      ///< payload: a varint per input: its number of children
  bitmap,      ///< output i came from the i-th input whose bit is set; payload: bits, lowest first
  list,        ///< payload: for each output the varint zigzag difference of its parent's index to the previous one's
  merge,       ///< payload: for each output its parents as intervals, possibly of many sessions (absolute sequences)
  group_in,    ///< payload: for each input the groups (windows) it contributed to
  group_out,   ///< payload: for each output the group it came from
  mixed,       ///< what coalesced from several of none to list; payload: blocks of shape, counts and payload
};

/// One event of one session, for one pair of connections. Connection and processor numbers are the store's; 0 is none.
struct LineageRow {
  EventType type = EventType::route;
  Shape shape = Shape::none;
  std::uint32_t processor = 0;
  std::uint32_t in_connection = 0;
  std::uint64_t in_first = 0;
  std::uint64_t in_count = 0;
  std::uint32_t out_connection = 0;
  std::uint64_t out_first = 0;
  std::uint64_t out_count = 0;
  std::int64_t time = 0;      ///< nanoseconds since 1970, the session's start
  std::int64_t duration = 0;  ///< nanoseconds
  std::uint64_t bytes = 0;    ///< content of the outputs, or of the inputs where there are none
  std::string payload;
  std::string transit_uri;
  std::string details;
  std::uint32_t last_block = 0;  ///< of shape mixed, while it may coalesce: where in the payload its last block begins
};

/// Sets shape and payload for outputs that have one parent each: parents[i] is the index of output i's parent among
/// the in_count inputs. Chooses the smallest shape.
void encode_parents(LineageRow& row, std::span<const std::uint32_t> parents);

/// Sets shape merge: for each output the sequences of its parents in in_connection, ascending. Sets in_first and
/// in_count to what they span.
void encode_merge(LineageRow& row, std::span<const std::vector<std::uint64_t>> parents);

/// Sets shape group_in: pairs (input index, group), by input index. An input may contribute to several groups.
void encode_group_in(LineageRow& row, std::span<const std::pair<std::uint32_t, std::uint64_t>> contributions);

/// Sets shape group_out: the group of each output. Several outputs may name one group (revisions).
void encode_group_out(LineageRow& row, std::span<const std::uint64_t> groups);

/// Appends a row, or lets it coalesce with the last row of the same processor, connections, type and transit URI where
/// ranges adjoin and the payload stays below 64 KiB. Called at every session commit: must be quick.
void add_coalescing(std::vector<LineageRow>& rows, LineageRow&& row);

}  // namespace weir::store
