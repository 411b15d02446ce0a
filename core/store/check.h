#pragma once
// `weir check`: everything that can be wrong with a data directory, found by reading all of it.

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

namespace weir::store {

struct Finding {
  std::string where;
  std::string what;
  bool harmless = false;  ///< the next start mends it
};

/// Reads the whole data directory: SQLite's integrity_check, every packed row and its checksum, the invariants of the
/// epoch, content files against what names them, processor state, lineage and its index. Changes nothing. Takes the
/// directory's lock: throws CannotOpen if a process has it, or if it is no data directory of a format that is known.
std::vector<Finding> check(const std::filesystem::path& directory);

/// Prints the findings. 0: well; 1: damaged; 2: it cannot be checked.
int run_check(const std::filesystem::path& directory, std::ostream& out);

}  // namespace weir::store
