#pragma once
// JSON for people: indented, keys in the order they were set.

#include <boost/json/value.hpp>
#include <string>

namespace weir::flow {

std::string to_pretty(const boost::json::value& value);

}  // namespace weir::flow
