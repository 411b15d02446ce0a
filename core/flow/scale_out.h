#pragma once
// Flows that scale out (weir/lane.h): which can, and what they become.

#include "flow/flow_reader.h"

namespace weir::flow {

/// Reports what keeps a flow with `scale_out: true` from being shared by several Weirs with the result of one, and
/// state by key behind a subscription that is shared.
void check_scale_out(const Draft& draft, const Reporter& report);

/// The flow as the one member that a Weir is in its group: its source, and nothing behind it.
Flow member_of(const Flow& flow);
/// The flow as the lane of one partition.
Flow lane_of(const Flow& flow, const LaneName& name);

}  // namespace weir::flow
