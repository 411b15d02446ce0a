#pragma once
// `weir apply`: puts a changed flow file in the place of the flow that runs.

#include <string>

#include "cli/client.h"

namespace weir::cli {

struct ApplyCommand {
  Remote remote;
  std::string file;
  bool dry_run = false;
  bool yes = false;   ///< do not ask
  bool json = false;  ///< the API's answer, as it is
};

/// Returns the exit status: 0 applied, or nothing to apply; 1 not applied; 2 the flow is wrong. Throws
/// std::runtime_error where no Weir answers, or refuses, and std::invalid_argument for a file that is no flow.
int apply(const ApplyCommand& command);

}  // namespace weir::cli
