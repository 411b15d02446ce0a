#pragma once
// Times by cron expression: minute, hour, day of month, month and day of week, or six fields with seconds first. UTC.
// As in Vixie cron: lists, ranges, steps, names of months and days, 0 and 7 for Sunday; if both day fields are
// restricted, either may match.

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::flow {

/// What is wrong with an expression; empty: nothing.
std::string check_cron(std::string_view cron);

/// The first time after `after` (nanoseconds since 1970) that matches; 0 if there is none within 30 years (30 February)
/// or the expression is wrong.
std::int64_t next_cron_time(const std::string& cron, std::int64_t after);

}  // namespace weir::flow
