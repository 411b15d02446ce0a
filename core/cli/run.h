#pragma once
// `weir run`: loads flows, runs them until they end or a signal comes, and leaves everything durable.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "weir/units.h"

namespace weir::cli {

struct RunOptions {
  std::vector<std::string> flows;
  std::string data = "data";
  std::string listen = "127.0.0.1:8080";  ///< "none": no HTTP
  bool allow_network = false;             ///< listen beyond loopback without authentication
  std::vector<std::string> host_names;    ///< that it is called by then, beside the machine's own
  std::string tls_certificate;            ///< a file; empty: plain HTTP
  std::string tls_key;
  std::string openlineage;  ///< URL that is told what the flows do; empty: the environment's, or none
  std::vector<std::string> plugins;
  std::vector<std::string> parameters;  ///< NAME=VALUE
  bool until_idle = false;
  std::optional<Duration> run_for;
  unsigned workers = 0;
  std::uint64_t memory = 256 * MiB;
  bool live = false;  ///< a line of what flows, on standard error
  std::string log_format = "text";
  std::string log_level = "info";
};

/// Returns the exit status: 0 done, 1 failed while running, 2 the flow or the command line is wrong.
int run(const RunOptions& options);

}  // namespace weir::cli
