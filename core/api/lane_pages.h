#pragma once
// The lanes that this Weir has of a flow that scales out, and questions about one of them.

#include <memory>
#include <string>

#include "api/router.h"
#include "engine/engine.h"

namespace weir::api {

/// What a question about a queue or a state goes to.
struct Asked {
  std::shared_ptr<engine::Engine> engine;  ///< the lane's, or that of all other flows
  std::string lane;                        ///< flow@topic/partition; empty: it is in none
  /// The name of a connection in the provenance.
  std::string named(const std::string& connection) const;
};

/// By `lane=TOPIC/PARTITION` of the query, which a flow that scales out needs, and no other takes. Throws Refused.
Asked asked(engine::Engine& engine, const std::string& flow, const Query& query);

/// Throws Refused where the flow scales out: nobody but its lanes changes their queues and states.
void refuse_to_change_lanes(const engine::Engine& engine, const std::string& flow);

void add_lane_pages(Router& router, engine::Engine& engine);

}  // namespace weir::api
