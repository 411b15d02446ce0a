#pragma once
// Verbs for an operator of a running Weir, over its HTTP API: status, top, start, stop, tap, queue, lanes,
// dead-letters, redrive, state, audit; and `weir token`, which works on its data directory.

#include <CLI/CLI.hpp>
#include <functional>

namespace weir::cli {

/// Adds the verbs. `chosen` becomes what to do, which returns the exit status, when one of them was given: 0 done, 1
/// it could not be done, 2 the question is wrong.
void add_remote_verbs(CLI::App& app, std::function<int()>& chosen);

}  // namespace weir::cli
