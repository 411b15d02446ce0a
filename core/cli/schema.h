#pragma once
// `weir schema`: the JSON Schema of flow files, for editors.

#include <string>
#include <vector>

namespace weir::cli {

/// Writes it to standard output. Returns the exit status.
int run_schema(const std::vector<std::string>& plugins);

}  // namespace weir::cli
