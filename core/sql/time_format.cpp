#include "sql/time_format.h"

// GCC 12 cannot see that date.h sets its seconds before it reads them.
#ifndef __clang__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <date/date.h>
#ifndef __clang__
#pragma GCC diagnostic pop
#endif

#include <chrono>
#include <cmath>
#include <sstream>
#include <stdexcept>

namespace weir::sql {

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr double kRange = 9.2e18;  // of 64 bits of nanoseconds

/// `count` digits at `at`; negative if they are not all digits.
int digits(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return -1;
  int value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

/// Days since 1970 of a date of the Gregorian calendar: Howard Hinnant's days_from_civil.
std::int64_t days_of(int year, int month, int day) {
  const std::int64_t y = month <= 2 ? year - 1 : year;
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  const std::int64_t year_of_era = y - era * 400;
  const std::int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const std::int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

bool from_seconds(std::int64_t seconds, std::int64_t fraction, std::int64_t& nanoseconds) {
  return !__builtin_mul_overflow(seconds, kSecond, &nanoseconds) &&
         !__builtin_add_overflow(nanoseconds, fraction, &nanoseconds);
}

}  // namespace

bool parse_rfc3339(std::string_view text, std::int64_t& nanoseconds) {
  const int year = digits(text, 0, 4);
  const int month = digits(text, 5, 2);
  const int day = digits(text, 8, 2);
  if (year < 0 || month < 1 || month > 12 || day < 1 || text[4] != '-' || text[7] != '-') return false;
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  if (day > kDays[month - 1] + (leap && month == 2 ? 1 : 0)) return false;
  auto seconds = days_of(year, month, day) * 86400;
  if (text.size() == 10) return from_seconds(seconds, 0, nanoseconds);
  if (text[10] != 'T' && text[10] != 't' && text[10] != ' ') return false;
  const int hour = digits(text, 11, 2);
  const int minute = digits(text, 14, 2);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || text[13] != ':') return false;
  seconds += hour * 3600 + minute * 60;
  std::size_t at = 16;
  std::int64_t fraction = 0;
  if (at < text.size() && text[at] == ':') {
    const int second = digits(text, 17, 2);
    if (second < 0 || second > 60) return false;  // a leap second counts as the next one
    seconds += second;
    at = 19;
    if (at < text.size() && (text[at] == '.' || text[at] == ',')) {
      std::int64_t scale = kSecond / 10;
      const auto first = ++at;
      for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, scale /= 10) {
        fraction += (text[at] - '0') * scale;
      }
      if (at == first) return false;
    }
  }
  if (at == text.size()) return from_seconds(seconds, fraction, nanoseconds);
  if (text[at] == 'Z' || text[at] == 'z') return at + 1 == text.size() && from_seconds(seconds, fraction, nanoseconds);
  if (text[at] != '+' && text[at] != '-') return false;
  const bool colon = at + 3 < text.size() && text[at + 3] == ':';
  const int zone_hours = digits(text, at + 1, 2);
  const int zone_minutes = digits(text, at + (colon ? 4 : 3), 2);
  if (zone_hours < 0 || zone_hours > 23 || zone_minutes < 0 || zone_minutes > 59) return false;
  if (text.size() != at + (colon ? 6 : 5)) return false;
  const int zone = zone_hours * 3600 + zone_minutes * 60;
  return from_seconds(text[at] == '+' ? seconds - zone : seconds + zone, fraction, nanoseconds);
}

bool scale_time(std::int64_t value, std::int64_t unit, std::int64_t& nanoseconds) {
  return !__builtin_mul_overflow(value, unit, &nanoseconds);
}

bool scale_time(double value, std::int64_t unit, std::int64_t& nanoseconds) {
  // In two parts: seconds as a double lose nanoseconds that the double itself has.
  const double whole = std::floor(value);
  if (!(std::fabs(whole) * static_cast<double>(unit) < kRange)) return false;
  nanoseconds = static_cast<std::int64_t>(whole) * unit +
                static_cast<std::int64_t>(std::llround((value - whole) * static_cast<double>(unit)));
  return true;
}

namespace {

std::int64_t unit_by_size(double magnitude) {
  if (magnitude < 1e11) return kSecond;
  if (magnitude < 1e14) return 1'000'000;
  if (magnitude < 1e17) return 1'000;
  return 1;
}

}  // namespace

bool unix_time(std::int64_t value, std::int64_t& nanoseconds) {
  return scale_time(value, unit_by_size(std::fabs(static_cast<double>(value))), nanoseconds);
}

bool unix_time(double value, std::int64_t& nanoseconds) {
  return scale_time(value, unit_by_size(std::fabs(value)), nanoseconds);
}

void format_iso(std::int64_t nanoseconds, char* to) {
  constexpr std::int64_t kDay = 86'400'000;
  auto milliseconds = nanoseconds / 1'000'000 - (nanoseconds % 1'000'000 < 0 ? 1 : 0);
  auto days = milliseconds / kDay - (milliseconds % kDay < 0 ? 1 : 0);
  auto rest = milliseconds - days * kDay;
  // Howard Hinnant's civil_from_days.
  days += 719468;
  const std::int64_t era = days / 146097;  // years 1677 to 2262: never negative
  const std::int64_t day_of_era = days - era * 146097;
  const std::int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted = (5 * day_of_year + 2) / 153;
  const std::int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
  const auto put = [&to](std::int64_t value, int width, char behind) {
    for (int i = width - 1; i >= 0; --i, value /= 10) to[i] = static_cast<char>('0' + value % 10);
    to[width] = behind;
    to += width + 1;
  };
  put(year_of_era + era * 400 + (month <= 2 ? 1 : 0), 4, '-');
  put(month, 2, '-');
  put(day_of_year - (153 * shifted + 2) / 5 + 1, 2, 'T');
  put(rest / 3'600'000, 2, ':');
  put(rest / 60'000 % 60, 2, ':');
  put(rest / 1000 % 60, 2, '.');
  put(rest % 1000, 3, 'Z');
}

TimeFormat::TimeFormat(const std::string& format) : name_(format.empty() ? "rfc3339" : format) {
  rfc3339_ = name_ == "rfc3339";
  if (name_ == "unix_s") nanoseconds_ = kSecond;
  if (name_ == "unix_ms") nanoseconds_ = 1'000'000;
  if (name_ == "unix_us") nanoseconds_ = 1'000;
  if (name_ == "unix_ns") nanoseconds_ = 1;
  if (rfc3339_ || is_unix()) return;
  if (name_.find('%') == std::string::npos) {
    throw std::invalid_argument("time format '" + name_ +
                                "' is none of unix_s, unix_ms, unix_us, unix_ns, rfc3339, and no strptime format");
  }
  if (name_.find("%z") == std::string::npos && name_.find("%Ez") == std::string::npos && !name_.ends_with('Z')) {
    throw std::invalid_argument("time format '" + name_ + "' has no zone: add %z, or end it in a literal Z for UTC");
  }
}

bool TimeFormat::parse(std::string_view text, std::int64_t& nanoseconds) const {
  if (rfc3339_) return parse_rfc3339(text, nanoseconds);
  std::istringstream in{std::string(text)};
  in.imbue(std::locale::classic());
  date::sys_time<std::chrono::nanoseconds> time;
  in >> date::parse(name_, time);
  if (in.fail() || in.peek() != std::istringstream::traits_type::eof()) return false;
  // Outside the years that 64 bits of nanoseconds hold, date's arithmetic has wrapped.
  nanoseconds = time.time_since_epoch().count();
  return true;
}

}  // namespace weir::sql
