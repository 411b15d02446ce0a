#pragma once
// `weir validate --connect`: whether the far sides of a flow's processors are there and let it in.

#include <vector>

#include "flow/definition.h"
#include "plugin/registry.h"

namespace weir::cli {

/// Reaches for all far sides at once, for some seconds at most, and says what came of each. Returns how many failed.
/// Where a check has not come back, the process has to end without waiting for its thread: `hanging` is set then.
std::size_t check_connections(const std::vector<flow::Flow>& flows, plugin::Registry& registry, bool& hanging);

}  // namespace weir::cli
