#include "store/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "store/names.h"

namespace weir::store {

void check_replayable(const Place& place) {
  const std::string lane(lane_of(place.connection));
  if (lane.empty()) return;
  throw NotRetained(fmt::format(
      "{}:{} is in the lane {}: what a lane does is counted in offsets of its partition, and a FlowFile that is "
      "replayed has none. Produce its message to the topic again: `weir provenance ancestors` names its offset",
      place.connection, place.sequence, lane));
}

LineageRow replay_event(const Replay& replay, std::uint64_t as, std::int64_t now) {
  LineageRow row;
  row.type = EventType::replay;
  row.shape = Shape::one_to_one;
  row.processor = replay.source;
  row.in_connection = row.out_connection = replay.connection;
  row.in_first = replay.sequence;
  row.out_first = as;
  row.in_count = row.out_count = 1;
  row.time = now;
  row.bytes = replay.batch->items.at(0).size;
  return row;
}

std::uint64_t replay(Store& store, const Place& place, std::int64_t now) {
  check_replayable(place);
  const auto connections = store.connections();
  const auto found = std::find_if(connections.begin(), connections.end(),
                                  [&](const auto& each) { return each.id == place.connection; });
  if (found == connections.end()) {
    std::vector<std::string> names;
    for (const auto& each : connections) names.push_back(each.id);
    throw std::invalid_argument(unknown_name("connection", place.connection, names));
  }
  Replay replay{found->connection, 0, place.sequence, store.retained(found->connection, place.sequence)};
  // flow/from/relationship/to
  const auto from_ends = place.connection.find('/', place.connection.find('/') + 1);
  replay.source = store.processor_number(place.connection.substr(0, from_ends));
  Epoch epoch;
  epoch.number = store.last_epoch() + 1;
  epoch.connections.push_back({found->connection,
                               found->next + 1,
                               found->cursor,
                               found->cursor_offset,
                               found->held,
                               found->retry,
                               {{found->next, 1, 0, replay.batch}}});
  epoch.lineage.push_back(replay_event(replay, found->next, now));
  store.write(epoch);
  return found->next;
}

}  // namespace weir::store
