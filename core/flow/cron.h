#pragma once
// Cron schedules: five fields (minute, hour, day of month, month, day of week), or six with seconds first. UTC.

#include <cstdint>
#include <string>

namespace weir::flow {

/// The first time after `now` (nanoseconds since 1970) that the expression names. Lists, ranges and steps as in cron;
/// as there, day of month and day of week are alternatives if both are restricted. Throws std::invalid_argument that
/// says which field is wrong and what it may hold, also for a date that never comes.
std::int64_t next_cron_time(const std::string& expression, std::int64_t now);

}  // namespace weir::flow
