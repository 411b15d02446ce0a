#pragma once
// Text with $(SQL) in it, and how the values are made safe where they land.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "weir/abi.h"

namespace weir::sql {

struct TemplatePart {
  std::string text;  ///< as it is, or the SQL
  bool is_sql = false;
  std::size_t offset = 0;  ///< of the text or SQL in the template
};

/// Splits a template. `$$(` stands for `$(` itself. Throws SqlProblem for a `$(` that is not closed.
std::vector<TemplatePart> parse_template(std::string_view text);

/// Appends a value as its place demands. In a path, URL or topic, what would end the segment is written as %XX, and a
/// dot at the front as %2E, so that a value is never "..". Returns why the value cannot stand there at all (an empty
/// segment, a line break in a header, an identifier of other characters); null: it can.
const char* append_encoded(std::string& to, std::string_view value, abi::Encoding encoding);

}  // namespace weir::sql
