#pragma once
// What waits in the queues, and processors' state, over HTTP: look, download, drop, redrive, clear.

#include "api/router.h"
#include "engine/engine.h"

namespace weir::api {

/// Adds the pages. The engine outlives the router.
void add_queue_pages(Router& router, engine::Engine& engine);

/// A FlowFile's size, attributes and the begin of its content; all bounded.
boost::json::object flowfile_json(const abi::Item& item, std::size_t preview);
/// Content as a download: never anything that a browser shows.
Response content_response(const abi::Item& item, const Query& query, std::string_view name);

inline constexpr std::size_t kPreview = 512;  ///< bytes of content, unless asked for otherwise
inline constexpr std::size_t kMostPreview = 4096;

}  // namespace weir::api
