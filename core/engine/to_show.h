#pragma once
// How the texts of processors are shown: in bulletins, logs, provenance and the attributes of what failed.

#include <string>
#include <string_view>
#include <vector>

namespace weir::engine {

/// What a processor says, on one line and without secrets: what databases and libraries answer may have several lines,
/// indented, and may repeat the password that they refuse.
std::string to_show(std::string_view message, const std::vector<std::string>& secrets);

}  // namespace weir::engine
