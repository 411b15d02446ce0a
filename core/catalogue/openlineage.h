#pragma once
// Runs of flows as OpenLineage events (https://openlineage.io, spec 2-0-2): a job a flow, with what its sources read
// as inputs and what its sinks write as outputs.

#include <boost/json.hpp>
#include <functional>
#include <string>

#include "catalogue/dataset.h"

namespace weir::catalogue {

struct LineageRun {
  std::string type = "RUNNING";  ///< START, RUNNING, COMPLETE, FAIL
  std::string name_space = "weir";
  std::string run_id;  ///< a UUID
  std::string version;
  std::int64_t time = 0;  ///< nanoseconds since 1970
  std::string why;        ///< of a FAIL
};

/// `facts`: what is known of each dataset.
boost::json::object lineage_event(const flow::Flow& flow, const LineageRun& run,
                                  const std::function<Facts(const Dataset&)>& facts);

/// Where a dataset is, in OpenLineage's naming: namespace and name.
std::pair<std::string, std::string> lineage_name(const std::string& kind, const std::string& name,
                                                 const std::string& location);

/// A UUID, random.
std::string new_uuid();
/// One that is always the same for a text: of a run that is asked about again.
std::string uuid_of(std::string_view text);

}  // namespace weir::catalogue
