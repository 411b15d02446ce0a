#pragma once
// Sets of sequences as intervals.

#include <cstddef>
#include <string_view>
#include <vector>

#include "store/store.h"

namespace weir::store {

using Intervals = std::vector<Interval>;

/// Sorted, and those that touch joined.
Intervals normalized(Intervals intervals);

/// What of `a` lies in `b`.
Intervals intersection(const Intervals& a, const Interval& b);

/// `from` less `what`; both are normalized.
Intervals without(const Intervals& from, const Intervals& what);

/// Insertions, deletions and changes that make one text the other (Levenshtein 1966): for the nearest valid name.
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace weir::store
