#pragma once
// Watermarks: how far event time has come, as far as the inputs tell.
//
// As in Flink ("Generating Watermarks": bounded out-of-orderness, idleness), where a watermark t says that no reading
// older than t is expected:
//   - an input's watermark is its latest event time less the out-of-orderness;
//   - the processor's watermark is the lowest of its inputs', because one that lags may still bring old readings;
//   - an input that brought nothing for the idle timeout does not count; if all are idle, the highest counts;
//   - a watermark never goes back.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "weir/session.h"
#include "windows.h"

namespace weir::window {

/// The watermark over the input connections of one processor. What it knows of event time is durable, in the session's
/// state under `prefix`; when an input was last heard of is not: after a start, all count as just heard of.
class WatermarkTracker {
 public:
  /// `idle_timeout` zero: an input is never idle. Both in nanoseconds.
  WatermarkTracker(std::string prefix, std::int64_t out_of_orderness, std::int64_t idle_timeout)
      : prefix_(std::move(prefix)), out_of_orderness_(out_of_orderness), idle_timeout_(idle_timeout) {}

  void start(const std::vector<std::string>& inputs);
  /// Event time had come so far, elsewhere. Before begin().
  void restore(Session& session, std::int64_t latest);

  /// Begins a step: reads the state. `input` is the connection that readings are about to come from; empty: none.
  void begin(Session& session, std::string_view input);
  /// A reading of that input. Cheap.
  void observe(std::int64_t time) {
    if (time <= latest_) return;
    latest_ = time;
    raise();
  }
  /// As of the readings observed so far.
  std::int64_t watermark() const { return watermark_; }
  /// The latest event time of the input that this step has.
  std::int64_t latest() const { return latest_; }
  /// Ends the step: writes the state, and asks for a tick where an input may become idle.
  void end(Session& session);

 private:
  void raise();

  const std::string prefix_;
  const std::int64_t out_of_orderness_;
  const std::int64_t idle_timeout_;

  /// Time spent without word of an input, by the flow's clock, counted only while this processor had its turn: an input
  /// is not idle because back pressure kept its readings waiting.
  struct Input {
    std::int64_t silent = 0;
    std::int64_t latest = kLongAgo;  ///< event time; of this step's beginning
  };
  std::map<std::string, Input, std::less<>> inputs_;
  std::int64_t last_step_ = 0;

  // Of the step under way.
  std::string input_;
  std::int64_t others_ = 0;  ///< lowest watermark of the other inputs that count
  std::int64_t latest_ = kLongAgo;
  std::int64_t watermark_ = kLongAgo;
  std::int64_t stored_latest_ = kLongAgo;
  std::int64_t stored_watermark_ = kLongAgo;
};

}  // namespace weir::window
