#pragma once
// Checks SQL without running it: what `weir validate` says about the SQL in a flow.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sql/declaration.h"
#include "weir/abi.h"

namespace weir::sql {

class DatabaseTable;

/// A reference table, as `tables:` names it.
struct TableSource {
  std::string name;
  std::string format;  ///< csv, json, sqlite or database
  std::string path;
  std::string table;                         ///< of sqlite; empty: `name`
  std::vector<std::string> columns = {};     ///< of a database: those that it is known to have; empty: nothing is known
  std::shared_ptr<DatabaseTable> read = {};  ///< of a database, where there are rows; else only statements are checked
};

struct CheckOptions {
  bool per_flowfile = false;  ///< aggregates, ORDER BY, DISTINCT and LIMIT are allowed
  bool generator = false;     ///< over `seq`, with random()
  std::vector<TableSource> tables;
};

struct CheckResult {
  std::string error;                 ///< what is wrong and what to do; empty: nothing
  std::size_t offset = 0;            ///< where in the text given, in bytes
  std::vector<std::string> nearest;  ///< names that may have been meant, best first
  std::vector<std::string> fields;   ///< fields of the record that it reads, in the order of their first mention
  std::shared_ptr<const Declaration> output;  ///< of a select: what the records it makes are known to hold

  bool ok() const { return error.empty(); }
};

/// `kind` is expression, field, select or templated. `record` is the declaration of the input; null: undeclared.
CheckResult check(abi::Kind kind, std::string_view text, const Declaration* record, const CheckOptions& options = {});

/// A parameter's value as it stands in SQL: a number as it is, true and false as such, anything else as quoted text.
/// The value can thus never become SQL of its own.
std::string literal(std::string_view value);

/// Up to three of `names` that are close to `name`, best first.
std::vector<std::string> nearest_names(std::string_view name, const std::vector<std::string>& names);

}  // namespace weir::sql
