#pragma once
// `weir datasets`: what flows write, from their files or from a Weir that runs.

#include <string>
#include <vector>

#include "cli/client.h"

namespace weir::cli {

struct DatasetsOptions {
  std::vector<std::string> names;  ///< flow files or folders of them; or the name of a dataset, flow/processor
  std::string format;              ///< odcs, json-schema, openlineage; empty: for people
  bool json = false;
  Remote remote;
  std::vector<std::string> plugins;
  std::vector<std::string> parameters;  ///< NAME=VALUE
};

/// Returns the exit status: 0 done, 1 it could not be asked, 2 there is no such dataset, or the flow is wrong.
int run_datasets(const DatasetsOptions& options);

}  // namespace weir::cli
