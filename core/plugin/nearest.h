#pragma once
// "Did you mean …?": the known name that is closest to a mistyped one.

#include <string>
#include <string_view>
#include <vector>

namespace weir {

/// How many single-character insertions, deletions, replacements and swaps of neighbours lead from `a` to `b`
/// (optimal string alignment). Letters that differ only in case count as equal.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `name`, or nothing if none is near enough to be what was meant: at most a third of its
/// letters differ, or one starts with the other.
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace weir
