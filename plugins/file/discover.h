#pragma once
// Which files a path stands for: one file, those that a glob matches, or those of a directory.

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/common/posix_file.h"

namespace weir::file {

struct Found {
  std::string path;
  struct stat status;
};

struct Search {
  std::string path;           ///< `*`, `?` and `[...]` match within a segment, `**` any number of directories
  bool recursive = false;     ///< of a directory: those below it too
  bool ignore_hidden = true;  ///< names that begin with a dot, unless the pattern's segment does
  bool by_modified = false;   ///< oldest first; else by path
};

bool is_glob(const std::string& path);

/// Regular files only, each once. What vanishes during the search is left out; a directory that cannot be read is
/// named in `problems`, and the search goes on.
std::vector<Found> find_files(const Search& search, std::vector<std::string>& problems);

}  // namespace weir::file
