#pragma once
// A chunk: lineage rows of one epoch packed into one blob, and the ranges by which the index finds it.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/encoding.h"
#include "store/lineage.h"

namespace weir::store {

/// What an index entry is of: the sequences of a connection, or the groups of a processor.
enum class IndexKind : std::uint8_t {
  outputs = 0,        ///< id: connection; sequences that came out
  inputs = 1,         ///< id: connection; sequences that went in
  contributions = 2,  ///< id: processor; groups that inputs contributed to
  group_outputs = 3,  ///< id: processor; groups that outputs name
};

struct Range {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};
using IndexRanges = std::map<std::pair<IndexKind, std::uint32_t>, Range>;

/// Intervals of similar length share a class, by powers of 16: those that contain a sequence begin at most the class's
/// longest length before it.
inline unsigned span_class(const Range& range) {
  unsigned result = 0;
  for (auto span = range.last - range.first; span != 0; span >>= 4) ++result;
  return result;
}
inline constexpr unsigned kSpanClasses = 17;
inline std::uint64_t longest_span(unsigned span_class) {
  return span_class >= 16 ? ~0ULL : (1ULL << (4 * span_class)) - 1;
}

/// Packs rows until it is full.
class ChunkPacker {
 public:
  void add(const LineageRow& row);
  bool empty() const { return encoder_.size() == 0; }
  bool full() const { return encoder_.size() >= 16 * 1024; }
  std::string_view packed() const { return encoder_.view(); }
  const IndexRanges& ranges() const { return ranges_; }
  std::int64_t oldest() const { return oldest_; }
  std::int64_t newest() const { return newest_; }
  void clear();

 private:
  std::uint64_t text_number(const std::string& text);

  Encoder encoder_;
  IndexRanges ranges_;
  std::map<std::string, std::uint64_t, std::less<>> texts_;
  std::map<std::uint64_t, std::uint64_t> ends_;
  std::int64_t time_ = 0;
  std::int64_t oldest_ = 0;
  std::int64_t newest_ = 0;
};

/// Throws Malformed; what it returns has been checked.
std::vector<LineageRow> unpack_chunk(std::string_view packed);

/// Adds the ranges by which a row is found.
void add_ranges(IndexRanges& ranges, const LineageRow& row);

}  // namespace weir::store
