#pragma once
// How a flow hangs together: what reaches what, and which connections form cycles.

#include "flow/flow_reader.h"

namespace weir::flow {

/// Marks the connections that are part of a cycle, and reports processors that nothing reaches and cycles without an
/// exit.
void check_graph(Draft& draft, const Reporter& report);

/// Follows the declared records along the connections, and compiles every statement against the record that it reads.
/// Returns what statements read of records that are not declared.
std::vector<std::pair<std::uint32_t, std::vector<std::string>>> follow_records(Draft& draft, const Reporter& report);

}  // namespace weir::flow
