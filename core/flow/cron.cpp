#include "flow/cron.h"

#include <fmt/core.h>

#include <array>
#include <bitset>
#include <charconv>
#include <chrono>
#include <optional>
#include <vector>

namespace weir::flow {

namespace {

struct FieldRange {
  std::string_view name;
  unsigned first;
  unsigned last;
  std::string_view names;  // three letters each, from `first` on
};

constexpr std::array<FieldRange, 6> kFields{{{"second", 0, 59, ""},
                                             {"minute", 0, 59, ""},
                                             {"hour", 0, 23, ""},
                                             {"day of month", 1, 31, ""},
                                             {"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
                                             {"day of week", 0, 7, "sunmontuewedthufrisat"}}};

struct Cron {
  std::array<std::bitset<64>, 6> allowed;
  bool any_day = true;      // day of month is *
  bool any_weekday = true;  // day of week is *

  bool day_matches(std::chrono::year_month_day date) const {
    const auto weekday = std::chrono::weekday(std::chrono::sys_days(date)).c_encoding();
    const bool by_day = allowed[3][static_cast<unsigned>(date.day())];
    const bool by_weekday = allowed[5][weekday];
    if (!any_day && !any_weekday) return by_day || by_weekday;
    return by_day && by_weekday;
  }
};

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const auto begin = text.find_first_not_of(separators);
    if (begin == std::string_view::npos) break;
    const auto end = std::min(text.find_first_of(separators, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
  return parts;
}

std::optional<unsigned> number(std::string_view text, const FieldRange& range) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size())
    return value >= range.first && value <= range.last ? std::optional(value) : std::nullopt;
  for (std::size_t i = 0; i + 3 <= range.names.size() && text.size() == 3; i += 3) {
    const auto name = range.names.substr(i, 3);
    bool same = true;
    for (std::size_t k = 0; k < 3; ++k) same &= (text[k] | 0x20) == name[k];
    if (same) return range.first + static_cast<unsigned>(i / 3);
  }
  return std::nullopt;
}

/// One of the parts between commas: `*`, `5`, `1-5`, `*/10`, `0-30/5`.
bool add_part(std::string_view part, const FieldRange& range, std::bitset<64>& to) {
  unsigned step = 1;
  const auto slash = part.find('/');
  if (slash != std::string_view::npos) {
    const auto text = part.substr(slash + 1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
    if (error != std::errc{} || end != text.data() + text.size() || step == 0) return false;
    part = part.substr(0, slash);
  }
  auto first = range.first;
  auto last = range.last;
  if (part != "*") {
    const auto dash = part.find('-');
    const auto from = number(part.substr(0, dash), range);
    const auto until = dash == std::string_view::npos ? from : number(part.substr(dash + 1), range);
    if (!from || !until || *from > *until) return false;
    first = *from;
    if (dash != std::string_view::npos || slash == std::string_view::npos) last = *until;
  }
  for (unsigned value = first; value <= last; value += std::min(step, 64U)) to.set(value);
  return true;
}

std::optional<Cron> parse(std::string_view text, std::string& problem) {
  const auto fields = split(text, " \t");
  if (fields.size() != 5 && fields.size() != 6) {
    problem = fmt::format("has {} fields", fields.size());
    return std::nullopt;
  }
  Cron cron;
  const std::size_t skip = 6 - fields.size();
  if (skip == 1) cron.allowed[0].set(0);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto& range = kFields[i + skip];
    const bool good_ends = !fields[i].starts_with(',') && !fields[i].ends_with(',');
    bool good = good_ends;
    for (const auto part : split(fields[i], ",")) good &= add_part(part, range, cron.allowed[i + skip]);
    if (good) continue;
    problem = fmt::format("has '{}' as {}, which is {} to {}", fields[i], range.name, range.first, range.last);
    return std::nullopt;
  }
  if (cron.allowed[5][7]) cron.allowed[5].set(0);
  cron.any_day = fields[3 - skip].starts_with('*');
  cron.any_weekday = fields[5 - skip].starts_with('*');
  return cron;
}

}  // namespace

std::string check_cron(std::string_view cron) {
  std::string problem;
  if (!parse(cron, problem)) return problem;
  return next_cron_time(std::string(cron), 0) == 0 ? "names a day that never comes" : "";
}

std::int64_t next_cron_time(const std::string& text, std::int64_t after) {
  using namespace std::chrono;
  std::string problem;
  const auto cron = parse(text, problem);
  if (!cron) return 0;
  const sys_seconds start{floor<seconds>(nanoseconds(after)) + 1s};
  constexpr int kDays = 30 * 366;
  auto day = floor<days>(start);
  for (int i = 0; i < kDays; ++i, day += days(1)) {
    const year_month_day date(day);
    if (!cron->allowed[4][static_cast<unsigned>(date.month())] || !cron->day_matches(date)) continue;
    const auto from = std::max(start, sys_seconds(day)) - day;  // time of day to begin with
    for (auto hour = duration_cast<hours>(from).count(); hour < 24; ++hour) {
      if (!cron->allowed[2][static_cast<std::size_t>(hour)]) continue;
      for (int minute = 0; minute < 60; ++minute) {
        if (!cron->allowed[1][static_cast<std::size_t>(minute)]) continue;
        if (hours(hour) + minutes(minute + 1) <= from) continue;
        for (int second = 0; second < 60; ++second) {
          const auto time = hours(hour) + minutes(minute) + seconds(second);
          if (!cron->allowed[0][static_cast<std::size_t>(second)] || time < from) continue;
          return duration_cast<nanoseconds>((day + time).time_since_epoch()).count();
        }
      }
    }
  }
  return 0;
}

}  // namespace weir::flow
