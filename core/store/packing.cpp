#include "store/packing.h"

#include <algorithm>
#include <cstring>

#include "store/content.h"

namespace weir::store {

namespace {

// What stands first in each entry: the size of its content shifted by two, and these.
constexpr std::uint64_t kStored = 1;      ///< the content is in a segment
constexpr std::uint64_t kMoreFields = 2;  ///< records is not 1 or flags are set: both follow

// What stands for an entry's attributes; beyond these, their number plus kNamesFollow and then names and values.
constexpr std::uint64_t kSameAttributes = 0;
constexpr std::uint64_t kSameNames = 1;
constexpr std::uint64_t kNamesFollow = 2;

std::uint64_t hash_of(const char* data, std::uint64_t size) {
  constexpr std::uint64_t kFactor = 0x9e3779b97f4a7c15ULL;
  auto hash = (size + 1) * kFactor;
  for (; size >= 8; size -= 8, data += 8) {
    std::uint64_t word;
    std::memcpy(&word, data, 8);
    hash = (hash ^ word) * kFactor;
    hash ^= hash >> 32;
  }
  if (size > 0) {
    std::uint64_t word = 0;
    std::memcpy(&word, data, size);
    hash = (hash ^ word) * kFactor;
  }
  return hash ^ (hash >> 29);
}

bool same(const abi::Text& a, const abi::Text& b) {
  return a.size == b.size && (a.data == b.data || a.size == 0 || std::memcmp(a.data, b.data, a.size) == 0);
}

}  // namespace

std::uint32_t Packer::string(abi::Text text) {
  if (strings_.size() * 2 >= table_.size()) grow_table();
  const auto hash = hash_of(text.data, text.size);
  const auto mask = table_.size() - 1;
  for (auto slot = hash & mask;; slot = (slot + 1) & mask) {
    const auto entry = table_[slot];
    if (entry == 0) {
      strings_.push_back({text.data, text.size, hash});
      strings_size_ += text.size;
      table_[slot] = static_cast<std::uint32_t>(strings_.size());
      return static_cast<std::uint32_t>(strings_.size() - 1);
    }
    const auto& known = strings_[entry - 1];
    if (known.hash == hash && same({known.data, known.size}, text)) return entry - 1;
  }
}

void Packer::grow_table() {
  table_.assign(std::max<std::size_t>(64, table_.size() * 2), 0);
  const auto mask = table_.size() - 1;
  for (std::uint32_t i = 0; i < strings_.size(); ++i) {
    auto slot = strings_[i].hash & mask;
    while (table_[slot] != 0) slot = (slot + 1) & mask;
    table_[slot] = i + 1;
  }
}

void Packer::attributes(const abi::Item& item) {
  const auto count = item.attribute_count;
  const auto same_count = count == previous_attributes_.size();
  // Entries made from one parent share its attributes: a comparison of two pointers.
  if (same_count && (count == 0 || item.attributes == previous_)) return items_.byte(kSameAttributes);
  previous_ = item.attributes;
  const std::span<const abi::Attribute> now(item.attributes, count);
  const auto same_names =
      same_count && std::equal(now.begin(), now.end(), previous_attributes_.begin(),
                               [](const abi::Attribute& a, const abi::Attribute& b) { return same(a.name, b.name); });
  if (!same_names) {
    items_.varint(count + kNamesFollow);
    previous_attributes_.resize(count);
    previous_values_.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      previous_attributes_[i] = now[i];
      previous_values_[i] = string(now[i].value);
      items_.varint(string(now[i].name));
      items_.varint(previous_values_[i]);
    }
    return;
  }
  bool changed = false;
  for (std::size_t i = 0; i < count; ++i) {
    if (same(now[i].value, previous_attributes_[i].value)) continue;
    previous_attributes_[i].value = now[i].value;
    previous_values_[i] = string(now[i].value);
    changed = true;
  }
  if (!changed) return items_.byte(kSameAttributes);
  items_.byte(kSameNames);
  for (const auto value : previous_values_) items_.varint(value);
}

void Packer::add(std::uint64_t sequence, const abi::Item& item, const ContentName* stored) {
  if (count_ == 0) {
    first_ = sequence;
    next_ = sequence;
  }
  if (sequence != next_) {
    runs_.varint(run_);
    runs_.varint(sequence - next_);
    ++run_count_;
    run_ = 0;
  }
  ++run_;
  ++count_;
  next_ = sequence + 1;
  bytes_ += item.size;
  records_ += item.records;

  const auto flags = static_cast<std::uint16_t>(item.flags & ~abi::kExternal);
  const auto more = item.records != 1 || flags != 0;
  items_.varint(item.size << 2 | (more ? kMoreFields : 0) | (stored != nullptr ? kStored : 0));
  items_.zigzag(item.born - previous_born_);
  previous_born_ = item.born;
  if (more) {
    items_.varint(item.records);
    items_.varint(flags);
  }
  if (stored != nullptr) {
    items_.varint(stored->segment);
    items_.varint(stored->offset);
    const auto end = stored->offset + stored->size;
    const auto known = std::find_if(segments_.begin(), segments_.end(),
                                    [&](const SegmentUse& use) { return use.segment == stored->segment; });
    if (known == segments_.end()) {
      segments_.push_back({stored->segment, end});
    } else {
      known->end = std::max(known->end, end);
    }
  } else if (item.size > 0) {
    content_.bytes({item.data, item.size});
  }
  attributes(item);
}

PackedRow Packer::finish() {
  blob_.clear();
  blob_.varint(run_count_);
  blob_.bytes(runs_.view());
  blob_.varint(run_);
  blob_.varint(strings_.size());
  for (const auto& string : strings_) blob_.varint(string.size);
  for (const auto& string : strings_) blob_.bytes({string.data, string.size});
  blob_.varint(items_.size());
  blob_.bytes(items_.view());
  blob_.bytes(content_.view());
  PackedRow row{first_,      static_cast<std::uint32_t>(next_ - first_), bytes_, records_, std::move(segments_),
                blob_.view()};
  runs_.clear();
  items_.clear();
  content_.clear();
  strings_.clear();
  std::fill(table_.begin(), table_.end(), 0);
  strings_size_ = 0;
  previous_ = nullptr;
  previous_attributes_.clear();
  previous_values_.clear();
  previous_born_ = 0;
  run_ = run_count_ = count_ = bytes_ = records_ = 0;
  segments_.clear();
  return row;
}

namespace {

struct Entry {
  std::uint64_t sequence = 0;
  std::uint64_t size = 0;
  std::int64_t born = 0;
  std::uint64_t records = 1;
  std::uint64_t flags = 0;
  bool is_stored = false;
  ContentName stored;
  std::uint64_t content_offset = 0;  ///< in the row's content
};

/// Walks a row. The attributes of the entry just read are in names and values; `attributes_changed` says whether
/// they differ from the previous entry's.
class RowReader {
 public:
  RowReader(std::string_view blob, std::uint64_t row_first, std::uint32_t row_count)
      : next_(row_first), end_(row_first + row_count), items_({}) {
    Decoder in(blob);
    const auto runs = in.count(2);
    for (std::uint64_t i = 0; i < runs; ++i) {
      const auto present = in.varint();
      runs_.push_back({present, in.varint()});
    }
    runs_.push_back({in.varint(), 0});
    strings.resize(in.count());
    for (auto& string : strings) string = std::string_view(blob.data(), in.varint());
    for (auto& string : strings) string = in.bytes(string.size());
    items_ = Decoder(in.bytes(in.varint()));
    content = in.bytes(in.left());
  }

  bool next(Entry& entry) {
    while (run_ < runs_.size() && runs_[run_].present == 0) {
      next_ += runs_[run_].gap;
      if (runs_[run_].gap > end_ || next_ > end_) throw Malformed("a gap beyond the end");
      ++run_;
    }
    if (run_ == runs_.size()) {
      if (next_ != end_ || !items_.at_end() || content_offset_ != content.size()) {
        throw Malformed("not as many entries as the row says");
      }
      return false;
    }
    --runs_[run_].present;
    if (next_ >= end_) throw Malformed("more entries than the row says");
    entry.sequence = next_++;
    const auto head = items_.varint();
    entry.size = head >> 2;
    born_ = static_cast<std::int64_t>(static_cast<std::uint64_t>(born_) + static_cast<std::uint64_t>(items_.zigzag()));
    entry.born = born_;
    entry.records = 1;
    entry.flags = 0;
    if ((head & kMoreFields) != 0) {
      entry.records = items_.varint();
      entry.flags = items_.varint();
    }
    entry.is_stored = (head & kStored) != 0;
    if (entry.is_stored) {
      const auto segment = items_.varint();
      entry.stored = {segment, items_.varint(), entry.size};
    } else {
      entry.content_offset = content_offset_;
      if (entry.size > content.size() - content_offset_) throw Malformed("content beyond the end");
      content_offset_ += entry.size;
    }
    read_attributes();
    return true;
  }

  std::vector<std::string_view> strings;
  std::vector<std::uint32_t> names;   ///< numbers of strings
  std::vector<std::uint32_t> values;  ///< numbers of strings
  bool attributes_changed = true;
  std::string_view content;

 private:
  struct Run {
    std::uint64_t present;
    std::uint64_t gap;
  };
  std::uint32_t string_number() {
    const auto number = items_.varint();
    if (number >= strings.size()) throw Malformed("an unknown string");
    return static_cast<std::uint32_t>(number);
  }
  void read_attributes() {
    const auto how = items_.varint();
    attributes_changed = how != kSameAttributes;
    if (how == kSameAttributes) return;
    if (how != kSameNames) {
      const auto count = how - kNamesFollow;
      if (count > items_.left() || count > 0xffff) throw Malformed("too many attributes");
      names.resize(count);
      values.resize(count);
      for (std::size_t i = 0; i < count; ++i) {
        names[i] = string_number();
        values[i] = string_number();
      }
      return;
    }
    for (auto& value : values) value = string_number();
  }

  std::uint64_t next_;
  std::uint64_t end_;
  Decoder items_;
  std::vector<Run> runs_;
  std::size_t run_ = 0;
  std::int64_t born_ = 0;
  std::uint64_t content_offset_ = 0;
};

}  // namespace

void unpack(std::string_view blob, std::uint64_t row_first, std::uint32_t row_count, std::uint64_t first,
            std::span<abi::Item> items, Arena& arena, const OpenSegment& open) {
  RowReader row(blob, row_first, row_count);
  const auto last = first + items.size();
  std::vector<abi::Text> copied(row.strings.size(), abi::Text{nullptr, 0});
  std::vector<std::pair<abi::Item*, std::uint64_t>> in_row;  // and where in the row's content
  const auto text = [&](std::uint32_t number) {
    auto& copy = copied[number];
    if (copy.data == nullptr) copy = arena.copy(row.strings[number]);
    return copy;
  };
  const abi::Attribute* attributes = nullptr;
  std::size_t attribute_count = 0;
  bool changed = true;
  Entry entry;
  while (row.next(entry)) {
    changed = changed || row.attributes_changed;
    if (entry.sequence < first) continue;
    if (entry.sequence >= last) break;
    if (changed) {
      attribute_count = row.names.size();
      auto* list = reinterpret_cast<abi::Attribute*>(
          arena.allocate(attribute_count * sizeof(abi::Attribute), alignof(abi::Attribute)));
      for (std::size_t i = 0; i < attribute_count; ++i) list[i] = {text(row.names[i]), text(row.values[i])};
      attributes = attribute_count == 0 ? nullptr : list;
      changed = false;
    }
    auto& item = items[entry.sequence - first];
    item.size = entry.size;
    item.attributes = attributes;
    item.attribute_count = static_cast<std::uint16_t>(attribute_count);
    item.born = entry.born;
    item.records = static_cast<std::uint32_t>(entry.records);
    item.flags = static_cast<std::uint16_t>(entry.flags);
    if (entry.is_stored) {
      const auto* external = arena.add({open(entry.stored.segment), entry.stored.offset, entry.stored.size});
      item.data = reinterpret_cast<const char*>(external);
      item.flags |= abi::kExternal;
    } else {
      in_row.emplace_back(&item, entry.content_offset);
    }
  }
  if (in_row.empty()) return;
  // The contents asked for stand one after the other: one copy.
  const auto begin = in_row.front().second;
  const auto end = in_row.back().second + in_row.back().first->size;
  const auto copy = arena.copy(row.content.substr(begin, end - begin));
  for (auto& [item, offset] : in_row) item->data = copy.data + (offset - begin);
}

void visit_contents(std::string_view blob, std::uint64_t row_first, std::uint32_t row_count,
                    const std::function<void(std::uint64_t sequence, const ContentName&)>& visit) {
  RowReader row(blob, row_first, row_count);
  Entry entry;
  while (row.next(entry)) {
    if (entry.is_stored) visit(entry.sequence, entry.stored);
  }
}

std::string pack_segments(std::span<const SegmentUse> segments) {
  std::string bytes;
  for (const auto& use : segments) {
    append_varint(bytes, use.segment);
    append_varint(bytes, use.end);
  }
  return bytes;
}

std::vector<SegmentUse> unpack_segments(std::string_view bytes) {
  std::vector<SegmentUse> segments;
  for (Decoder in(bytes); !in.at_end();) {
    const auto segment = in.varint();
    segments.push_back({segment, in.varint()});
  }
  return segments;
}

}  // namespace weir::store
