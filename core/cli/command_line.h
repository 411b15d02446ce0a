#pragma once
// What is wrong with a command line, in one line: what, where, and the nearest that is right.

#include <CLI/CLI.hpp>
#include <string>

#include "weir/units.h"

namespace weir::cli {

/// `10s`, `5m`, as in flow files. Throws CLI::ValidationError, which names the option.
Duration parse_duration(const std::string& option, const std::string& text);

/// Prints help where it was asked for, else why the command line was not understood. Returns the exit status: 0 or 2.
int answer(const CLI::App& app, const CLI::ParseError& error);

}  // namespace weir::cli
