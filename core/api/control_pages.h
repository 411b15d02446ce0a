#pragma once
// What an operator does to processors, over HTTP.

#include "api/router.h"
#include "engine/engine.h"

namespace weir::api {

/// Adds the pages that start and stop. The engine outlives the router.
void add_control_pages(Router& router, engine::Engine& engine);

}  // namespace weir::api
