#pragma once
// The names of what FileSink writes: numbered files, and what they are called while they are incomplete.

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::file {

/// "dir/name.ext.gz" with "-x" becomes "dir/name-x.ext.gz".
std::string before_extension(const std::string& path, std::string_view text);

/// "dir/name.ext.gz" with 7 becomes "dir/name-000007.ext.gz".
std::string numbered(const std::string& path, std::uint64_t number);

/// "dir/name" becomes "dir/.name.part": hidden, and beside it so that a rename completes it.
std::string part_of(const std::string& path);

/// The lowest number that neither a complete file of this path nor an incomplete one has, nor a lower one than any
/// does; 1 if there is none.
std::uint64_t next_number(const std::string& path);

/// Why data cannot be given this name, or "". `fixed` is the length of the author's own text at its beginning, which
/// may be anything; behind it, no segment may be empty, "." or "..", hold control characters, or be too long to be
/// numbered.
std::string objection_to(std::string_view path, std::size_t fixed);

}  // namespace weir::file
