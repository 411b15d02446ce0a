#include "window_mean.h"

#include "number_text.h"

namespace weir::window {

const Spec<WindowMeanSettings>& window_mean_spec() {
  static const auto spec = [] {
    Spec<WindowMeanSettings> made("WindowMean", "The mean of a field over windows of event time, for each key.");
    made.description(
            "Readings are put into tumbling windows by their own time (event time), not by when they arrive: windows "
            "of `window`, aligned to 1970 in UTC, start included, end excluded. When a window closes, each key that "
            "had readings in it gives one record:\n\n"
            "```json\n"
            "{\"sensor_id\":\"s-1\",\"window_start\":\"2026-03-01T12:00:00Z\",\"window_end\":\"2026-03-01T12:01:00Z\","
            "\"mean\":21.5,\"count\":60,\"revision\":0}\n"
            "```\n\n" +
            std::string(kTimeRules) +
            "\n\n"
            "**Exactness.** Sums are doubles with Neumaier's compensation: the error does not grow with the number of "
            "readings. The result depends on the order of the readings alone, not on batches, restarts or crashes. "
            "Open windows are part of the durable state. Lineage is exact: a mean names every FlowFile that had a "
            "reading in it.")
        .example(
            "type: WindowMean\nkey: sensor_id\ntime: timestamp\nvalue: temperature\nwindow: 1m\n"
            "allowed_lateness: 30s\n")
        .property("value", &WindowMeanSettings::value,
                  {.help = "What the mean is of: a field, or an SQL expression; a number.",
                   .example = "temperature",
                   .required = true,
                   .kind = Kind::field})
        .state(
            "Count and sum of each key's windows that are open or may be revised, and each input's latest event time.");
    return window_properties(made);
  }();
  return spec;
}

void MeanJob::append(std::string& record, const MeanAccumulator& mean) const {
  record += "\"mean\":";
  append_real(record, mean.mean());
  record += ",\"count\":";
  append_number(record, mean.count());
  record += ',';
}

WindowMean::WindowMean(const WindowMeanSettings& settings)
    : Windowed(settings, MeanJob(settings.value), key_member(settings.key, {"mean", "count"})) {}

}  // namespace weir::window
