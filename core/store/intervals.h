#pragma once
// Sets of sequences as intervals.

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

}  // namespace weir::store
