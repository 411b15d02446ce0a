#pragma once
// Names that a data directory does not know: what to tell the person who wrote one.

#include <string>
#include <string_view>
#include <vector>

namespace weir::store {

/// "there is no connection "x" in this data directory: did you mean "y"?"
std::string unknown_name(std::string_view what, std::string_view name, const std::vector<std::string>& known);

}  // namespace weir::store
