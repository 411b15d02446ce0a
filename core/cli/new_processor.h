#pragma once
// `weir new processor`: a folder with a plugin that builds, passes its test and runs in a flow, to be made one's own.

#include <string>
#include <vector>

namespace weir::cli {

struct NewProcessorOptions {
  std::string name;                  ///< of the type, in CamelCase
  std::string folder;                ///< empty: the name in snake_case
  std::vector<std::string> plugins;  ///< --plugins: their types' names are taken
};

/// Returns the exit status: 0; 2 if the name cannot be, or a file is there already; 1 if a file cannot be written.
int run_new_processor(const NewProcessorOptions& options);

}  // namespace weir::cli
