#pragma once
// Flows that scale out (weir/lane.h): which can, and what they become.

#include <cstdint>
#include <set>

#include "flow/flow_reader.h"

namespace weir::flow {

/// Reports what keeps a flow with `scale_out: true` from being shared by several Weirs with the result of one, and
/// state by key behind a subscription that is shared.
void check_scale_out(const Draft& draft, const Reporter& report);

/// Nothing leads on from the processor but failures.
bool is_sink(const Flow& flow, std::uint32_t processor);
/// What its FlowFiles, and what is made of them, may come to; itself, where it is in a cycle.
std::set<std::uint32_t> behind(const Flow& flow, std::uint32_t processor);

/// The flow as the one member that a Weir is in its group: its source, and nothing behind it.
Flow member_of(const Flow& flow);
/// The flow as the lane of one partition.
Flow lane_of(const Flow& flow, const LaneName& name);

}  // namespace weir::flow
