#pragma once
// What a path with $(SQL) in it asks for.

#include <string>
#include <string_view>

namespace weir::file {

struct PathTemplate {
  bool computed = false;    ///< has $(SQL) in it
  bool per_record = false;  ///< its SQL reads fields of the record, not only attributes and the clock
  std::size_t fixed = 0;    ///< length of the text before the first $(SQL)
};

/// Where it cannot be told without a parser of SQL, it says per_record: then it is only slower.
PathTemplate inspect(std::string_view text);

}  // namespace weir::file
