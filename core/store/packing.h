#pragma once
// A row of queue entries: a run of FlowFiles of one connection packed into one blob, and back.
//
// Attributes are deduplicated across the row (a dictionary of strings; an entry says "as the previous one" in a byte),
// small contents stand one after the other at the end, large ones are named by (segment, offset, size).
// docs/storage.md describes the bytes.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "store/batch.h"
#include "store/encoding.h"

namespace weir::store {

/// Content in a segment, as it stands in a row.
struct ContentName {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

/// A segment that a row names, and how far into it.
struct SegmentUse {
  std::uint64_t segment = 0;
  std::uint64_t end = 0;
  bool operator==(const SegmentUse&) const = default;
};

/// Entries [first, first + count) of which some may be absent. `blob` is valid until the packer's next use.
struct PackedRow {
  std::uint64_t first = 0;
  std::uint32_t count = 0;
  std::uint64_t bytes = 0;  ///< of all contents
  std::uint64_t records = 0;
  std::vector<SegmentUse> segments;
  std::string_view blob;
};

/// Packs rows, one after the other. For one thread; keeps its memory from row to row.
class Packer {
 public:
  /// Appends an entry; sequences ascend. `stored`: where its content is, if not in memory.
  void add(std::uint64_t sequence, const abi::Item& item, const ContentName* stored);
  bool empty() const { return count_ == 0; }
  std::uint64_t first() const { return first_; }  ///< sequence of the first entry
  /// Time for a new row: what a reader of one entry has to read stays small.
  bool full() const { return content_.size() + items_.size() + strings_size_ >= kRowSize || count_ >= kRowEntries; }
  std::uint64_t next() const { return next_; }  ///< after the last entry
  PackedRow finish();

  static constexpr std::size_t kRowSize = 512 * 1024;
  static constexpr std::uint32_t kRowEntries = 1U << 20;

 private:
  struct String {
    const char* data;
    std::uint64_t size;
    std::uint64_t hash;
  };
  std::uint32_t string(abi::Text text);
  void grow_table();
  void attributes(const abi::Item& item);

  Encoder runs_;
  Encoder items_;
  Encoder content_;
  Encoder blob_;
  std::vector<String> strings_;
  std::vector<std::uint32_t> table_;  ///< index into strings_ plus 1, by hash; 0 is free
  std::size_t strings_size_ = 0;
  const abi::Attribute* previous_ = nullptr;
  std::vector<abi::Attribute> previous_attributes_;
  std::vector<std::uint32_t> previous_values_;  ///< numbers of the strings
  std::int64_t previous_born_ = 0;
  std::uint64_t first_ = 0;
  std::uint64_t next_ = 0;
  std::uint64_t run_ = 0;
  std::uint64_t run_count_ = 0;
  std::uint64_t count_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t records_ = 0;
  std::vector<SegmentUse> segments_;
};

/// Gives the file of a segment that a row names.
using OpenSegment = std::function<std::shared_ptr<ContentFile>(std::uint64_t segment)>;

/// Puts those entries of a row that lie in [first, first + items.size()) into items[sequence - first], copied into the
/// arena. Throws Malformed.
void unpack(std::string_view blob, std::uint64_t row_first, std::uint32_t row_count, std::uint64_t first,
            std::span<abi::Item> items, Arena& arena, const OpenSegment& open);

/// Calls `visit` for each content in a segment that a row names, and checks the whole row. Throws Malformed.
void visit_contents(std::string_view blob, std::uint64_t row_first, std::uint32_t row_count,
                    const std::function<void(std::uint64_t sequence, const ContentName&)>& visit);

std::string pack_segments(std::span<const SegmentUse> segments);
std::vector<SegmentUse> unpack_segments(std::string_view bytes);

/// An entry that is not there.
inline constexpr abi::Item kAbsent{nullptr, 0, nullptr, 0, 0, 0, 0};

}  // namespace weir::store
