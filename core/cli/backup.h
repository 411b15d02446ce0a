#pragma once
// `weir backup`: a copy of a data directory, from a Weir that runs or does not.

#include <cstdint>
#include <string>

namespace weir::cli {

struct BackupOptions {
  std::string data = "data";
  std::string to;
  std::uint64_t rate = 0;  ///< bytes a second; 0: as fast as it goes
};

/// Exit status: 0 copied, 1 it could not be, and nothing is left.
int run_backup(const BackupOptions& options);

}  // namespace weir::cli
