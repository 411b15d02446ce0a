#pragma once
// The SQL in a processor's properties, held against the record that it reads.

#include <boost/property_tree/ptree.hpp>
#include <memory>
#include <string>
#include <vector>

#include "flow/settings.h"
#include "sql/declaration.h"
#include "weir/abi.h"

namespace weir::flow {

/// What a processor's statements read and make.
struct StatementFacts {
  std::vector<std::string> fields;                 ///< of the record, in the order of their first mention
  std::shared_ptr<const sql::Declaration> output;  ///< of a SELECT: what its records are known to hold; may be null
};

/// Compiles every statement. `record` is what is declared of the input; null: nothing.
StatementFacts check_statements(const std::vector<SqlUse>& uses, const sql::Declaration* record, const abi::Spec& spec,
                                const boost::property_tree::ptree& settings, const std::string& processor,
                                const Reporter& report);

}  // namespace weir::flow
