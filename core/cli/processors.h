#pragma once
// `weir processors`: what the types that are there can do.

#include <string>
#include <vector>

namespace weir::cli {

struct ProcessorsOptions {
  std::string name;  ///< empty: all of them
  bool json = false;
  std::string markdown;              ///< a folder to write the reference pages to; empty: none
  std::vector<std::string> plugins;  ///< --plugins
};

/// Returns the exit status: 0, or 2 if there is no such type or the folder cannot be written.
int run_processors(const ProcessorsOptions& options);

}  // namespace weir::cli
