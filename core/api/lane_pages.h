#pragma once
// The lanes that this Weir has of a flow that scales out, and questions about one of them.

#include <memory>
#include <string>
#include <vector>

#include "api/router.h"
#include "engine/engine.h"

namespace weir::api {

/// What a question about a queue or a state goes to.
struct Asked {
  std::shared_ptr<engine::Engine> engine;  ///< the lane's, or that of all other flows
  std::string lane;                        ///< flow@topic/partition; empty: it is in none
  /// The name of a connection in the provenance.
  std::string named(const std::string& connection) const;
  /// As the query names the lane: topic/partition.
  std::string place() const { return lane.substr(lane.find('@') + 1); }
};

/// By `lane=TOPIC/PARTITION` of the query, which a flow that scales out needs, and no other takes. Throws Refused.
Asked asked(engine::Engine& engine, const std::string& flow, const Query& query);

/// For a question that lanes can be asked together: all that this Weir runs of a flow that scales out, or that of
/// `lane=TOPIC/PARTITION`. Throws Refused.
std::vector<Asked> all_asked(engine::Engine& engine, const std::string& flow, const Query& query);

bool scales_out(const engine::Engine& engine, const std::string& flow);

/// Throws Refused where the flow scales out: nobody but its lanes changes their queues and states.
void refuse_to_change_lanes(const engine::Engine& engine, const std::string& flow);

void add_lane_pages(Router& router, engine::Engine& engine);

}  // namespace weir::api
