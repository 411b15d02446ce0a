#pragma once
// JSON for people: indented, keys in the order they were set; and JSON as people write it, in YAML.

#include <boost/json/value.hpp>
#include <string>

#include "flow/yaml.h"

namespace weir::flow {

/// A tree as JSON: plain scalars that are JSON numbers, true, false or null are that, digit for digit, all others are
/// text.
std::string to_json(const Node& node);

std::string to_pretty(const boost::json::value& value);

}  // namespace weir::flow
