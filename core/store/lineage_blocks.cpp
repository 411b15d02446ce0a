#include "store/lineage_blocks.h"

#include <algorithm>
#include <bit>

#include "store/encoding.h"

namespace weir::store {

namespace {

void add(std::vector<Interval>& intervals, std::uint64_t first, std::uint64_t count = 1) {
  if (count == 0) return;
  if (!intervals.empty() && intervals.back().first + intervals.back().count == first) {
    intervals.back().count += count;
  } else {
    intervals.push_back({first, count});
  }
}

bool bit(std::string_view bits, std::uint64_t index) {
  return (static_cast<unsigned>(static_cast<std::uint8_t>(bits[index / 8])) >> (index % 8) & 1U) != 0;
}

std::uint64_t set_bits_before(std::string_view bits, std::uint64_t index) {
  std::uint64_t count = 0;
  for (std::uint64_t i = 0; i < index / 8; ++i) {
    count += static_cast<unsigned>(std::popcount(static_cast<std::uint8_t>(bits[i])));
  }
  for (auto i = index / 8 * 8; i < index; ++i) count += bit(bits, i) ? 1 : 0;
  return count;
}

/// What of a payload belongs to a block of this shape.
std::string_view take_payload(Decoder& in, const LineageBlock& block) {
  const auto* begin = in.bytes(0).data();
  switch (block.shape) {
    case Shape::none:
    case Shape::one_to_one:
      break;
    case Shape::each_k:
      in.varint();
      break;
    case Shape::counts:
      for (std::uint64_t i = 0; i < block.in_count; ++i) in.varint();
      break;
    case Shape::bitmap:
      in.bytes(block.in_count / 8 + (block.in_count % 8 != 0 ? 1 : 0));
      break;
    case Shape::list:
      for (std::uint64_t i = 0; i < block.out_count; ++i) in.varint();
      break;
    default:
      throw Malformed("a block of an unknown shape");
  }
  return {begin, static_cast<std::size_t>(in.bytes(0).data() - begin)};
}

/// Calls visit(input index, output index, outputs) for each input of counts, bitmap or list that has some; a list's one
/// by one, in the order of the outputs.
template <typename Visit>
void for_each_child(const LineageBlock& block, Visit visit) {
  Decoder in(block.payload);
  if (block.shape == Shape::counts) {
    for (std::uint64_t i = 0, output = 0; i < block.in_count; ++i) {
      const auto count = in.varint();
      if (count > 0) visit(i, output, count);
      output += count;
    }
  } else if (block.shape == Shape::bitmap) {
    for (std::uint64_t i = 0, output = 0; i < block.in_count; ++i) {
      if (i % 8 == 0 && block.payload[i / 8] == 0) {
        i += 7;
      } else if (bit(block.payload, i)) {
        visit(i, output++, 1);
      }
    }
  } else if (block.shape == Shape::list) {
    std::uint64_t parent = 0;
    for (std::uint64_t i = 0; !in.at_end(); ++i) {
      parent += static_cast<std::uint64_t>(in.zigzag());
      visit(parent, i, 1);
    }
  }
}

/// The part of a range that lies in [first, first + count), as indexes; count 0: nothing.
Interval overlap(const Interval& range, std::uint64_t first, std::uint64_t count) {
  const auto begin = std::max(range.first, first);
  const auto end = std::min(range.first + range.count, first + count);
  return begin < end ? Interval{begin - first, end - begin} : Interval{};
}

void parents_in(const LineageBlock& block, const Interval& outputs, std::vector<Interval>& parents) {
  if (block.shape == Shape::one_to_one) return add(parents, block.in_first + outputs.first, outputs.count);
  if (block.shape == Shape::each_k) {
    const auto k = std::max<std::uint64_t>(1, Decoder(block.payload).varint());
    const auto first = outputs.first / k;
    return add(parents, block.in_first + first, (outputs.first + outputs.count - 1) / k - first + 1);
  }
  for_each_child(block, [&](std::uint64_t input, std::uint64_t output, std::uint64_t count) {
    if (overlap(outputs, output, count).count > 0) add(parents, block.in_first + input);
  });
}

void children_in(const LineageBlock& block, const Interval& inputs, std::vector<Interval>& children) {
  if (block.shape == Shape::one_to_one) return add(children, block.out_first + inputs.first, inputs.count);
  if (block.shape == Shape::each_k) {
    const auto k = Decoder(block.payload).varint();
    return add(children, block.out_first + inputs.first * k, inputs.count * k);
  }
  for_each_child(block, [&](std::uint64_t input, std::uint64_t output, std::uint64_t count) {
    if (input >= inputs.first && input - inputs.first < inputs.count) add(children, block.out_first + output, count);
  });
}

/// Calls visit(output index, intervals) for each output of a merge row.
template <typename Visit>
void for_each_merged(const LineageRow& row, Visit visit) {
  std::vector<Interval> parents;
  std::uint64_t output = 0;
  for (Decoder in(row.payload); !in.at_end();) {
    auto left = in.varint();
    auto end = in.varint();
    for (; left > 0; --left, ++output) {
      parents.clear();
      for (auto intervals = in.count(2); intervals > 0; --intervals) {
        const auto first = end + static_cast<std::uint64_t>(in.zigzag());
        const auto count = in.varint() + 1;
        parents.push_back({first, count});
        end = first + count;
      }
      visit(output, parents);
    }
  }
}

/// Calls visit(index of the input or output, first group, count) for each of a row's groups.
template <typename Visit>
void for_each_group(const LineageRow& row, Visit visit) {
  std::uint64_t index = 0;
  for (Decoder in(row.payload); !in.at_end();) {
    auto left = in.varint();
    const auto how = row.shape == Shape::group_in ? in.byte() : kOneGroupEach;
    std::uint64_t group = 0;
    if (how == kNoGroups) {
      index += left;
      continue;
    }
    if (how != kOneGroupEach && how != kGroupIntervals) throw Malformed("groups of an unknown kind");
    if (left > in.left()) throw Malformed("more groups than there is room for");
    for (; left > 0; --left, ++index) {
      auto intervals = how == kOneGroupEach ? 1 : in.count(2);
      for (; intervals > 0; --intervals) {
        group += static_cast<std::uint64_t>(in.zigzag());
        visit(index, group, how == kOneGroupEach ? 1 : in.varint() + 1);
      }
    }
  }
}

/// A list of what ended at an auto-terminated relationship, as Weir once wrote it: its outputs went nowhere and are not
/// counted, so it is as long as its payload.
void check_ended_list(const LineageRow& row) {
  std::uint64_t parent = 0;
  for (Decoder in(row.payload); !in.at_end();) {
    parent += static_cast<std::uint64_t>(in.zigzag());
    if (parent >= row.in_count) throw Malformed("a list names parents beyond its range");
  }
}

}  // namespace

void for_each_block(const LineageRow& row, const std::function<void(const LineageBlock&)>& visit) {
  if (row.shape != Shape::mixed) {
    return visit({row.shape, row.in_first, row.in_count, row.out_first, row.out_count, row.payload});
  }
  LineageBlock block;
  auto next_in = row.in_first;
  auto next_out = row.out_first;
  for (Decoder in(row.payload); !in.at_end();) {
    block.shape = static_cast<Shape>(in.byte());
    block.in_first = next_in;
    block.out_first = next_out;
    block.in_count = in.varint();
    block.out_count = in.varint();
    block.payload = take_payload(in, block);
    next_in += block.in_count;
    next_out += block.out_count;
    visit(block);
  }
}

std::vector<Interval> parents_of(const LineageRow& row, const Interval& outputs) {
  std::vector<Interval> parents;
  const auto asked = overlap(outputs, row.out_first, row.out_count);
  if (asked.count == 0 || row.in_connection == 0) return parents;
  if (row.shape == Shape::merge) {
    for_each_merged(row, [&](std::uint64_t index, const std::vector<Interval>& of_output) {
      if (index >= asked.first && index - asked.first < asked.count) {
        for (const auto& each : of_output) add(parents, each.first, each.count);
      }
    });
  } else if (row.shape != Shape::group_in && row.shape != Shape::group_out) {
    for_each_block(row, [&](const LineageBlock& block) {
      const auto here = overlap(outputs, block.out_first, block.out_count);
      if (here.count > 0) parents_in(block, here, parents);
    });
  }
  return normalized(std::move(parents));
}

std::vector<Interval> children_of(const LineageRow& row, const Interval& inputs) {
  std::vector<Interval> children;
  if (overlap(inputs, row.in_first, row.in_count).count == 0 || row.out_connection == 0) return children;
  if (row.shape == Shape::merge) {
    for_each_merged(row, [&](std::uint64_t index, const std::vector<Interval>& parents) {
      const auto is_parent = [&](const Interval& each) { return overlap(inputs, each.first, each.count).count > 0; };
      if (std::any_of(parents.begin(), parents.end(), is_parent)) add(children, row.out_first + index);
    });
  } else if (row.shape != Shape::group_in && row.shape != Shape::group_out) {
    for_each_block(row, [&](const LineageBlock& block) {
      const auto here = overlap(inputs, block.in_first, block.in_count);
      if (here.count > 0) children_in(block, here, children);
    });
  }
  return normalized(std::move(children));
}

std::vector<Interval> concerned_inputs(const LineageRow& row, const Interval& inputs) {
  std::vector<Interval> concerned;
  const auto asked = overlap(inputs, row.in_first, row.in_count);
  if (asked.count == 0) return concerned;
  const auto keep = [&](std::uint64_t first, std::uint64_t count) {
    const auto part = overlap(inputs, first, count);
    add(concerned, first + part.first, part.count);
  };
  if (row.shape == Shape::group_in) {
    for_each_group(row, [&](std::uint64_t index, std::uint64_t, std::uint64_t) { keep(row.in_first + index, 1); });
  } else if (row.shape == Shape::merge) {
    for_each_merged(row, [&](std::uint64_t, const std::vector<Interval>& parents) {
      for (const auto& each : parents) keep(each.first, each.count);
    });
  } else {
    for_each_block(row, [&](const LineageBlock& block) {
      if (block.shape == Shape::one_to_one || block.shape == Shape::each_k ||
          (block.shape == Shape::none && row.shape == Shape::none)) {
        return keep(block.in_first, block.in_count);
      }
      for_each_child(block,
                     [&](std::uint64_t input, std::uint64_t, std::uint64_t) { keep(block.in_first + input, 1); });
    });
  }
  return normalized(std::move(concerned));
}

std::vector<Interval> groups_of(const LineageRow& row, const Interval& sequences) {
  std::vector<Interval> groups;
  if (row.shape != Shape::group_in && row.shape != Shape::group_out) return groups;
  const auto first = row.shape == Shape::group_in ? row.in_first : row.out_first;
  for_each_group(row, [&](std::uint64_t index, std::uint64_t group, std::uint64_t count) {
    if (overlap(sequences, first + index, 1).count > 0) groups.push_back({group, count});
  });
  return normalized(std::move(groups));
}

std::vector<Interval> members_of(const LineageRow& row, const Interval& groups) {
  std::vector<Interval> members;
  if (row.shape != Shape::group_in && row.shape != Shape::group_out) return members;
  const auto first = row.shape == Shape::group_in ? row.in_first : row.out_first;
  for_each_group(row, [&](std::uint64_t index, std::uint64_t begin, std::uint64_t count) {
    if (overlap(groups, begin, count).count > 0) add(members, first + index);
  });
  return normalized(std::move(members));
}

Interval group_range(const LineageRow& row) {
  std::uint64_t lowest = ~0ULL;
  std::uint64_t highest = 0;
  for_each_group(row, [&](std::uint64_t, std::uint64_t group, std::uint64_t count) {
    lowest = std::min(lowest, group);
    highest = std::max(highest, group + count - 1);
  });
  return lowest > highest ? Interval{} : Interval{lowest, highest - lowest + 1};
}

void check_payload(const LineageRow& row) {
  std::uint64_t ins = 0;
  std::uint64_t outs = 0;
  if (row.shape == Shape::merge) {
    for_each_merged(row, [&](std::uint64_t, const std::vector<Interval>& parents) {
      ++outs;
      for (const auto& each : parents) {
        if (each.first < row.in_first || each.first + each.count > row.in_first + row.in_count) {
          throw Malformed("a merge names parents beyond its range");
        }
      }
    });
    // Outputs that no connection took are not counted (see check_ended_list).
    if (row.out_connection != 0 && outs != row.out_count) {
      throw Malformed("a merge has not as many outputs as it says");
    }
    return;
  }
  if (row.shape == Shape::group_in || row.shape == Shape::group_out) {
    std::uint64_t most = 0;
    for_each_group(row, [&](std::uint64_t index, std::uint64_t, std::uint64_t) { most = std::max(most, index + 1); });
    if (most > (row.shape == Shape::group_in ? row.in_count : row.out_count)) throw Malformed("groups of nobody");
    return;
  }
  if (row.shape == Shape::list && row.out_connection == 0) return check_ended_list(row);
  for_each_block(row, [&](const LineageBlock& block) {
    ins += block.in_count;
    outs += block.out_count;
    Decoder in(block.payload);
    static_cast<void>(take_payload(in, block));
    if (!in.at_end()) throw Malformed("a payload is longer than its shape");
    if (row.out_connection == 0) return;
    std::uint64_t children = block.out_count;
    in = Decoder(block.payload);
    if (block.shape == Shape::one_to_one) children = block.in_count;
    if (block.shape == Shape::each_k) children = block.in_count * in.varint();
    if (block.shape == Shape::bitmap) children = set_bits_before(block.payload, block.in_count);
    if (block.shape == Shape::counts) {
      children = 0;
      for (std::uint64_t i = 0; i < block.in_count; ++i) children += in.varint();
    }
    if (children != block.out_count) throw Malformed("a shape has not as many outputs as its row");
  });
  if (row.shape == Shape::mixed && (ins != row.in_count || outs != row.out_count)) {
    throw Malformed("blocks that do not add up");
  }
}

}  // namespace weir::store
