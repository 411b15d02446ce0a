#include <algorithm>
#include <bit>
#include <cstring>

#include "store/encoding.h"
#include "store/lineage.h"
#include "store/lineage_blocks.h"

namespace weir::store {

namespace {

bool is_one_to_one(std::span<const std::uint32_t> parents) {
  std::uint32_t difference = 0;
  for (std::uint32_t i = 0; i < parents.size(); ++i) difference |= parents[i] ^ i;
  return difference == 0;
}

bool is_each_k(std::span<const std::uint32_t> parents, std::uint64_t in_count, std::uint64_t k) {
  std::uint32_t difference = 0;
  const auto* next = parents.data();
  for (std::uint32_t i = 0; i < in_count; ++i) {
    for (std::uint64_t j = 0; j < k; ++j) difference |= *next++ ^ i;
  }
  return difference == 0;
}

std::string bits_of(std::span<const std::uint32_t> parents, std::uint64_t in_count) {
  std::string bits((in_count + 7) / 8, '\0');
  auto* bytes = reinterpret_cast<std::uint8_t*>(bits.data());
  for (const auto parent : parents) bytes[parent / 8] |= static_cast<std::uint8_t>(1U << (parent % 8));
  return bits;
}

/// Appends varints to a string whose room is made once.
class Varints {
 public:
  Varints(std::string& to, std::size_t most) : to_(to), begin_(to.size()) {
    to_.resize(begin_ + most * 10);
    next_ = to_.data() + begin_;
  }
  ~Varints() { to_.resize(static_cast<std::size_t>(next_ - to_.data())); }
  Varints(const Varints&) = delete;
  Varints& operator=(const Varints&) = delete;
  void add(std::uint64_t value) { next_ = write_varint(next_, value); }

 private:
  std::string& to_;
  std::size_t begin_;
  char* next_;
};

void put_list(std::string& payload, std::span<const std::uint32_t> parents) {
  // Differences of indexes: at most 5 bytes each.
  payload.resize(parents.size() * 5);
  auto* next = payload.data();
  std::int64_t previous = 0;
  for (const auto parent : parents) {
    next = write_varint(next, to_zigzag(parent - previous));
    previous = parent;
  }
  payload.resize(static_cast<std::size_t>(next - payload.data()));
}

void put_counts(std::string& payload, std::span<const std::uint32_t> parents, std::uint64_t in_count) {
  payload.resize(in_count * 5);
  auto* next = payload.data();
  std::size_t at = 0;
  for (std::uint32_t i = 0; i < in_count; ++i) {
    const auto begin = at;
    while (at < parents.size() && parents[at] == i) ++at;
    next = write_varint(next, at - begin);
  }
  payload.resize(static_cast<std::size_t>(next - payload.data()));
}

}  // namespace

void encode_parents(LineageRow& row, std::span<const std::uint32_t> parents) {
  const auto in_count = row.in_count;
  row.payload.clear();
  if (parents.empty() || in_count == 0) {
    row.shape = Shape::none;
    return;
  }
  if (parents.size() == in_count && is_one_to_one(parents)) {
    row.shape = Shape::one_to_one;
    return;
  }
  if (const auto k = parents.size() / in_count; k * in_count == parents.size() && is_each_k(parents, in_count, k)) {
    row.shape = Shape::each_k;
    append_varint(row.payload, k);
    return;
  }
  bool ascending = true;
  bool repeated = false;
  for (std::size_t i = 1; i < parents.size(); ++i) {
    ascending &= parents[i - 1] <= parents[i];
    repeated |= parents[i - 1] == parents[i];
  }
  // A list costs about a byte an output, counts a byte an input, bits an eighth of that.
  if (ascending && !repeated && in_count / 8 <= parents.size()) {
    row.shape = Shape::bitmap;
    row.payload = bits_of(parents, in_count);
  } else if (ascending && in_count <= parents.size()) {
    row.shape = Shape::counts;
    put_counts(row.payload, parents, in_count);
  } else {
    row.shape = Shape::list;
    put_list(row.payload, parents);
  }
}

void encode_merge(LineageRow& row, std::span<const std::vector<std::uint64_t>> parents) {
  row.shape = Shape::merge;
  row.payload.clear();
  std::uint64_t lowest = ~0ULL;
  std::uint64_t highest = 0;
  for (const auto& of_output : parents) {
    if (of_output.empty()) continue;
    lowest = std::min(lowest, of_output.front());
    highest = std::max(highest, of_output.back());
  }
  row.in_first = lowest > highest ? 0 : lowest;
  row.in_count = lowest > highest ? 0 : highest - lowest + 1;
  // A block: outputs, the lowest parent, and for each output its intervals, each by its distance from the previous
  // one's end and its length less one.
  append_varint(row.payload, parents.size());
  append_varint(row.payload, row.in_first);
  auto end = row.in_first;
  for (const auto& of_output : parents) {
    std::uint64_t intervals = 0;
    for (std::size_t i = 0; i < of_output.size(); ++i) {
      intervals += i == 0 || (of_output[i] != of_output[i - 1] && of_output[i] != of_output[i - 1] + 1) ? 1 : 0;
    }
    append_varint(row.payload, intervals);
    for (std::size_t i = 0; i < of_output.size();) {
      const auto first = of_output[i];
      auto last = first;
      for (++i; i < of_output.size() && of_output[i] <= last + 1; ++i) last = of_output[i];
      append_varint(row.payload, to_zigzag(static_cast<std::int64_t>(first - end)));
      append_varint(row.payload, last - first);
      end = last + 1;
    }
  }
}

void encode_group_in(LineageRow& row, std::span<const std::pair<std::uint32_t, std::uint64_t>> contributions) {
  row.shape = Shape::group_in;
  row.payload.clear();
  // A chunk FlowFile contributes to a group once for each of its records: what counts is the set.
  std::vector<std::pair<std::uint32_t, std::uint64_t>> sorted(contributions.begin(), contributions.end());
  std::erase_if(sorted, [&](const auto& each) { return each.first >= row.in_count; });
  if (!std::is_sorted(sorted.begin(), sorted.end())) std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());

  append_varint(row.payload, row.in_count);
  bool one_each = sorted.size() == row.in_count;
  for (std::size_t i = 0; one_each && i < sorted.size(); ++i) one_each = sorted[i].first == i;
  std::uint64_t previous = 0;
  if (one_each) {
    row.payload.push_back(static_cast<char>(kOneGroupEach));
    Varints varints(row.payload, sorted.size());
    for (const auto& [input, group] : sorted) {
      varints.add(to_zigzag(static_cast<std::int64_t>(group - previous)));
      previous = group;
    }
    return;
  }
  row.payload.push_back(static_cast<char>(kGroupIntervals));
  Varints varints(row.payload, 2 * sorted.size() + row.in_count);
  std::size_t at = 0;
  for (std::uint32_t input = 0; input < row.in_count; ++input) {
    const auto begin = at;
    std::uint64_t intervals = 0;
    for (; at < sorted.size() && sorted[at].first == input; ++at) {
      intervals += at == begin || sorted[at].second != sorted[at - 1].second + 1 ? 1 : 0;
    }
    varints.add(intervals);
    for (auto i = begin; i < at;) {
      const auto first = sorted[i].second;
      auto last = first;
      for (++i; i < at && sorted[i].second == last + 1; ++i) ++last;
      varints.add(to_zigzag(static_cast<std::int64_t>(first - previous)));
      varints.add(last - first);
      previous = first;
    }
  }
}

void encode_group_out(LineageRow& row, std::span<const std::uint64_t> groups) {
  row.shape = Shape::group_out;
  row.payload.clear();
  append_varint(row.payload, groups.size());
  Varints varints(row.payload, groups.size());
  std::uint64_t previous = 0;
  for (const auto group : groups) {
    varints.add(to_zigzag(static_cast<std::int64_t>(group - previous)));
    previous = group;
  }
}

}  // namespace weir::store
