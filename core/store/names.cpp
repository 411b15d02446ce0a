#include "store/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

namespace weir::store {

namespace {

/// Insertions, deletions and changes that make one text the other (Levenshtein 1966).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::string unknown_name(std::string_view what, std::string_view name, const std::vector<std::string>& known) {
  std::string_view nearest;
  auto distance = std::numeric_limits<std::size_t>::max();
  for (const auto& each : known) {
    const auto of_each = edit_distance(name, each);
    if (of_each >= distance) continue;
    distance = of_each;
    nearest = each;
  }
  return fmt::format("there is no {} \"{}\" in this data directory{}", what, name,
                     nearest.empty() ? "" : fmt::format(": did you mean \"{}\"?", nearest));
}

std::string_view lane_of(std::string_view name) {
  const auto topic = name.find('@');
  const auto slash = name.find('/');
  if (topic == 0 || topic == std::string_view::npos || slash == std::string_view::npos || slash < topic) return {};
  return name.substr(0, name.find('/', slash + 1));
}

std::string name_in_flow(std::string_view name) {
  const auto lane = lane_of(name);
  if (lane.empty()) return std::string(name);
  return std::string(name.substr(0, name.find('@'))).append(name.substr(lane.size()));
}

}  // namespace weir::store
