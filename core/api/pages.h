#pragma once
// What the server answers: /metrics, /healthz, /readyz, and an index of them at /.

#include <string>

#include "api/http.h"
#include "engine/engine.h"

namespace weir::api {

/// The engine outlives the handler. `version` is Weir's own.
Handler pages(engine::Engine& engine, std::string version);

}  // namespace weir::api
