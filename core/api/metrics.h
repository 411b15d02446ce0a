#pragma once
// Everything observable of an engine, as Prometheus metrics. docs/metrics.md lists them.

#include <array>
#include <cstdint>
#include <mutex>
#include <string>

#include "engine/engine.h"

namespace weir::api {

/// Renders an engine's metrics; holds the engine's lock only while it copies numbers. Any thread.
class Metrics {
 public:
  /// The engine outlives it. `version` is Weir's own, for weir_build_info.
  Metrics(engine::Engine& engine, std::string version) : engine_(engine), version_(std::move(version)) {}

  std::string text();

 private:
  engine::Engine& engine_;
  const std::string version_;
  std::mutex mutex_;                 ///< of what follows
  std::uint64_t last_bulletin_ = 0;  ///< the engine keeps only the latest: they are counted as they are seen
  std::array<std::uint64_t, 5> bulletins_ = {};  ///< by level; the last: gone before they were seen
};

}  // namespace weir::api
