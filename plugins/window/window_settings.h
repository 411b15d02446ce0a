#pragma once
// What all processors of windows have in common for their authors: properties and the rules behind them.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/spec.h"

namespace weir::window {

struct WindowSettings {
  std::optional<std::string> key;
  std::string time = "timestamp";
  Duration window{};
  Duration allowed_lateness{0};
  Duration out_of_orderness{0};
  Duration idle_timeout = std::chrono::seconds(10);
  Duration max_ahead = std::chrono::hours(1);
  std::string emit = "each";
};

inline constexpr std::uint32_t kSuccess = 0;
inline constexpr std::uint32_t kLate = 1;

/// The rules of time, for the description.
extern const std::string_view kTimeRules;

/// What the key is called in the result, as it begins a JSON member; empty: there is no key. Throws Misconfigured if it
/// is one of `taken`, or window_start, window_end or revision.
std::string key_member(const std::optional<std::string>& key, const std::vector<std::string>& taken);

/// Adds the properties of WindowSettings, from which S derives, and the relationships.
template <class S>
Spec<S>& window_properties(Spec<S>& spec) {
  const auto add = [&]<class M>(std::string_view name, M WindowSettings::* member, PropertyOptions options) {
    spec.property(name, static_cast<M S::*>(member), std::move(options));
  };
  add("key", &WindowSettings::key,
      {.help = "A field, or an SQL expression: each of its values has windows of its own. Unset: one result over all. "
               "In the result the field keeps its name; an expression is called `key`.",
       .example = "sensor_id",
       .kind = Kind::field});
  add("time", &WindowSettings::time,
      {.help = "The event time: a field, or an SQL expression. Its format is what the record's declaration says; "
               "undeclared, RFC 3339 or Unix time by its size.",
       .kind = Kind::field});
  add("window", &WindowSettings::window,
      {.help = "The size of the windows.", .example = "1m", .required = true, .above = 0.0});
  add("allowed_lateness", &WindowSettings::allowed_lateness,
      {.help = "How long after a window has closed readings still correct its result, in event time. The window stays "
               "in the state for as long.",
       .example = "30s",
       .min = 0});
  add("out_of_orderness", &WindowSettings::out_of_orderness,
      {.help = "How far readings may be out of order: the watermark stays so far behind the latest, and each result "
               "comes so much later.",
       .example = "5s",
       .min = 0});
  add("idle_timeout", &WindowSettings::idle_timeout,
      {.help = "An input that brought nothing for so long, by the flow's clock, does not hold the watermark. `0s`: it "
               "always does.",
       .min = 0});
  add("max_ahead", &WindowSettings::max_ahead,
      {.help = "A reading whose time is further in the future goes to `failure`. `0s`: any time is taken.", .min = 0});
  add("emit", &WindowSettings::emit,
      {.help = "`each`: every result is a FlowFile, whose lineage names the readings of its key. `batch`: the results "
               "of a window are one FlowFile, newline-delimited, whose lineage names the readings of all keys.",
       .choices = {"each", "batch"}});
  return spec.relationship({"success", "A record for each key and window that closed."})
      .relationship({"late", "Readings that came later than is allowed, unchanged."})
      .relationship({"failure", "Records that cannot be read, or have no key, no time, or a value of the wrong type."});
}

}  // namespace weir::window
