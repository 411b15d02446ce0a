#include "store/lineage_chunk.h"

#include <algorithm>

#include "store/lineage_blocks.h"

namespace weir::store {

namespace {

// Which fields follow a row's type and shape.
constexpr std::uint8_t kHasInput = 1;
constexpr std::uint8_t kHasOutput = 2;
constexpr std::uint8_t kHasPayload = 4;
constexpr std::uint8_t kHasTexts = 8;

constexpr std::uint64_t kOutputs = 1ULL << 32;  ///< in the key of the ends of ranges: of outputs, not inputs

void widen(IndexRanges& ranges, IndexKind kind, std::uint32_t id, std::uint64_t first, std::uint64_t count) {
  if (id == 0 || count == 0) return;
  const auto [entry, is_new] = ranges.try_emplace({kind, id}, Range{first, first + count - 1});
  if (is_new) return;
  entry->second.first = std::min(entry->second.first, first);
  entry->second.last = std::max(entry->second.last, first + count - 1);
}

}  // namespace

void add_ranges(IndexRanges& ranges, const LineageRow& row) {
  widen(ranges, IndexKind::outputs, row.out_connection, row.out_first, row.out_count);
  widen(ranges, IndexKind::inputs, row.in_connection, row.in_first, row.in_count);
  if (row.shape == Shape::group_in || row.shape == Shape::group_out) {
    const auto groups = group_range(row);
    const auto kind = row.shape == Shape::group_in ? IndexKind::contributions : IndexKind::group_outputs;
    widen(ranges, kind, row.processor, groups.first, groups.count);
  }
}

std::uint64_t ChunkPacker::text_number(const std::string& text) {
  if (text.empty()) return 0;
  const auto [entry, is_new] = texts_.try_emplace(text, texts_.size() + 1);
  return entry->second;
}

void ChunkPacker::add(const LineageRow& row) {
  if (empty()) oldest_ = newest_ = row.time;
  oldest_ = std::min(oldest_, row.time);
  newest_ = std::max(newest_, row.time);
  // Without inputs there is nothing to map.
  const auto no_parents = row.in_connection == 0 && row.shape != Shape::group_out;
  const auto shape = no_parents ? Shape::none : row.shape;
  const std::string_view payload = no_parents ? std::string_view() : row.payload;
  const auto has_texts = !row.transit_uri.empty() || !row.details.empty();
  const auto fields = (row.in_connection != 0 ? kHasInput : 0) | (row.out_connection != 0 ? kHasOutput : 0) |
                      (payload.empty() ? 0 : kHasPayload) | (has_texts ? kHasTexts : 0);
  encoder_.byte(static_cast<std::uint8_t>(static_cast<unsigned>(row.type) << 4 | static_cast<unsigned>(shape)));
  encoder_.byte(static_cast<std::uint8_t>(fields));
  encoder_.varint(row.processor);
  const auto put_range = [&](std::uint64_t kind, std::uint32_t connection, std::uint64_t first, std::uint64_t count) {
    auto& end = ends_[kind | connection];
    encoder_.varint(connection);
    encoder_.zigzag(static_cast<std::int64_t>(first - end));
    encoder_.varint(count);
    end = first + count;
  };
  if (row.in_connection != 0) put_range(0, row.in_connection, row.in_first, row.in_count);
  if (row.out_connection != 0) put_range(kOutputs, row.out_connection, row.out_first, row.out_count);
  encoder_.zigzag(row.time - time_);
  time_ = row.time;
  encoder_.zigzag(row.duration);
  encoder_.varint(row.bytes);
  if (!payload.empty()) encoder_.text(payload);
  if (has_texts) {
    for (const auto* text : {&row.transit_uri, &row.details}) {
      const auto known = texts_.size();
      const auto number = text_number(*text);
      encoder_.varint(number);
      if (number > known) encoder_.text(*text);
    }
  }
  add_ranges(ranges_, row);
}

void ChunkPacker::clear() {
  encoder_.clear();
  ranges_.clear();
  texts_.clear();
  ends_.clear();
  time_ = 0;
}

std::vector<LineageRow> unpack_chunk(std::string_view packed) {
  std::vector<LineageRow> rows;
  std::vector<std::string> texts;
  std::map<std::uint64_t, std::uint64_t> ends;
  std::int64_t time = 0;
  for (Decoder in(packed); !in.at_end();) {
    auto& row = rows.emplace_back();
    const auto head = in.byte();
    row.type = static_cast<EventType>(head >> 4);
    row.shape = static_cast<Shape>(head & 0xf);
    if (row.type > EventType::replay || row.shape > Shape::mixed) throw Malformed("an event of an unknown type");
    const auto fields = in.byte();
    row.processor = static_cast<std::uint32_t>(in.varint());
    const auto get_range = [&](std::uint64_t kind, std::uint32_t& connection, std::uint64_t& first,
                               std::uint64_t& count) {
      connection = static_cast<std::uint32_t>(in.varint());
      auto& end = ends[kind | connection];
      first = end + static_cast<std::uint64_t>(in.zigzag());
      count = in.varint();
      end = first + count;
      if (end < first) throw Malformed("a range beyond 64 bits");
    };
    if ((fields & kHasInput) != 0) get_range(0, row.in_connection, row.in_first, row.in_count);
    if ((fields & kHasOutput) != 0) get_range(kOutputs, row.out_connection, row.out_first, row.out_count);
    time = static_cast<std::int64_t>(static_cast<std::uint64_t>(time) + static_cast<std::uint64_t>(in.zigzag()));
    row.time = time;
    row.duration = in.zigzag();
    row.bytes = in.varint();
    if ((fields & kHasPayload) != 0) row.payload = in.text();
    if ((fields & kHasTexts) != 0) {
      for (auto* text : {&row.transit_uri, &row.details}) {
        const auto number = in.varint();
        if (number > texts.size() + 1) throw Malformed("an unknown text");
        if (number > texts.size()) texts.emplace_back(in.text());
        if (number > 0) *text = texts[number - 1];
      }
    }
    check_payload(row);
  }
  return rows;
}

}  // namespace weir::store
