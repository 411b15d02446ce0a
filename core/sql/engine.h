#pragma once
// The expression engine: SQL over the records of FlowFiles.
//
// SQLite gives every expression its meaning: a virtual table `record` shows the records of a batch as rows, with the
// columns that a statement names. What is common and simple (bare fields; comparisons, AND, OR, NOT, IN, BETWEEN and
// IS NULL over fields and constants) is evaluated on the JSON tokens themselves, without SQLite, with the same result
// (predicate.h); tests/fuzz/sql_differential.cpp looks for differences.
//
// The way of a batch: records.h finds the records in the content and the raw token of each named field; value.h turns
// tokens into values by the declaration; predicate.h or database.h computes; output.h writes records.

#include <cstdint>
#include <functional>
#include <memory>

#include "sql/database_table.h"
#include "sql/declaration.h"
#include "weir/abi.h"

namespace weir::sql {

/// The flow's clock: nanoseconds since 1970.
using Clock = std::function<std::int64_t()>;

/// What Context::interface("weir.sql.1") gives a processor whose input has this declaration (null: undeclared).
/// prepare() may be called from any thread; a Statement is for one thread at a time. Statements keep what they need:
/// they may outlive the Sql. `tables`: the databases' tables that its queries may name; null: none.
std::unique_ptr<abi::Sql> make_sql(std::shared_ptr<const Declaration> record, Clock clock,
                                   std::shared_ptr<DatabaseTables> tables = nullptr);

}  // namespace weir::sql
