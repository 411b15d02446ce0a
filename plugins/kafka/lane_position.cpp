#include "lane_position.h"

#include <charconv>

namespace weir::kafka {
namespace {

constexpr std::string_view kNothingHeld = "weir1";
constexpr std::string_view kHeld = "weir2";

std::string_view word(std::string_view& rest) {
  const auto end = rest.find(' ');
  const auto found = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return found;
}

bool read_offset(std::string_view text, std::int64_t& offset) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), offset);
  return error == std::errc{} && end == text.data() + text.size() && offset >= 0;
}

}  // namespace

std::string LanePosition::metadata() const {
  auto text = std::string(held_from == next ? kNothingHeld : kHeld) + ' ' + std::to_string(needed_from);
  if (held_from != next) text += ' ' + std::to_string(held_from);
  for (const auto& [processor, value] : kept) text += ' ' + processor + '=' + value;
  return text;
}

std::optional<LanePosition> LanePosition::read(std::int64_t next, std::string_view metadata) {
  const auto format = word(metadata);
  if (format != kNothingHeld && format != kHeld) return std::nullopt;
  LanePosition position{.next = next, .held_from = next, .needed_from = 0, .kept = {}};
  if (!read_offset(word(metadata), position.needed_from)) return std::nullopt;
  if (format == kHeld && !read_offset(word(metadata), position.held_from)) return std::nullopt;
  if (position.needed_from > position.held_from || position.held_from > next) return std::nullopt;
  while (!metadata.empty()) {
    const auto entry = word(metadata);
    const auto equals = entry.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    position.kept.emplace(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return position;
}

}  // namespace weir::kafka
