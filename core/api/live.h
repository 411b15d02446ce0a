#pragma once
// The line that `weir run` rewrites on a terminal: what flows, at a glance.

#include <chrono>
#include <cstdint>
#include <string>

#include "engine/engine.h"

namespace weir::api {

/// `12,340 in  12,338 out  1,022/s  queued 12  epoch 311 (2 ms)`
///
/// In: records that sources brought since the start. Out: records that reached a processor from which nothing leads on
/// but `failure`; a fan-out counts on each of its ways. Per second, and the time of an epoch: of what came in, and of
/// the epochs, since the last call. Queued: FlowFiles, held ones too. Not thread-safe.
class LiveLine {
 public:
  /// The engine outlives it.
  explicit LiveLine(const engine::Engine& engine) : engine_(engine) {}
  std::string text();

 private:
  const engine::Engine& engine_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  std::uint64_t last_in_ = 0;
  std::uint64_t last_epochs_ = 0;
  double last_epoch_seconds_ = 0;
  double epoch_milliseconds_ = 0;
};

}  // namespace weir::api
