#pragma once
// What `weir eval 'SQL' < records` does: runs an expression or a SELECT over the records of a stream.

#include <cstdint>
#include <iosfwd>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sql/check.h"

namespace weir::sql {

struct EvalOptions {
  bool per_flowfile = false;  ///< a SELECT over all records at once
  std::vector<TableSource> tables;
  std::map<std::string, std::string> attributes;  ///< what attr() finds
  std::int64_t now = 0;                           ///< nanoseconds since 1970
};

/// Reads `in` to its end, writes a line of JSON to `out` for each result, and a line to `errors` for each record that
/// fails: its line in the input, why, and where that helps the place in the SQL. `sql` is an expression, or a SELECT
/// if it starts with SELECT or WITH. Returns the exit status: 0, 1 if a record failed, 2 if the SQL is wrong.
int eval(std::string_view sql, std::istream& in, std::ostream& out, std::ostream& errors,
         const EvalOptions& options = {});

}  // namespace weir::sql
