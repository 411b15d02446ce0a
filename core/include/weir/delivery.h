#pragma once
// What the flow asks of a sink.

namespace weir {

/// The flow's `delivery`. A processor whose constructor takes one behind its settings is told when the flow is
/// validated, and can refuse there what contradicts it; Context::exactly_once says it from start on.
enum class Delivery { at_least_once, exactly_once };

}  // namespace weir
