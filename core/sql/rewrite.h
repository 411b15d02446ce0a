#pragma once
// Prepares an author's SQL for SQLite: field('x') and has('x') become columns of the virtual table, `*` the whole
// record; statements that are not row-wise are told from those that are.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sql/expression.h"

namespace weir::sql {

/// Names of columns that no author can mean by accident.
inline constexpr std::string_view kFieldPrefix = "field:";
inline constexpr std::string_view kHasPrefix = "has:";
inline constexpr std::string_view kWholeRecord = "record:*";
/// The field that such a column stands for (a number in its name keeps fields apart that differ only in case).
std::string plain_name(std::string_view column);

/// What is wrong with SQL, and where.
struct SqlProblem {
  std::string message;
  std::size_t offset = 0;
};

struct Rewritten {
  std::string sql;
  std::vector<SqlToken> tokens;      ///< of the original
  std::vector<std::string> columns;  ///< those of the names above that it uses
  bool whole = false;                ///< `*` of the record is among the results
  /// Offset in the original of an offset in `sql`.
  std::size_t original(std::size_t offset) const;

  std::vector<std::pair<std::size_t, std::size_t>> places;  ///< rewritten offset, original offset; ascending
};

/// An expression: in parentheses, as the one column of SELECT … FROM `table`. Throws SqlProblem.
Rewritten rewrite_expression(std::string_view sql, std::string_view table);

/// A SELECT. Throws SqlProblem, if it is not row-wise unless `per_flowfile`. With a table's name in `first`, and that
/// first in FROM, SQLite is told to take the tables in the author's order (its CROSS JOIN), not in its own.
Rewritten rewrite_select(std::string_view sql, bool per_flowfile, std::string_view first = {});

/// The expressions of a SELECT's result columns, in order, each with whether it is a `*`.
struct ResultColumn {
  bool star = false;
  bool boolean = false;
};
std::vector<ResultColumn> result_columns(const std::vector<SqlToken>& tokens, std::string_view sql);

}  // namespace weir::sql
