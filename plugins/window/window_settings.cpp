#include "window_settings.h"

#include <algorithm>

#include "key_text.h"

namespace weir::window {

const std::string_view kTimeRules =
    "**When a window closes.** The words and rules are Flink's (\"Generating Watermarks\", \"Windows\"). Each input "
    "connection has a watermark: its latest event time less `out_of_orderness`. The processor's is the lowest of them, "
    "and never goes back. A window closes when the watermark reaches its end. An input that brought nothing for "
    "`idle_timeout` is left out, so that a quiet branch does not hold the results of the others; if all inputs are "
    "idle, the furthest counts. Time stands still without readings: the last window closes when a later reading comes, "
    "or, in batch mode (`--until-idle`), at the end.\n\n"
    "**Late readings.** A reading whose window has closed is still counted for `allowed_lateness` after that, by the "
    "watermark: the result is emitted again with `revision` one higher (readings that arrive together make one "
    "revision). A sink that upserts on key and `window_start` keeps the last. Readings later than that go to `late` "
    "with their own bytes.\n\n"
    "**What does not count.** A reading whose values are all NULL moves the watermark and nothing else, but for a "
    "`count` "
    "of readings (metric `window_ignored_readings`). A key or time that is NULL, a value that is no number where one "
    "is needed, and a time "
    "more than `max_ahead` before the flow's clock go to `failure`: one clock that runs ahead would make everyone "
    "else's readings late.";

std::string key_member(const std::optional<std::string>& key, const std::vector<std::string>& taken) {
  if (!key) return {};
  auto name = field_name(*key);
  if (name.empty()) name = "key";
  const bool own = name == "window_start" || name == "window_end" || name == "revision";
  if (own || std::find(taken.begin(), taken.end(), name) != taken.end())
    throw Misconfigured("key: the result has a field '" + name +
                        "' of its own; rename the key's field by a Select before");
  std::string member;
  append_json_string(member, name);
  return member + ":";
}

}  // namespace weir::window
