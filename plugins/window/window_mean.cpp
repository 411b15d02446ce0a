#include "window_mean.h"

#include "key_text.h"

namespace weir::window {

namespace {

constexpr std::uint32_t kSuccess = 0;
constexpr std::uint32_t kLate = 1;

enum Column : std::size_t { kTime, kValue, kKey };

/// What the key is called in the mean, as it begins a JSON member.
std::string key_member(const std::optional<std::string>& key) {
  if (!key) return {};
  auto name = field_name(*key);
  if (name.empty()) name = "key";
  for (const auto* taken : {"window_start", "window_end", "mean", "count", "revision"}) {
    if (name == taken)
      throw Misconfigured("key: a mean has a field '" + name +
                          "' of its own; rename the key's field by a Select before");
  }
  std::string member;
  append_json_string(member, name);
  return member + ":";
}

}  // namespace

const Spec<WindowMeanSettings>& window_mean_spec() {
  static const auto spec =
      Spec<WindowMeanSettings>("WindowMean", "The mean of a field over windows of event time, for each key.")
          .description(
              "Readings are put into tumbling windows by their own time (event time), not by when they arrive: windows "
              "of `window`, aligned to 1970 in UTC, start included, end excluded. When a window closes, each key that "
              "had readings in it gives one record:\n\n"
              "```json\n"
              "{\"sensor_id\":\"s-1\",\"window_start\":\"2026-03-01T12:00:00Z\",\"window_end\":\"2026-03-01T12:01:"
              "00Z\","
              "\"mean\":21.5,\"count\":60,\"revision\":0}\n"
              "```\n\n"
              "**When a window closes.** The words and rules are Flink's (\"Generating Watermarks\", \"Windows\"). "
              "Each "
              "input connection has a watermark: its latest event time less `out_of_orderness`. The processor's is the "
              "lowest of them, and never goes back. A window closes when the watermark reaches its end. An input that "
              "brought nothing for `idle_timeout` is left out, so that a quiet branch does not hold the means of the "
              "others; if all inputs are idle, the furthest counts. Time stands still without readings: the last "
              "window "
              "closes when a later reading comes, or, in batch mode (`--until-idle`), at the end.\n\n"
              "**Late readings.** A reading whose window has closed is still counted for `allowed_lateness` after "
              "that, "
              "by the watermark: the mean is emitted again with `revision` one higher (readings that arrive together "
              "make one revision). A sink that upserts on key and `window_start` keeps the last. Readings later than "
              "that go to `late` with their own bytes.\n\n"
              "**What does not count.** A reading whose value is NULL moves the watermark and nothing else (metric "
              "`window_ignored_readings`). A key or time that is NULL, a value that is no number, and a time more than "
              "`max_ahead` before the flow's clock go to `failure`: one clock that runs ahead would make everyone "
              "else's readings late.\n\n"
              "**Exactness.** Sums are doubles with Neumaier's compensation: the error does not grow with the number "
              "of "
              "readings. The result depends on the order of the readings alone, not on batches, restarts or crashes. "
              "Open windows are part of the durable state. Lineage is exact: a mean names every FlowFile that had a "
              "reading in it.")
          .example(
              "type: WindowMean\nkey: sensor_id\ntime: timestamp\nvalue: temperature\nwindow: 1m\n"
              "allowed_lateness: 30s\n")
          .property("key", &WindowMeanSettings::key,
                    {.help = "A field, or an SQL expression: each of its values has windows of its own. Unset: one "
                             "mean over all. In the mean the field keeps its name; an expression is called `key`.",
                     .example = "sensor_id",
                     .kind = Kind::field})
          .property("time", &WindowMeanSettings::time,
                    {.help = "The event time: a field, or an SQL expression. Its format is what the record's "
                             "declaration says; undeclared, RFC 3339 or Unix time by its size.",
                     .kind = Kind::field})
          .property("value", &WindowMeanSettings::value,
                    {.help = "What the mean is of: a field, or an SQL expression; a number.",
                     .example = "temperature",
                     .required = true,
                     .kind = Kind::field})
          .property("window", &WindowMeanSettings::window,
                    {.help = "The size of the windows.", .example = "1m", .required = true, .above = 0.0})
          .property("allowed_lateness", &WindowMeanSettings::allowed_lateness,
                    {.help = "How long after a window has closed readings still correct its mean, in event time. The "
                             "window stays in the state for as long.",
                     .example = "30s",
                     .min = 0})
          .property("out_of_orderness", &WindowMeanSettings::out_of_orderness,
                    {.help = "How far readings may be out of order: the watermark stays so far behind the latest, and "
                             "each mean comes so much later.",
                     .example = "5s",
                     .min = 0})
          .property("idle_timeout", &WindowMeanSettings::idle_timeout,
                    {.help = "An input that brought nothing for so long, by the flow's clock, does not hold the "
                             "watermark. `0s`: it always does.",
                     .min = 0})
          .property("max_ahead", &WindowMeanSettings::max_ahead,
                    {.help = "A reading whose time is further in the future goes to `failure`. `0s`: any time is "
                             "taken.",
                     .min = 0})
          .property("emit", &WindowMeanSettings::emit,
                    {.help = "`each`: every mean is a FlowFile, whose lineage names the readings of its key. `batch`: "
                             "the means of a window are one FlowFile, newline-delimited, whose lineage names the "
                             "readings of all keys.",
                     .choices = {"each", "batch"}})
          .relationship({"success", "The means."})
          .relationship({"late", "Readings that came later than is allowed, unchanged."})
          .relationship(
              {"failure", "Records that cannot be read, or have no key, no time, or a value that is no number."})
          .state(
              "Count and sum of each key's windows that are open or may be revised, and each input's latest event "
              "time.");
  return spec;
}

WindowMean::WindowMean(WindowMeanSettings settings)
    : settings_(std::move(settings)),
      windows_(settings_.window.count()),
      watermark_("t", settings_.out_of_orderness.count(), settings_.idle_timeout.count()),
      panes_(settings_.emit == "each", settings_.allowed_lateness.count()),
      writer_(key_member(settings_.key), settings_.emit == "each", kSuccess) {}

void WindowMean::start(Context& context) {
  Query query(context);
  query.column(settings_.time, As::time).column(settings_.value, As::number);
  if (settings_.key) query.column(*settings_.key);
  statement_ = query.prepare();
  std::vector<std::string> inputs;
  for (const auto& input : context.inputs()) inputs.emplace_back(view(input.id));
  watermark_.start(inputs);
  late_metric_ = context.counter("window_late_readings", "Readings that came later than is allowed.");
  ignored_metric_ = context.counter("window_ignored_readings", "Readings whose value was NULL.");
  emitted_metric_ = context.counter("window_emitted", "Means that were emitted, revisions included.");
  watermark_metric_ = context.gauge("window_watermark_seconds", "The watermark, in seconds since 1970.");
}

void WindowMean::step(Batch batch, Session& session) {
  watermark_.begin(session, batch.empty() ? std::string_view() : session.connection());
  panes_.begin(session, watermark_.watermark());
  window_ = {};
  latest_allowed_ = settings_.max_ahead.count() == 0 ? std::numeric_limits<std::int64_t>::max()
                                                     : later(session.now(), settings_.max_ahead.count());
  late_ = ignored_ = 0;
  if (!batch.empty()) {
    RecordSplit split(session, batch, [&](FlowFile file) { session.drop(file, "no reading in it has a value"); });
    statement_.run(session, batch, [&](const Row& row) {
      split.begin(row);
      read(row, split, session);
    });
    split.end();
  }
  panes_.save();
  fire(session);
  late_metric_.add(static_cast<double>(late_));
  ignored_metric_.add(static_cast<double>(ignored_));
}

void WindowMean::read(const Row& row, RecordSplit& split, Session& session) {
  if (row.error.size > 0) return split.reject(view(row.error));
  const auto& time = row.values[kTime];
  if (time.type == ValueType::null) return split.reject("no time: " + settings_.time + " is NULL");
  if (time.integer > latest_allowed_)
    return split.reject("the time " + settings_.time + " is further ahead than max_ahead allows");
  if (!window_.contains(time.integer)) {
    const auto window = windows_.assign(time.integer);
    if (!window) return split.reject("the time " + settings_.time + " lies outside of the years 1678 to 2261");
    window_ = *window;
  }
  std::string_view key;
  if (settings_.key) {
    if (row.values[kKey].type == ValueType::null) return split.reject("no key: " + *settings_.key + " is NULL");
    key = key_text(row.values[kKey], key_);
  }
  if (panes_.is_late(window_, watermark_.watermark())) {
    ++late_;
    return split.route(kLate);
  }
  const auto& value = row.values[kValue];
  if (value.type == ValueType::null) {
    ++ignored_;
  } else {
    auto& pane = panes_.at(window_, key);
    if (!pane.accumulator.add(value.real))
      return split.reject("the sum of " + settings_.value + " in its window is beyond the range of a double");
    pane.changed = true;
    if (pane.last_input != row.input) {
      pane.last_input = row.input;
      session.raw()->contribute(row.input, pane.group);
    }
  }
  watermark_.observe(time.integer);
  split.consume();
}

void WindowMean::fire(Session& session) {
  const bool more = panes_.fire(
      watermark_.watermark(), [&](const Panes::Pane& pane) { writer_.write(session, pane); },
      [&] { return session.over_budget(); });
  emitted_metric_.add(static_cast<double>(writer_.finish(session)));
  watermark_.end(session);
  if (more) session.tick_at(session.now());
  if (watermark_.watermark() != kLongAgo) watermark_metric_.set(static_cast<double>(watermark_.watermark()) / 1e9);
}

void WindowMean::tick(Session& session) {
  step(Batch(session.raw()), session);
}

void WindowMean::finish(Session& session) {
  watermark_.begin(session, {});
  panes_.begin(session, watermark_.watermark());
  panes_.fire_all([&](const Panes::Pane& pane) { writer_.write(session, pane); });
  emitted_metric_.add(static_cast<double>(writer_.finish(session)));
}

}  // namespace weir::window
