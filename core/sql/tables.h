#pragma once
// Reference tables: small tables from files that SQL joins records with.

#include <sqlite3.h>

#include <cstdint>
#include <string>

#include "sql/check.h"

namespace weir::sql {

/// What a file looked like when it was read; another look means that it is read again.
struct FileState {
  std::int64_t modified = 0;  ///< nanoseconds
  std::int64_t size = -1;
  std::uint64_t inode = 0;
  bool operator==(const FileState&) const = default;
};

/// Throws std::runtime_error naming the file if it cannot be looked at.
FileState file_state(const std::string& path);

/// Creates the table in `db` and fills it. CSV has a header line; a column in which every cell is a number holds
/// numbers; empty cells are NULL. JSON is an array of objects, or objects one after another; the columns are their
/// members, in the order of first mention. Throws std::runtime_error naming the file, the line and what is wrong.
void load_table(sqlite3* db, const TableSource& source);

}  // namespace weir::sql
