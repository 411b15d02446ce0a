#include "flow/cron.h"

#include <array>
#include <bitset>
#include <charconv>
#include <chrono>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace weir::flow {

namespace {

struct FieldRange {
  const char* name;
  int first;
  int last;
};
constexpr std::array<FieldRange, 6> kFields{{{"second", 0, 59},
                                             {"minute", 0, 59},
                                             {"hour", 0, 23},
                                             {"day of month", 1, 31},
                                             {"month", 1, 12},
                                             {"day of week", 0, 7}}};

struct Cron {
  std::array<std::bitset<64>, 6> fields;
  bool any_day_of_month = false;
  bool any_day_of_week = false;
};

[[noreturn]] void refuse(const FieldRange& range, std::string_view text) {
  throw std::invalid_argument("cron: '" + std::string(text) + "' is no " + range.name + " (" +
                              std::to_string(range.first) + " to " + std::to_string(range.last) +
                              ", with lists 1,5, ranges 1-5 and steps */10)");
}

int number(const FieldRange& range, std::string_view text, std::string_view whole) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < range.first || value > range.last)
    refuse(range, whole);
  return value;
}

std::bitset<64> parse_field(const FieldRange& range, const std::string& text) {
  std::bitset<64> set;
  std::stringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    std::string_view rest = part;
    int step = 1;
    if (const auto slash = rest.find('/'); slash != std::string_view::npos) {
      step = number({range.name, 1, range.last}, rest.substr(slash + 1), text);
      rest = rest.substr(0, slash);
    }
    int first = range.first;
    int last = range.last;
    if (rest != "*") {
      const auto dash = rest.find('-');
      first = number(range, rest.substr(0, dash), text);
      last = dash == std::string_view::npos ? (step == 1 ? first : range.last)
                                            : number(range, rest.substr(dash + 1), text);
      if (last < first) refuse(range, text);
    }
    for (int i = first; i <= last; i += step) set.set(static_cast<std::size_t>(i));
  }
  if (set.none()) refuse(range, text);
  return set;
}

Cron parse(const std::string& expression) {
  std::stringstream stream(expression);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  if (words.size() == 5) words.insert(words.begin(), "0");
  if (words.size() != 6)
    throw std::invalid_argument(
        "cron: '" + expression + "' has " + std::to_string(words.size()) +
        " fields; expected 5 (minute hour day-of-month month day-of-week) or 6 with seconds first");
  Cron cron;
  for (std::size_t i = 0; i < 6; ++i) cron.fields[i] = parse_field(kFields[i], words[i]);
  if (cron.fields[5][7]) cron.fields[5].set(0);  // Sunday is 0 and 7
  cron.any_day_of_month = words[3] == "*";
  cron.any_day_of_week = words[5] == "*";
  return cron;
}

}  // namespace

std::int64_t next_cron_time(const std::string& expression, std::int64_t now) {
  using namespace std::chrono;
  const auto cron = parse(expression);
  const auto has = [&](std::size_t field, unsigned value) { return cron.fields[field][value]; };
  auto time = floor<seconds>(sys_time<nanoseconds>(nanoseconds(now))) + seconds(1);
  const auto give_up = time + days(366 * 8 + 1);  // longer than from one 29 February to the next
  while (time < give_up) {
    const auto day = floor<days>(time);
    const year_month_day date(day);
    const bool day_of_month = has(3, static_cast<unsigned>(date.day()));
    const bool day_of_week = has(5, weekday(day).c_encoding());
    const bool day_fits =
        cron.any_day_of_month || cron.any_day_of_week ? day_of_month && day_of_week : day_of_month || day_of_week;
    if (!has(4, static_cast<unsigned>(date.month())) || !day_fits) {
      time = day + days(1);
      continue;
    }
    const hh_mm_ss clock(time - day);
    if (!has(2, static_cast<unsigned>(clock.hours().count()))) {
      time = day + floor<hours>(time - day) + hours(1);
    } else if (!has(1, static_cast<unsigned>(clock.minutes().count()))) {
      time = day + floor<minutes>(time - day) + minutes(1);
    } else if (!has(0, static_cast<unsigned>(clock.seconds().count()))) {
      time += seconds(1);
    } else {
      return duration_cast<nanoseconds>(time.time_since_epoch()).count();
    }
  }
  throw std::invalid_argument("cron: '" + expression + "' names a date that never comes");
}

}  // namespace weir::flow
