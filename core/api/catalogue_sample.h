#pragma once
// The first records of a FlowFile, as a sink would write them.

#include <boost/json.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "catalogue/dataset.h"

namespace weir::api {

/// Up to `most` records of content that may have been cut at its end. None where it holds none.
std::vector<boost::json::value> sample_of(const catalogue::Dataset& dataset, const std::string& content,
                                          const std::map<std::string, std::string>& attributes, std::size_t most);

/// A record for people to look at: what is sensitive masked, what is long cut.
boost::json::value shown_record(const catalogue::Dataset& dataset, const boost::json::value& record);

}  // namespace weir::api
