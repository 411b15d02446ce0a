#pragma once
// The flows as JSON, for the status UI and for scripts: what /api/v1 shows. Everything here only reads.

#include <string>

#include "api/http.h"
#include "engine/engine.h"

namespace weir::api {

/// Answers below /api/v1. Times are RFC 3339 in UTC, sizes bytes, durations seconds; counts are since the start of the
/// process. Secrets are masked.
class FlowPages {
 public:
  /// The engine outlives it.
  FlowPages(engine::Engine& engine, std::string version) : engine_(engine), version_(std::move(version)) {}

  Response answer(const Request& request) const;

 private:
  std::string status() const;
  std::string flows() const;
  /// Nothing if there is no such flow.
  std::string flow(std::string_view name) const;
  std::string processor(std::string_view flow, std::string_view name) const;
  std::string connection(std::string_view id) const;
  std::string bulletins(const std::string& query) const;

  engine::Engine& engine_;
  const std::string version_;
};

}  // namespace weir::api
