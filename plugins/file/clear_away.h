#pragma once
// What becomes of a file that was read and is durable in the flow.

#include <string>

namespace weir::file {

/// Durably; a file that is gone already is fine.
void delete_file(const std::string& path);

/// Moves it into a directory of the same file system, which is created if need be. A name that exists there gets a
/// number: nothing is overwritten. Throws Misconfigured for another file system. Returns the new path.
std::string move_file(const std::string& path, const std::string& directory);

}  // namespace weir::file
