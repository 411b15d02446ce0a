#pragma once
// /quality: what was found of the quality of data, worst first.

#include <boost/json.hpp>
#include <optional>

#include "api/router.h"
#include "engine/quality.h"

namespace weir::api {

/// How many of the records that were judged passed; nothing if none was.
std::optional<double> good_of(const engine::QualityCounts& counts);
/// Counts, with `good`; `completeness` where something is expected.
boost::json::object counts_json(const engine::QualityCounts& counts, bool expected);

void add_quality_pages(Router& router, engine::QualityLedgers& ledgers);

}  // namespace weir::api
