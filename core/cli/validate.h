#pragma once
// `weir validate`, and what it shares with `weir run`: loading plugins and flows, and telling what is wrong.

#include <filesystem>
#include <string>
#include <vector>

#include "flow/load.h"
#include "plugin/registry.h"

namespace weir::cli {

struct ValidateOptions {
  std::vector<std::string> flows;
  std::vector<std::string> plugins;     ///< --plugins
  std::vector<std::string> parameters;  ///< NAME=VALUE
  bool tests_beside = false;            ///< see flow::LoadOptions
  bool connect = false;                 ///< of `weir validate`: also reach for the far sides
};

/// Types and flows, with everything that is wrong already written to standard error.
struct Loaded {
  plugin::Registry registry;
  flow::LoadResult result;
  bool ok = false;  ///< no errors: the flows can run
};

/// Loads all plugins that are found; those refused are warnings on standard error.
void load_plugins(const std::vector<std::string>& folders, plugin::Registry& registry);

/// The flow files that a command names; a folder stands for the flows in it, by name.
std::vector<std::filesystem::path> flow_files(const std::vector<std::string>& given,
                                              std::vector<flow::Problem>& problems);

/// How a command's flows are loaded: with the plugins that are found, and its parameters.
flow::LoadOptions load_options(const ValidateOptions& options, plugin::Registry& registry,
                               std::vector<flow::Problem>& problems);

/// Loads flows for `weir run`, and the plugins that they use. Warnings are written too, and do not stop it.
void load_flows(const ValidateOptions& options, Loaded& loaded);

/// Returns the exit status: 0 the flows can run (perhaps with warnings), 2 they cannot, or a far side is not there.
int run_validate(const ValidateOptions& options);

}  // namespace weir::cli
