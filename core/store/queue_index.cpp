#include "store/queue_index.h"

#include <fmt/format.h>

#include <algorithm>

#include "store/encoding.h"

namespace weir::store {

std::string pack_aside(const std::vector<Interval>& held, const std::vector<RetryEntry>& retry) {
  std::string bytes;
  if (held.empty() && retry.empty()) return bytes;
  std::uint64_t previous = 0;
  append_varint(bytes, held.size());
  for (const auto& interval : held) {
    append_varint(bytes, interval.first - previous);
    append_varint(bytes, interval.count);
    previous = interval.first + interval.count;
  }
  previous = 0;
  append_varint(bytes, retry.size());
  for (const auto& entry : retry) {
    append_varint(bytes, entry.sequence - previous);
    append_varint(bytes, entry.attempts);
    append_varint(bytes, to_zigzag(entry.due));
    previous = entry.sequence;
  }
  // Behind all that every Weir reads: only where there are any.
  const auto partly = std::count_if(retry.begin(), retry.end(), [](const auto& entry) { return entry.offset != 0; });
  if (partly == 0) return bytes;
  append_varint(bytes, static_cast<std::uint64_t>(partly));
  std::size_t next = 0;
  for (std::size_t i = 0; i < retry.size(); ++i) {
    if (retry[i].offset == 0) continue;
    append_varint(bytes, i - next);
    append_varint(bytes, retry[i].offset);
    next = i + 1;
  }
  return bytes;
}

void unpack_aside(std::string_view bytes, std::vector<Interval>& held, std::vector<RetryEntry>& retry) {
  held.clear();
  retry.clear();
  if (bytes.empty()) return;
  Decoder in(bytes);
  std::uint64_t previous = 0;
  for (auto left = in.count(2); left > 0; --left) {
    const auto first = previous + in.varint();
    held.push_back({first, in.varint()});
    previous = first + held.back().count;
  }
  previous = 0;
  for (auto left = in.count(3); left > 0; --left) {
    previous += in.varint();
    const auto attempts = static_cast<std::uint32_t>(in.varint());
    retry.push_back({previous, attempts, in.zigzag()});
  }
  if (in.at_end()) return;
  std::uint64_t at = 0;
  for (auto left = in.count(2); left > 0; --left, ++at) {
    const auto distance = in.varint();
    if (distance >= retry.size() - at) throw Malformed("an offset of no retry");
    at += distance;
    retry[at].offset = in.varint();
  }
}

QueueIndex read_queue_index(Database& database) {
  QueueIndex index;
  Statement connections(database, "SELECT number, name, next, cursor, cursor_offset, aside FROM connections");
  while (connections.step()) {
    auto& connection = index[connections.small_integer(0)];
    connection.id = connections.text(1);
    connection.next = connections.unsigned_integer(2);
    connection.cursor = connections.unsigned_integer(3);
    connection.cursor_offset = connections.unsigned_integer(4);
    unpack_aside(connections.blob(5), connection.held, connection.retry);
  }
  Statement rows(database, "SELECT row, connection, first, count, bytes, records, segments FROM entries");
  while (rows.step()) {
    const auto connection = index.find(rows.small_integer(1));
    if (connection == index.end()) throw Malformed(fmt::format("row {} is of no connection", rows.integer(0)));
    const auto first = rows.unsigned_integer(2);
    QueueRow row{rows.integer(0), rows.small_integer(3), rows.unsigned_integer(4), rows.unsigned_integer(5),
                 unpack_segments(rows.blob(6))};
    auto& of_connection = connection->second.rows;
    const auto size = of_connection.size();
    of_connection.emplace_hint(of_connection.end(), first, std::move(row));
    if (of_connection.size() == size) {
      throw Malformed(fmt::format("two rows of {} begin at {}", connection->second.id, first));
    }
  }
  return index;
}

std::string inconsistency(const DurableConnection& connection) {
  if (connection.cursor > connection.next) {
    return fmt::format("its cursor {} is beyond its end {}", connection.cursor, connection.next);
  }
  std::uint64_t end = 0;
  for (const auto& [first, row] : connection.rows) {
    if (row.count == 0 || first < end) return fmt::format("its rows overlap at {}", first);
    end = first + row.count;
    if (end < first || end > connection.next) return fmt::format("a row ends at {}, beyond {}", end, connection.next);
  }
  auto row = connection.rows.begin();
  // Intervals come ascending: one walk over the rows covers all.
  const auto covered = [&](std::uint64_t first, std::uint64_t last) {
    while (first < last) {
      while (row != connection.rows.end() && row->first + row->second.count <= first) ++row;
      if (row == connection.rows.end() || row->first > first) return false;
      first = row->first + row->second.count;
    }
    return true;
  };
  std::vector<Interval> aside = connection.held;
  for (const auto& entry : connection.retry) aside.push_back({entry.sequence, 1});
  std::sort(aside.begin(), aside.end(), [](const Interval& a, const Interval& b) { return a.first < b.first; });
  end = 0;
  for (const auto& interval : aside) {
    const auto last = interval.first + interval.count;
    if (interval.first < end || last < interval.first) return fmt::format("{} is set aside twice", interval.first);
    if (last > connection.cursor) return fmt::format("{} is set aside beyond the cursor", last - 1);
    if (!covered(interval.first, last)) return fmt::format("{} is set aside and stored nowhere", interval.first);
    end = last;
  }
  if (!covered(connection.cursor, connection.next)) {
    return fmt::format("not all of {} to {} is stored", connection.cursor, connection.next);
  }
  return {};
}

bool any_alive(std::uint64_t first, std::uint64_t count, std::uint64_t cursor, std::uint64_t next,
               const std::vector<Interval>& held, const std::vector<RetryEntry>& retry) {
  const auto last = first + count;
  if (last > cursor && first < next) return true;
  // The first interval that ends beyond `first`, and whether it begins before `last`.
  const auto interval = std::partition_point(held.begin(), held.end(),
                                             [&](const Interval& each) { return each.first + each.count <= first; });
  if (interval != held.end() && interval->first < last) return true;
  const auto entry =
      std::partition_point(retry.begin(), retry.end(), [&](const RetryEntry& each) { return each.sequence < first; });
  return entry != retry.end() && entry->sequence < last;
}

}  // namespace weir::store
