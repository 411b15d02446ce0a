#include "store/lineage_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace weir::store {

namespace {

constexpr std::size_t kChunksKept = 64;

}  // namespace

LineageReader::LineageReader(const std::filesystem::path& file, const std::string& vfs)
    : database_(file, Database::Access::read, vfs),
      find_(database_,
            "SELECT chunk FROM lineage_index WHERE kind = ? AND id = ? AND span = ? AND first BETWEEN ? AND ? "
            "AND last >= ?"),
      chunk_(database_, "SELECT packed, crc FROM lineage WHERE chunk = ?"),
      previous_(database_,
                "SELECT chunk FROM lineage WHERE chunk < ? AND newest >= ? AND oldest < ? ORDER BY chunk DESC LIMIT 1"),
      removed_(database_, "SELECT 1 FROM lineage_removed WHERE kind = ? AND id = ? AND last >= ?") {}

void LineageReader::begin() {
  database_.execute("BEGIN");
  connections_.clear();
  processors_.clear();
  Statement connections(database_, "SELECT number, name FROM connections");
  while (connections.step()) connections_[connections.small_integer(0)] = connections.text(1);
  Statement processors(database_, "SELECT number, name FROM processors");
  while (processors.step()) processors_[processors.small_integer(0)] = processors.text(1);
}

void LineageReader::end() {
  database_.execute("ROLLBACK");
}

std::vector<std::int64_t> LineageReader::chunks(IndexKind kind, std::uint32_t id, const Interval& range) {
  std::vector<std::int64_t> result;
  const auto last = range.first + range.count - 1;
  for (unsigned span = 0; span < kSpanClasses; ++span) {
    const auto longest = longest_span(span);
    const auto from = range.first > longest ? range.first - longest : 0;
    const ResetAtEnd end(find_);
    find_.bind(1, static_cast<std::uint32_t>(kind)).bind(2, id).bind(3, span).bind(4, from).bind(5, last);
    find_.bind(6, range.first);
    while (find_.step()) result.push_back(find_.integer(0));
  }
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

LineageReader::Rows LineageReader::rows(std::int64_t chunk) {
  if (const auto found = cache_.find(chunk); found != cache_.end()) return found->second;
  const ResetAtEnd end(chunk_);
  if (!chunk_.bind(1, chunk).step()) return std::make_shared<std::vector<LineageRow>>();
  const auto packed = chunk_.blob(0);
  if (crc32c(packed) != static_cast<std::uint32_t>(chunk_.integer(1))) {
    throw Malformed(fmt::format("lineage chunk {} is not what was written", chunk));
  }
  auto rows = std::make_shared<const std::vector<LineageRow>>(unpack_chunk(packed));
  cache_[chunk] = rows;
  recent_.push_back(chunk);
  if (recent_.size() > kChunksKept) {
    cache_.erase(recent_.front());
    recent_.pop_front();
  }
  return rows;
}

std::optional<std::int64_t> LineageReader::previous(std::int64_t chunk, std::int64_t from, std::int64_t to) {
  const ResetAtEnd end(previous_);
  if (!previous_.bind(1, chunk).bind(2, from).bind(3, to).step()) return std::nullopt;
  const auto found = previous_.integer(0);
  // In a damaged tree the search may find anything; going up would never end.
  if (found >= chunk) throw Malformed("the lineage table is out of order");
  return found;
}

bool LineageReader::is_removed(IndexKind kind, std::uint32_t id, std::uint64_t first) {
  const ResetAtEnd end(removed_);
  return removed_.bind(1, static_cast<std::uint32_t>(kind)).bind(2, id).bind(3, first).step();
}

bool LineageReader::any_removed() {
  return database_.number("SELECT count(*) FROM lineage_removed") > 0;
}

}  // namespace weir::store
