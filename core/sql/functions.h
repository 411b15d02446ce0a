#pragma once
// The SQL functions that Weir adds to SQLite's: all of them bounded, and none that reaches outside.

#include <sqlite3.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::sql {

/// What functions know of the FlowFile and the time they run at.
class Surroundings {
 public:
  virtual std::optional<std::string_view> attribute(std::string_view name) const = 0;
  virtual std::int64_t now() const = 0;  ///< the flow's clock, nanoseconds since 1970

 protected:
  ~Surroundings() = default;
};

/// Registers the functions in `db`. `*surroundings` is looked up at each call.
///
///   attr(name)                          an attribute of the FlowFile; NULL if it has none of that name
///   now()                               the flow's time, as ISO 8601 text in UTC with milliseconds
///   unix_ms(time)                       time text, or Unix time of any unit, in milliseconds since 1970
///   iso_time(time)                      the same as ISO 8601 text
///   time_bucket('1m', time)             the start of the period that a time falls into, as ISO 8601 text
///   text REGEXP pattern                 whether RE2's pattern is found in the text
///   regexp_extract(text, pattern[, n])  the n-th group of the first match, the whole match for 0; NULL without one
///   regexp_replace(text, pattern, new)  all matches replaced; \1 is a group
void register_functions(sqlite3* db, const Surroundings* const* surroundings);

/// Names of all functions that an author may call: SQLite's own and those above.
std::vector<std::string> function_names(sqlite3* db);

/// The name of the SQLite VFS whose clock is that of the thread: see set_thread_clock.
const char* clock_vfs();

/// What SQLite's date functions take for the current time on this thread, nanoseconds since 1970.
void set_thread_clock(std::int64_t nanoseconds);

/// Why a pattern cannot be used; empty if it can.
std::string pattern_problem(std::string_view pattern);

}  // namespace weir::sql
