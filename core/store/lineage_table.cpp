#include "store/lineage_table.h"

#include <algorithm>
#include <string>

#include "store/attribute_index.h"
#include "store/lineage_blocks.h"

namespace weir::store {

namespace {

constexpr std::uint64_t kRowCost = 24;         ///< of a row in SQLite beside its blob, about
constexpr std::uint64_t kIndexEntryCost = 28;  ///< about
constexpr std::size_t kRemovedAtLeast = 4;     ///< chunks an epoch, where there is something to remove

std::uint64_t cost_of(std::string_view packed, const IndexRanges& ranges) {
  return packed.size() + kRowCost + ranges.size() * kIndexEntryCost;
}

}  // namespace

LineageTable::LineageTable(Database& database, const Options& options)
    : keep_for_(options.keep_provenance_for),
      keep_bytes_(options.keep_provenance_bytes),
      insert_chunk_(database, "INSERT INTO lineage VALUES(?, ?, ?, ?, ?)"),
      insert_index_(database, "INSERT INTO lineage_index VALUES(?, ?, ?, ?, ?, ?)"),
      insert_attributes_(database, "INSERT INTO attributes VALUES(?, ?, ?, ?, ?)"),
      oldest_chunk_(database, "SELECT chunk, newest, crc, packed FROM lineage ORDER BY chunk LIMIT 1"),
      delete_chunk_(database, "DELETE FROM lineage WHERE chunk = ?"),
      delete_index_(database,
                    "DELETE FROM lineage_index WHERE kind = ? AND id = ? AND span = ? AND first = ? AND chunk = ?"),
      removed_(database,
               "INSERT INTO lineage_removed VALUES(?, ?, ?) "
               "ON CONFLICT(kind, id) DO UPDATE SET last = max(last, excluded.last)"),
      oldest_attributes_(database,
                         "SELECT row, length(filter) + length(packed), newest FROM attributes ORDER BY row LIMIT 1"),
      delete_attributes_(database, "DELETE FROM attributes WHERE row = ?") {
  durable_.last_chunk = database.number("SELECT max(chunk) FROM lineage");
  durable_.last_attributes = database.number("SELECT max(row) FROM attributes");
  durable_.newest = database.number("SELECT newest FROM lineage ORDER BY chunk DESC LIMIT 1");
  durable_.oldest = database.number("SELECT newest FROM lineage ORDER BY chunk LIMIT 1");
  durable_.bytes = static_cast<std::uint64_t>(database.number("SELECT provenance_bytes FROM header"));
  pending_ = durable_;
}

void LineageTable::write(const Epoch& epoch) {
  const auto before = pending_.last_chunk;
  packer_.clear();
  for (const auto& row : epoch.lineage) {
    packer_.add(row);
    if (packer_.full()) put_chunk();
  }
  if (!packer_.empty()) put_chunk();
  if (!epoch.attributes.empty()) put_attributes(epoch);
  if (!epoch.lineage.empty() || !epoch.attributes.empty()) {
    // Twice as many as came: what is too much melts away, in small pieces.
    remove_old(kRemovedAtLeast + 2 * static_cast<std::size_t>(pending_.last_chunk - before));
  }
}

void LineageTable::put_chunk() {
  const auto chunk = ++pending_.last_chunk;
  insert_chunk_.bind(1, chunk).bind(2, packer_.oldest()).bind(3, packer_.newest()).bind(4, crc32c(packer_.packed()));
  insert_chunk_.bind_blob(5, packer_.packed()).run();
  for (const auto& [key, range] : packer_.ranges()) {
    insert_index_.bind(1, static_cast<std::uint32_t>(key.first)).bind(2, key.second).bind(3, span_class(range));
    insert_index_.bind(4, range.first).bind(5, chunk).bind(6, range.last).run();
  }
  if (pending_.oldest == 0) pending_.oldest = packer_.newest();
  pending_.newest = std::max(pending_.newest, packer_.newest());
  pending_.bytes += cost_of(packer_.packed(), packer_.ranges());
  packer_.clear();
}

void LineageTable::put_attributes(const Epoch& epoch) {
  const auto packed = pack_attributes(epoch.attributes);
  insert_attributes_.bind(1, ++pending_.last_attributes).bind(2, pending_.newest).bind(3, crc32c(packed.packed));
  insert_attributes_.bind_blob(4, packed.filter).bind_blob(5, packed.packed).run();
  pending_.bytes += packed.filter.size() + packed.packed.size() + kRowCost;
}

bool LineageTable::is_over() const {
  return pending_.bytes > keep_bytes_ || pending_.newest - pending_.oldest > keep_for_;
}

void LineageTable::remove_old(std::size_t most) {
  while (most-- > 0 && is_over() && remove_oldest_chunk()) {
  }
}

bool LineageTable::remove_oldest_chunk() {
  std::int64_t chunk = 0;
  std::int64_t newest = 0;
  IndexRanges ranges;
  {
    const ResetAtEnd end(oldest_chunk_);
    if (!oldest_chunk_.step()) return false;
    chunk = oldest_chunk_.integer(0);
    newest = oldest_chunk_.integer(1);
    if (chunk == pending_.last_chunk) return false;  // the newest always stays
    const auto packed = oldest_chunk_.blob(3);
    try {
      for (const auto& row : unpack_chunk(packed)) add_ranges(ranges, row);
    } catch (const Malformed&) {
      // It goes nevertheless; index entries of it that stay behind lead nowhere, and `weir check` lists them.
    }
    pending_.bytes -= std::min(pending_.bytes, cost_of(packed, ranges));
  }
  for (const auto& [key, range] : ranges) {
    const auto kind = static_cast<std::uint32_t>(key.first);
    delete_index_.bind(1, kind)
        .bind(2, key.second)
        .bind(3, span_class(range))
        .bind(4, range.first)
        .bind(5, chunk)
        .run();
    removed_.bind(1, kind).bind(2, key.second).bind(3, range.last).run();
  }
  delete_chunk_.bind(1, chunk).run();
  remove_attributes_until(newest);
  const ResetAtEnd end(oldest_chunk_);
  pending_.oldest = oldest_chunk_.step() ? oldest_chunk_.integer(1) : 0;
  return true;
}

void LineageTable::remove_attributes_until(std::int64_t time) {
  for (std::size_t left = kRemovedAtLeast; left > 0; --left) {
    std::int64_t row = 0;
    {
      const ResetAtEnd end(oldest_attributes_);
      if (!oldest_attributes_.step() || oldest_attributes_.integer(2) > time) return;
      row = oldest_attributes_.integer(0);
      pending_.bytes -= std::min(pending_.bytes, oldest_attributes_.unsigned_integer(1) + kRowCost);
    }
    delete_attributes_.bind(1, row).run();
  }
}

}  // namespace weir::store
