#pragma once
// Tables of databases for other plugins' processors to join with.

#include "weir/table_reader.h"

namespace weir::db {

/// Reads the whole table or query. Throws as Connection does.
void read_table(const TableRequest& request, TableRows& rows);

}  // namespace weir::db
