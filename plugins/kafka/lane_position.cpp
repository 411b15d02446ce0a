#include "lane_position.h"

#include <charconv>

namespace weir::kafka {
namespace {

constexpr std::string_view kFormat = "weir1 ";

std::string_view word(std::string_view& rest) {
  const auto end = rest.find(' ');
  const auto found = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return found;
}

}  // namespace

std::string LanePosition::metadata() const {
  auto text = std::string(kFormat) + std::to_string(needed_from);
  for (const auto& [processor, value] : kept) text += ' ' + processor + '=' + value;
  return text;
}

std::optional<LanePosition> LanePosition::read(std::int64_t next, std::string_view metadata) {
  if (!metadata.starts_with(kFormat)) return std::nullopt;
  metadata.remove_prefix(kFormat.size());
  LanePosition position{.next = next, .needed_from = 0, .kept = {}};
  const auto from = word(metadata);
  const auto [end, error] = std::from_chars(from.data(), from.data() + from.size(), position.needed_from);
  if (error != std::errc{} || end != from.data() + from.size() || position.needed_from < 0 ||
      position.needed_from > next)
    return std::nullopt;
  while (!metadata.empty()) {
    const auto entry = word(metadata);
    const auto equals = entry.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    position.kept.emplace(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return position;
}

}  // namespace weir::kafka
