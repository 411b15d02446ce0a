#pragma once
// Names in a data directory: what to tell the person who wrote one that it does not know, and how those in lanes of
// flows that scale out go with the flow's.
//
//   connection   flow/from/relationship/to      in a lane   flow@topic/partition/from/relationship/to
//   processor    flow/name                                  flow@topic/partition/name

#include <string>
#include <string_view>
#include <vector>

namespace weir::store {

/// "there is no connection "x" in this data directory: did you mean "y"?"
std::string unknown_name(std::string_view what, std::string_view name, const std::vector<std::string>& known);

/// Of a connection or processor, "flow@topic/partition"; empty: it is in no lane.
std::string_view lane_of(std::string_view name);
/// What it is called in the flow as its author wrote it; the name itself, if it is in no lane.
std::string name_in_flow(std::string_view name);

}  // namespace weir::store
