#pragma once
// Reading lineage payloads: which inputs an output came from, and which outputs an input became.

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "store/intervals.h"
#include "store/lineage.h"

namespace weir::store {

/// How a block of shape group_in goes on after its number of inputs.
inline constexpr std::uint8_t kOneGroupEach = 1;  ///< for each input the zigzag difference to the previous one's group
inline constexpr std::uint8_t kGroupIntervals = 2;  ///< for each input its intervals of groups: difference, length - 1
inline constexpr std::uint8_t kNoGroups = 3;        ///< none of them contributed to any

/// What one of the shapes none to list maps; a row of shape mixed is a sequence of these.
struct LineageBlock {
  Shape shape = Shape::none;
  std::uint64_t in_first = 0;
  std::uint64_t in_count = 0;
  std::uint64_t out_first = 0;
  std::uint64_t out_count = 0;
  std::string_view payload;
};

/// The blocks of a row of shape none to list, or mixed. Throws Malformed.
void for_each_block(const LineageRow& row, const std::function<void(const LineageBlock&)>& visit);

/// Sequences in row.in_connection that these outputs came from. Empty for group_out (see groups_of). Like all that
/// follow: ascending and apart; throws Malformed.
std::vector<Interval> parents_of(const LineageRow& row, const Interval& outputs);

/// Sequences in row.out_connection that these inputs became. Empty for group_in.
std::vector<Interval> children_of(const LineageRow& row, const Interval& inputs);

/// Those of the inputs that the row's event happened to: its range may hold others.
std::vector<Interval> concerned_inputs(const LineageRow& row, const Interval& inputs);

/// The groups that these outputs came from (group_out), or that these inputs contributed to (group_in).
std::vector<Interval> groups_of(const LineageRow& row, const Interval& sequences);

/// The inputs of a group_in row that contributed to the groups, or the outputs of a group_out row that name them.
std::vector<Interval> members_of(const LineageRow& row, const Interval& groups);

/// Lowest and highest group of a group_in or group_out row. Count 0: none.
Interval group_range(const LineageRow& row);

/// Checks that the payload holds what the row says. Throws Malformed.
void check_payload(const LineageRow& row);

}  // namespace weir::store
