#pragma once
// The flows as JSON, for the status UI and for scripts: what of /api/v1 only reads.

#include <string>

#include "api/router.h"
#include "engine/engine.h"

namespace weir::api {

/// Adds the pages. The engine outlives the router. Times are RFC 3339 in UTC, sizes bytes, durations seconds; counts
/// are since the start of the process. Secrets are masked.
void add_flow_pages(Router& router, engine::Engine& engine, const std::string& version);

}  // namespace weir::api
