#pragma once
// `records:`: the declarations of records' fields.

#include <map>
#include <memory>
#include <string>

#include "flow/parameters.h"
#include "flow/yaml.h"
#include "sql/declaration.h"

namespace weir::flow {

/// Reads one declaration: a map of fields to their type, or to a map that says more, and `extra: keep|fail`.
std::shared_ptr<const sql::Declaration> read_record(const std::string& name, const Node& node, const Reporter& report,
                                                    const Parameters& parameters);

/// What is known of a record that may be any of two: the fields on which both agree; the others, whose names are added
/// to `lost`, may hold anything. Nothing is known if one of the two is undeclared (null).
std::shared_ptr<const sql::Declaration> common_record(const std::shared_ptr<const sql::Declaration>& a,
                                                      const std::shared_ptr<const sql::Declaration>& b,
                                                      std::vector<std::string>& lost);

}  // namespace weir::flow
