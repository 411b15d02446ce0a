#pragma once
// For the kill test: WEIR_FAILPOINT=before_commit:12 makes the process kill itself at the 12th pass of that step.

#include "store/store.h"

namespace weir::cli {

/// Reads the environment; an unknown step is an error that names the known ones (std::invalid_argument).
void set_failpoint(store::Store& store);

}  // namespace weir::cli
