#pragma once
// The table that a sink writes to: what columns it has or gets, what fits into them, and the statement that inserts.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "database.h"
#include "weir/sql.h"

namespace weir::sqlite {

/// How SQLite stores a column, by its declared type ("Datatypes in SQLite", 3.1).
enum class Affinity { integer, real, numeric, text, blob };

Affinity affinity_of(std::string_view declared_type);

struct Column {
  std::string name;
  std::string type;  ///< as declared: INTEGER, REAL, TEXT, or nothing
  bool not_null = false;
  bool key = false;  ///< part of the primary key
};

/// The columns of a table or view, in their order; nothing if there is none of that name.
std::optional<std::vector<Column>> describe(Database& database, const std::string& table);

/// CREATE TABLE; with a key, it is the primary key.
void create(Database& database, const std::string& table, const std::vector<Column>& columns,
            const std::vector<std::string>& key);

/// INSERT into those columns; with a key, a row that has it already is updated; with a version, one of those columns,
/// only if the row's is not higher.
std::string insert_sql(const std::string& table, const std::vector<std::string>& columns,
                       const std::vector<std::string>& key, const std::string& version = {});

/// Binds the value, or says why it does not fit the column: SQLite itself would take nearly anything anywhere.
std::string bind(Statement& statement, int index, const Value& value, Affinity affinity);

}  // namespace weir::sqlite
