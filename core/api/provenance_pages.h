#pragma once
// Provenance over HTTP: which events happened, where a FlowFile came from and what became of it, and replay.

#include <boost/json.hpp>
#include <vector>

#include "api/router.h"
#include "engine/engine.h"
#include "store/provenance.h"

namespace weir::api {

/// Adds the pages. The engine outlives the router.
void add_provenance_pages(Router& router, engine::Engine& engine);

/// Nodes and edges of a FlowFile's lineage: itself, and the events that its ancestors and descendants went through. An
/// edge is FlowFiles of one connection that one event put out and another took in.
boost::json::object lineage_graph(const store::Place& place, const std::vector<store::LineageStep>& ancestors,
                                  const std::vector<store::LineageStep>& descendants);

}  // namespace weir::api
