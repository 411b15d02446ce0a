#pragma once
// Verbs on a data directory: `weir provenance`, `weir replay` and `weir check`; the first two ask a running Weir, too.

#include <cstdint>
#include <optional>
#include <string>

#include "cli/client.h"

namespace weir::cli {

struct ProvenanceOptions {
  std::string verb;   ///< events, ancestors, descendants or find
  std::string place;  ///< CONNECTION:SEQUENCE
  std::string data = "data";
  std::string processor, connection, type, attribute, transit;
  std::string from, to;  ///< RFC 3339
  std::uint64_t limit = 1000;
  bool json = false;
  std::optional<Remote> remote;  ///< the Weir to ask; none: the data directory
};

/// Exit status: 0 answered, 1 the data directory cannot be read or Weir does not answer, 2 the question is wrong.
int run_provenance(const ProvenanceOptions& options);

struct ReplayOptions {
  std::string data = "data";
  std::string place;
  bool json = false;
  std::optional<Remote> remote;  ///< the Weir that runs it; none: nobody does
};
/// Queues a FlowFile again, in a data directory that nobody runs or by the Weir that runs it. Exit status: as of
/// run_provenance().
int run_replay(const ReplayOptions& options);

/// Exit status: 0 all is well, 1 it is damaged or cannot be read.
int run_check(const std::string& data);

}  // namespace weir::cli
