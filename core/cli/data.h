#pragma once
// Verbs on a data directory: `weir provenance`, `weir replay` and `weir check`.

#include <cstdint>
#include <string>

namespace weir::cli {

struct ProvenanceOptions {
  std::string verb;   ///< events, ancestors, descendants or find
  std::string place;  ///< CONNECTION:SEQUENCE
  std::string data = "data";
  std::string processor, connection, type, attribute, transit;
  std::string from, to;  ///< RFC 3339
  std::uint64_t limit = 1000;
  bool json = false;
};

/// Exit status: 0 answered, 1 the data directory cannot be read, 2 the question is wrong.
int run_provenance(const ProvenanceOptions& options);

struct ReplayOptions {
  std::string data = "data";
  std::string place;
  bool json = false;
};
/// Queues a FlowFile again, in a data directory that nobody runs. Exit status: as of run_provenance().
int run_replay(const ReplayOptions& options);

/// Exit status: 0 all is well, 1 it is damaged or cannot be read.
int run_check(const std::string& data);

}  // namespace weir::cli
