#pragma once
// Whether the flow's author says when a processor runs, for a source that would otherwise choose times of its own.

#include "weir/context.h"

namespace weir::abi {

/// Context::interface("weir.schedule.1") is the Context itself where the flow gives the processor a `schedule:`, else
/// null.
inline constexpr const char* kScheduleInterface = "weir.schedule.1";

}  // namespace weir::abi

namespace weir {

/// True if the processor is polled at the times of a schedule: it should not ask to be woken for more of its own.
inline bool is_scheduled(const Context& context) {
  return context.raw()->interface(abi::kScheduleInterface) != nullptr;
}

}  // namespace weir
