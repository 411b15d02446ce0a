#pragma once
// A flow's source, whether a changed one is right, and its application: pages of the API.

#include "api/flow_texts.h"
#include "api/router.h"

namespace weir::api {

/// `texts` outlives the router.
void add_apply_pages(Router& router, FlowTexts& texts);

boost::json::object difference_json(const flow::FlowDifference& difference);
boost::json::array problems_json(const std::vector<flow::Problem>& problems);

}  // namespace weir::api
