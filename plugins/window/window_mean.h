#pragma once
// WindowMean: the mean of a field in each window of event time, by key.

#include <cstdint>
#include <string>

#include "accumulator.h"
#include "weir/processor.h"
#include "weir/sql.h"
#include "window_settings.h"
#include "windowed.h"

namespace weir::window {

struct WindowMeanSettings : WindowSettings {
  std::string value;
};

const Spec<WindowMeanSettings>& window_mean_spec();

/// What WindowMean keeps of its readings (windowed.h).
class MeanJob {
 public:
  using Accumulator = MeanAccumulator;

  explicit MeanJob(std::string value) : value_(std::move(value)) {}
  void add_columns(Query& query) const { query.column(value_, As::number); }
  bool counts(const Value* columns) const { return columns[0].type != ValueType::null; }
  [[nodiscard]] bool add(MeanAccumulator& mean, const Value* columns, std::int64_t) const {
    return mean.add(columns[0].real);
  }
  std::string error() const { return "the sum of " + value_ + " in its window is beyond the range of a double"; }
  void append(std::string& record, const MeanAccumulator& mean) const;
  static std::string shape() { return {}; }

 private:
  std::string value_;
};

class WindowMean final : public Windowed<MeanJob> {
 public:
  explicit WindowMean(const WindowMeanSettings& settings);
};

}  // namespace weir::window
