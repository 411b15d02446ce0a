#pragma once
// Where in a document something is: a JSON Pointer (RFC 6901) or the part of JSONPath (RFC 9535) that a scan in one
// direction can follow.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::json {

struct PathStep {
  bool any = false;                    ///< [*], .*: every element or member
  std::optional<std::string> name;     ///< the member of this name, if the value is an object
  std::optional<std::uint64_t> index;  ///< the element at this place, if the value is an array
};

struct JsonPath {
  std::string text;  ///< as the author wrote it
  std::vector<PathStep> steps;
  /// No step selects more than one value.
  bool definite() const;
  /// The first `count` steps, as a JSONPath, for messages.
  std::string upto(std::size_t count) const;
};

/// `text` starting with $ is a JSONPath of names (.name, ['name']), indexes ([0]) and wildcards ([*], .*); otherwise
/// it is a JSON Pointer ("" is the whole document). Throws weir::Misconfigured with the column where reading ended.
JsonPath parse_path(std::string_view text);

}  // namespace weir::json
