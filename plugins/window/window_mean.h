#pragma once
// WindowMean: the mean of a field in each window of event time, by key.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "accumulator.h"
#include "mean_writer.h"
#include "watermark.h"
#include "weir/processor.h"
#include "weir/split.h"
#include "weir/sql.h"
#include "window_store.h"
#include "windows.h"

namespace weir::window {

struct WindowMeanSettings {
  std::optional<std::string> key;
  std::string time = "timestamp";
  std::string value;
  Duration window{};
  Duration allowed_lateness{0};
  Duration out_of_orderness{0};
  Duration idle_timeout = std::chrono::seconds(10);
  Duration max_ahead = std::chrono::hours(1);
  std::string emit = "each";
};

const Spec<WindowMeanSettings>& window_mean_spec();

/// One step: each reading goes into its pane, then the panes that the watermark has passed are emitted. All it knows is
/// in the session's state.
class WindowMean final : public Processor {
 public:
  explicit WindowMean(WindowMeanSettings settings);
  void start(Context& context) override;
  void step(Batch batch, Session& session) override;
  void tick(Session& session) override;
  void finish(Session& session) override;

 private:
  using Panes = WindowStore<MeanAccumulator>;

  void read(const Row& row, RecordSplit& split, Session& session);
  void fire(Session& session);

  WindowMeanSettings settings_;
  Statement statement_;
  TumblingWindows windows_;
  WatermarkTracker watermark_;
  Panes panes_;
  MeanWriter writer_;

  // Of the step under way.
  Window window_;  ///< of the last reading: the next one is usually in it too
  std::int64_t latest_allowed_ = 0;
  std::string key_;
  std::uint64_t late_ = 0;
  std::uint64_t ignored_ = 0;

  Metric late_metric_;
  Metric ignored_metric_;
  Metric emitted_metric_;
  Metric watermark_metric_;
};

}  // namespace weir::window
