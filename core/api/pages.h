#pragma once
// What the server answers: /metrics, /healthz, /readyz, and an index of them at /.

#include <memory>
#include <string>

#include "api/audit.h"
#include "api/flow_texts.h"
#include "api/http.h"
#include "api/lineage_poster.h"
#include "engine/engine.h"

namespace weir::api {

/// The engine outlives the handler. `version` is Weir's own. `open_network`: it listens beyond this machine, so that
/// who needs no token, because there are none, may read and no more. `lineage`: who is told what the flows do. `texts`:
/// null where flows come from no files. `audit`: of what everybody wanted to change; null: the handler keeps its own.
Handler pages(engine::Engine& engine, std::string version, bool open_network = false,
              const LineageOptions& lineage = {}, std::shared_ptr<FlowTexts> texts = nullptr,
              std::shared_ptr<Audit> audit = nullptr);

}  // namespace weir::api
