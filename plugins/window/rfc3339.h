#pragma once
// Times as text.

#include <cstdint>
#include <string>

namespace weir::window {

/// Appends a time (nanoseconds since 1970) in RFC 3339, in UTC, with as many digits of the second as it has: none, 3, 6
/// or 9.
inline void append_rfc3339(std::string& to, std::int64_t time) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  constexpr std::int64_t kDay = 86'400;
  auto second = time / kSecond;
  auto fraction = time % kSecond;
  if (fraction < 0) --second, fraction += kSecond;
  auto day = second / kDay;
  auto clock = second % kDay;
  if (clock < 0) --day, clock += kDay;
  // Days to a date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (civil_from_days).
  day += 719'468;
  const auto era = (day >= 0 ? day : day - 146'096) / 146'097;
  const auto of_era = day - era * 146'097;
  const auto year_of_era = (of_era - of_era / 1460 + of_era / 36'524 - of_era / 146'096) / 365;
  const auto of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const auto shifted = (5 * of_year + 2) / 153;
  const auto month = shifted < 10 ? shifted + 3 : shifted - 9;
  const auto year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);

  const auto digits = [&](std::int64_t value, int width) {
    char text[9];
    for (int i = width; i-- > 0; value /= 10) text[i] = static_cast<char>('0' + value % 10);
    to.append(text, static_cast<std::size_t>(width));
  };
  digits(year, 4);
  to += '-';
  digits(month, 2);
  to += '-';
  digits(of_year - (153 * shifted + 2) / 5 + 1, 2);
  to += 'T';
  digits(clock / 3600, 2);
  to += ':';
  digits(clock / 60 % 60, 2);
  to += ':';
  digits(clock % 60, 2);
  if (fraction != 0) {
    to += '.';
    if (fraction % 1'000'000 == 0) {
      digits(fraction / 1'000'000, 3);
    } else if (fraction % 1000 == 0) {
      digits(fraction / 1000, 6);
    } else {
      digits(fraction, 9);
    }
  }
  to += 'Z';
}

}  // namespace weir::window
