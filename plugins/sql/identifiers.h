#pragma once
// How long the names of tables and columns may be. PostgreSQL cuts longer ones without a word, and would write to
// another table, or find no such column.

#include <string>
#include <string_view>

#include "connection.h"

namespace weir::db {

/// Throws Misconfigured if the database cannot have a table's or column's name of that length. `property`: which of the
/// processor's says it.
void check_name(Dialect dialect, const std::string& property, std::string_view name);

/// Of a table, which may be SCHEMA.TABLE.
void check_table_name(Dialect dialect, const std::string& property, std::string_view name);

}  // namespace weir::db
