#pragma once
// The records of a FlowFile as JSON values: an object, an array or newline-delimited objects.

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::flowtest {

/// Nothing if the content holds no records.
std::optional<std::vector<boost::json::value>> records_of(std::string_view content);

/// Content of the same form as `content`, with other records in place of its own.
std::string with_records(std::string_view content, const std::vector<boost::json::value>& records);

/// JSON as people write it: 21.5, not 2.15E1.
std::string to_text(const boost::json::value& value);

}  // namespace weir::flowtest
