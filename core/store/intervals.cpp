#include "store/intervals.h"

#include <algorithm>

namespace weir::store {

Intervals normalized(Intervals intervals) {
  std::sort(intervals.begin(), intervals.end(), [](const Interval& a, const Interval& b) { return a.first < b.first; });
  Intervals result;
  for (const auto& each : intervals) {
    if (!result.empty() && each.first <= result.back().first + result.back().count) {
      auto& last = result.back();
      last.count = std::max(last.first + last.count, each.first + each.count) - last.first;
    } else if (each.count > 0) {
      result.push_back(each);
    }
  }
  return result;
}

Intervals intersection(const Intervals& a, const Interval& b) {
  Intervals result;
  for (const auto& each : a) {
    const auto first = std::max(each.first, b.first);
    const auto last = std::min(each.first + each.count, b.first + b.count);
    if (first < last) result.push_back({first, last - first});
  }
  return result;
}

Intervals without(const Intervals& from, const Intervals& what) {
  Intervals result;
  auto next = what.begin();
  for (auto each : from) {
    while (next != what.end() && next->first + next->count <= each.first) ++next;
    for (auto cut = next; cut != what.end() && cut->first < each.first + each.count; ++cut) {
      if (cut->first > each.first) result.push_back({each.first, cut->first - each.first});
      const auto end = std::min(each.first + each.count, cut->first + cut->count);
      each = {end, each.first + each.count - end};
    }
    if (each.count > 0) result.push_back(each);
  }
  return result;
}

}  // namespace weir::store
