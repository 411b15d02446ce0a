#pragma once
// The reference tables of a processor that are tables of databases: which plugin reads each, and how.

#include <boost/property_tree/ptree.hpp>
#include <string>
#include <utility>
#include <vector>

#include "flow/definition.h"
#include "flow/yaml.h"
#include "plugin/registry.h"
#include "sql/check.h"
#include "weir/tables.h"

namespace weir::flow {

/// All that its property `tables` says, if its type has one of that shape (weir/tables.h).
std::vector<std::pair<std::string, ReferenceTable>> reference_tables(const abi::Spec& spec,
                                                                     const boost::property_tree::ptree& settings);

/// As the checks of SQL want them.
std::vector<sql::TableSource> table_sources(const abi::Spec& spec, const boost::property_tree::ptree& settings);

/// Those of databases, with the plugins that read them. `body`: the processor in the file, for what is wrong.
std::vector<sql::DatabaseTableOptions> database_tables(const abi::Spec& spec,
                                                       const boost::property_tree::ptree& settings,
                                                       plugin::Registry& registry, const Reporter& report,
                                                       const Node& body);

/// What is wrong with the processor's SELECT, once it is known which columns that table of a database has; empty:
/// nothing.
std::string problem_with_columns(const Processor& processor, const std::string& table,
                                 const std::vector<std::string>& columns);

/// A table of rows that are given, each a JSON object, in place of the one in the database.
sql::DatabaseTableOptions with_rows(sql::DatabaseTableOptions table, std::vector<std::string> rows);

}  // namespace weir::flow
