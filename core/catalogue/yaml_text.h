#pragma once
// JSON's values as YAML in block style, for files that people read.

#include <boost/json.hpp>
#include <string>

namespace weir::catalogue {

/// Text that could be read as anything else is quoted as in JSON, which YAML reads the same way.
std::string yaml_text(const boost::json::value& value);

}  // namespace weir::catalogue
