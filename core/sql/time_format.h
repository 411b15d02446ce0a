#pragma once
// Points in time as records write them; inside, nanoseconds since 1970 (UTC, no leap seconds).

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::sql {

/// How a declared time field is written.
class TimeFormat {
 public:
  /// unix_s, unix_ms, unix_us, unix_ns, rfc3339 (also if empty), or a strptime format with a zone (%z, or a literal Z).
  /// Throws std::invalid_argument with what is wrong.
  explicit TimeFormat(const std::string& format);
  TimeFormat() = default;

  bool is_unix() const { return nanoseconds_ != 0; }
  /// Of a Unix time: nanoseconds a unit.
  std::int64_t unit() const { return nanoseconds_; }
  /// Reads the text of a format that is not Unix time. False: it is none.
  bool parse(std::string_view text, std::int64_t& nanoseconds) const;
  const std::string& name() const { return name_; }

 private:
  std::string name_ = "rfc3339";
  std::int64_t nanoseconds_ = 0;
  bool rfc3339_ = true;
};

/// RFC 3339, also with a space for the T, without seconds, or as a date alone (midnight); without a zone it is UTC.
bool parse_rfc3339(std::string_view text, std::int64_t& nanoseconds);

/// A Unix time whose unit shows in its size: below 1e11 seconds, 1e14 milliseconds, 1e17 microseconds, else
/// nanoseconds. False: beyond what 64 bits of nanoseconds hold (the years 1677 to 2262).
bool unix_time(std::int64_t value, std::int64_t& nanoseconds);
bool unix_time(double value, std::int64_t& nanoseconds);

/// value * unit, false beyond 64 bits.
bool scale_time(std::int64_t value, std::int64_t unit, std::int64_t& nanoseconds);
bool scale_time(double value, std::int64_t unit, std::int64_t& nanoseconds);

/// "YYYY-MM-DDTHH:MM:SS.SSSZ" into 24 characters: what SQLite's date functions read. Finer than milliseconds is cut.
void format_iso(std::int64_t nanoseconds, char* to);
inline constexpr std::size_t kIsoLength = 24;

}  // namespace weir::sql
