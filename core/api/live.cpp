#include "api/live.h"

#include <fmt/format.h>

#include <cmath>

#include "engine/lane_view.h"

namespace weir::api {

namespace {

/// 1234567 as "1,234,567".
std::string grouped(std::uint64_t number) {
  auto digits = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  return digits;
}

}  // namespace

std::string LiveLine::text() {
  std::uint64_t in = 0;
  std::uint64_t out = 0;
  std::uint64_t queued = 0;
  engine::EpochStatistics epochs;
  engine_.inspect([&](const auto& instances, const auto& connections, const auto& statistics) {
    for (const auto& instance : instances) {
      if (instance->is_source()) {
        for (const auto& traffic : instance->statistics.out) in += traffic.records;
      } else if (instance->is_sink()) {
        out += instance->statistics.in.records;
      }
    }
    for (const auto& connection : connections) queued += connection->queued_count() + connection->held_count();
    epochs = statistics;
  });
  const auto lanes = engine_.lanes();
  for (const auto& processor : lanes.processors) {
    if (processor.source) {
      for (const auto& traffic : processor.statistics.out) in += traffic.records;
    } else if (processor.sink) {
      out += processor.statistics.in.records;
    }
  }
  for (const auto& connection : lanes.connections) queued += connection.queued + connection.held;
  const auto now = std::chrono::steady_clock::now();
  const auto seconds = std::chrono::duration<double>(now - last_).count();
  const auto rate = seconds > 0 ? static_cast<double>(in - last_in_) / seconds : 0.0;
  if (epochs.count > last_epochs_) {
    epoch_milliseconds_ =
        1000 * (epochs.seconds - last_epoch_seconds_) / static_cast<double>(epochs.count - last_epochs_);
  }
  last_ = now;
  last_in_ = in;
  last_epochs_ = epochs.count;
  last_epoch_seconds_ = epochs.seconds;
  return fmt::format("{} in  {} out  {}/s  queued {}  epoch {} ({:.{}f} ms)", grouped(in), grouped(out),
                     grouped(static_cast<std::uint64_t>(std::llround(rate))), grouped(queued), grouped(epochs.last),
                     epoch_milliseconds_, epoch_milliseconds_ < 10 ? 1 : 0);
}

}  // namespace weir::api
