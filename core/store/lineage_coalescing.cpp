#include <algorithm>
#include <bit>
#include <cstring>

#include "store/encoding.h"
#include "store/lineage.h"
#include "store/lineage_blocks.h"

namespace weir::store {

namespace {

constexpr std::size_t kLargestPayload = 64 * 1024;
constexpr std::size_t kRowsLookedAt = 48;
/// Inputs between two ranges that may be bridged: they went elsewhere.
constexpr std::uint64_t kLargestGap = 4096;
/// Small blocks are kept as bits of one bitmap, as a block of its own takes several bytes.
constexpr std::uint64_t kSmallBlock = 256;
constexpr std::uint64_t kLargestSmallBitmap = 32 * 1024;  ///< bits

/// Appends `count` bits to those that begin at bytes[begin], of which there are `have`.
void append_bits(std::string& bytes, std::size_t begin, std::uint64_t have, std::string_view more,
                 std::uint64_t count) {
  bytes.resize(begin + (have + count + 7) / 8, '\0');
  auto* to = reinterpret_cast<std::uint8_t*>(bytes.data());
  const auto shift = have % 8;
  auto at = begin + have / 8;
  for (std::size_t i = 0; i < more.size(); ++i, ++at) {
    const auto byte = static_cast<std::uint8_t>(more[i]);
    to[at] |= static_cast<std::uint8_t>(byte << shift);
    if (shift != 0 && at + 1 < bytes.size()) to[at + 1] |= static_cast<std::uint8_t>(byte >> (8 - shift));
  }
}

/// A varint of always three bytes, so that it can be changed in place.
void put_wide(char* to, std::uint64_t value) {
  to[0] = static_cast<char>(value | 0x80);
  to[1] = static_cast<char>(value >> 7 | 0x80);
  to[2] = static_cast<char>(value >> 14 & 0x7f);
}

std::string ones(std::uint64_t count) {
  std::string bits((count + 7) / 8, '\xff');
  if (count % 8 != 0) bits.back() = static_cast<char>((1U << (count % 8)) - 1);
  return bits;
}

bool is_small(Shape shape, std::uint64_t in_count) {
  return (shape == Shape::one_to_one || shape == Shape::bitmap) && in_count <= kSmallBlock;
}

bool is_block_shape(Shape shape) {
  return shape <= Shape::list || shape == Shape::mixed;
}

void put_block(LineageRow& row, Shape shape, std::uint64_t in_count, std::uint64_t out_count,
               std::string_view payload) {
  row.last_block = static_cast<std::uint32_t>(row.payload.size());
  row.payload.push_back(static_cast<char>(shape));
  if (shape == Shape::bitmap && in_count <= kLargestSmallBitmap) {  // may grow
    row.payload.resize(row.payload.size() + 6);
    put_wide(row.payload.data() + row.last_block + 1, in_count);
    put_wide(row.payload.data() + row.last_block + 4, out_count);
  } else {
    append_varint(row.payload, in_count);
    append_varint(row.payload, out_count);
  }
  row.payload.append(payload);
}

/// Puts `gap` inputs without children and then a block of a row onto the end of a mixed row.
void append_block(LineageRow& row, std::uint64_t gap, Shape shape, std::uint64_t in_count, std::uint64_t out_count,
                  std::string_view payload) {
  Decoder last(std::string_view(row.payload).substr(row.last_block));
  const auto last_shape = static_cast<Shape>(last.byte());
  const auto last_in = last.varint();
  const auto last_out = last.varint();
  const auto replace = [&](Shape by, std::uint64_t in, std::uint64_t out, std::string_view bytes) {
    row.payload.resize(row.last_block);
    put_block(row, by, in, out, bytes);
  };
  const auto extends = gap == 0 && shape == last_shape &&
                       (shape == Shape::one_to_one || shape == Shape::none ||
                        (shape == Shape::each_k && last.bytes(last.left()) == payload));
  if (extends) return replace(shape, last_in + in_count, last_out + out_count, std::string(payload));
  if (is_small(shape, gap + in_count) && last_in + gap + in_count <= kLargestSmallBitmap) {
    if (last_shape != Shape::bitmap && is_small(last_shape, last_in)) {
      replace(Shape::bitmap, last_in, last_out, ones(last_in));
    }
    if (last_shape == Shape::bitmap || is_small(last_shape, last_in)) {
      auto* header = row.payload.data() + row.last_block + 1;
      put_wide(header, last_in + gap + in_count);
      put_wide(header + 3, last_out + out_count);
      const auto bits = shape == Shape::one_to_one ? ones(in_count) : std::string(payload);
      return append_bits(row.payload, row.last_block + 7, last_in + gap, bits, in_count);
    }
  }
  if (gap > 0) put_block(row, Shape::none, gap, 0, {});
  put_block(row, shape, in_count, out_count, payload);
}

/// Among blocks, `none` is a gap: inputs that the event did not happen to.
Shape in_blocks(const LineageRow& row) {
  return row.shape == Shape::none && row.out_connection == 0 ? Shape::one_to_one : row.shape;
}

void become_mixed(LineageRow& row) {
  if (row.shape == Shape::mixed) return;
  const auto payload = std::move(row.payload);
  row.payload.clear();
  put_block(row, in_blocks(row), row.in_count, row.out_count, payload);
  row.shape = Shape::mixed;
}

/// Whether the ranges of `next` follow those of `row`; the inputs between them are the gap.
bool adjoins(const LineageRow& row, const LineageRow& next, std::uint64_t& gap) {
  gap = 0;
  if (row.out_connection != 0 && row.out_first + row.out_count != next.out_first) return false;
  if (row.in_connection == 0 || row.shape == Shape::merge) return true;
  const auto end = row.in_first + row.in_count;
  if (next.in_first < end) return false;
  gap = next.in_first - end;
  return gap <= kLargestGap;
}

bool coalesce(LineageRow& row, LineageRow& next) {
  std::uint64_t gap = 0;
  if (row.payload.size() + next.payload.size() + 64 > kLargestPayload || !adjoins(row, next, gap)) return false;
  const auto in_end = row.in_first + row.in_count;
  if (row.shape == Shape::merge || row.shape == Shape::group_in || row.shape == Shape::group_out) {
    if (row.shape != next.shape) return false;
    if (gap > 0 && row.shape == Shape::group_in) {
      append_varint(row.payload, gap);
      row.payload.push_back(static_cast<char>(kNoGroups));
    }
    row.payload.append(next.payload);
    if (row.shape == Shape::merge && next.in_count > 0) {
      const auto lowest = row.in_count == 0 ? next.in_first : std::min(row.in_first, next.in_first);
      row.in_count = std::max(in_end, next.in_first + next.in_count) - lowest;
      row.in_first = lowest;
    } else if (row.shape == Shape::group_in) {
      row.in_count += gap + next.in_count;
    }
  } else {
    if (!is_block_shape(row.shape) || !is_block_shape(next.shape) || next.shape == Shape::mixed) return false;
    // A list is as long as its outputs are many: unknown where they were not kept.
    if (row.out_connection == 0 && (row.shape == Shape::list || next.shape == Shape::list)) return false;
    const auto same = row.shape == next.shape && gap == 0 &&
                      (row.shape <= Shape::one_to_one || (row.shape == Shape::each_k && row.payload == next.payload));
    if (!same) {
      become_mixed(row);
      append_block(row, gap, in_blocks(next), next.in_count, next.out_count, next.payload);
    }
    row.in_count += gap + next.in_count;
  }
  row.out_count += next.out_count;
  row.duration += next.duration;
  row.bytes += next.bytes;
  return true;
}

}  // namespace

void add_coalescing(std::vector<LineageRow>& rows, LineageRow&& row) {
  const auto looked_at = std::min(rows.size(), kRowsLookedAt);
  for (std::size_t back = 1; back <= looked_at; ++back) {
    auto& candidate = rows[rows.size() - back];
    if (candidate.processor != row.processor || candidate.in_connection != row.in_connection ||
        candidate.out_connection != row.out_connection || candidate.type != row.type) {
      continue;
    }
    if (candidate.transit_uri == row.transit_uri && candidate.details == row.details && coalesce(candidate, row)) {
      return;
    }
    break;
  }
  rows.push_back(std::move(row));
}

}  // namespace weir::store
