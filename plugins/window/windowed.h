#pragma once
// The machinery of processors that aggregate over windows: readings into panes by key and time, panes out when the
// watermark has passed them. What is kept of the readings, and what is written of it, is a Job's:
//
//   struct Job {
//     using Accumulator = …;                               // what WindowStore keeps
//     void add_columns(Query&) const;                       // what it reads of a record
//     bool counts(const Value* columns) const;              // false: nothing of this reading counts
//     bool add(Accumulator&, const Value* columns, std::int64_t time);  // false, and nothing changed: error() says why
//     std::string error() const;
//     void append(std::string& record, const Accumulator&) const;       // members, a comma behind each
//     std::string shape() const;                            // what the accumulator's layout depends on; may be empty
//   };

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "key_text.h"
#include "lane_windows.h"
#include "watermark.h"
#include "weir/processor.h"
#include "weir/split.h"
#include "weir/sql.h"
#include "window_settings.h"
#include "window_store.h"
#include "window_writer.h"
#include "windows.h"

namespace weir::window {

/// One step: each reading goes into its pane, then the panes that the watermark has passed are emitted. All it knows is
/// in the session's state.
template <class Job>
class Windowed : public Processor {
 public:
  /// `key_name` as key_member() makes it.
  Windowed(const WindowSettings& settings, Job job, std::string key_name)
      : settings_(settings),
        job_(std::move(job)),
        windows_(settings_.window.count()),
        watermark_("t", settings_.out_of_orderness.count(), settings_.idle_timeout.count()),
        panes_(settings_.emit == "each", settings_.allowed_lateness.count()),
        writer_(std::move(key_name), settings_.emit == "each", kSuccess) {}

  void start(Context& context) override {
    Query query(context);
    query.column(settings_.time, As::time);
    if (settings_.key) query.column(*settings_.key);
    first_column_ = settings_.key ? kKey + 1 : kKey;
    job_.add_columns(query);
    statement_ = query.prepare();
    std::vector<std::string> inputs;
    for (const auto& input : context.inputs()) inputs.emplace_back(view(input.id));
    watermark_.start(inputs);
    lane_ = LaneWindows(context, settings_.allowed_lateness.count());
    late_metric_ = context.counter("window_late_readings", "Readings that came later than is allowed.");
    ignored_metric_ = context.counter("window_ignored_readings", "Readings whose values were all NULL.");
    emitted_metric_ = context.counter("window_emitted", "Results that were emitted, revisions included.");
    watermark_metric_ = context.gauge("window_watermark_seconds", "The watermark, in seconds since 1970.");
  }

  void step(Batch batch, Session& session) override {
    check_shape(session);
    lane_.begin(session, watermark_);
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
    if (!batch.empty()) lane_.end(watermark_);
    late_metric_.add(static_cast<double>(late_));
    ignored_metric_.add(static_cast<double>(ignored_));
  }

  void tick(Session& session) override { step(Batch(session.raw()), session); }

  void finish(Session& session) override {
    check_shape(session);
    watermark_.begin(session, {});
    panes_.begin(session, watermark_.watermark());
    panes_.fire_all([&](const Pane& pane) { write(session, pane); });
    emitted_metric_.add(static_cast<double>(writer_.finish(session)));
  }

 private:
  using Panes = WindowStore<typename Job::Accumulator>;
  using Pane = typename Panes::Pane;
  enum Column : std::size_t { kTime, kKey };

  void read(const Row& row, RecordSplit& split, Session& session) {
    if (row.error.size > 0) return split.reject(view(row.error));
    const auto& time = row.values[kTime];
    if (time.type == ValueType::null) return split.reject("no time: " + settings_.time + " is NULL");
    if (!lane_.takes(time.integer)) return split.consume();
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
    const auto* values = row.values + first_column_;
    if (!job_.counts(values)) {
      ++ignored_;
    } else {
      lane_.count(window_);
      auto& pane = panes_.at(window_, key);
      if (!job_.add(pane.accumulator, values, time.integer)) return split.reject(job_.error());
      pane.changed = true;
      if (pane.last_input != row.input) {
        pane.last_input = row.input;
        session.raw()->contribute(row.input, pane.group);
      }
    }
    watermark_.observe(time.integer);
    split.consume();
  }

  void write(Session& session, const Pane& pane) {
    job_.append(writer_.begin(pane.window, pane.key), pane.accumulator);
    writer_.end(session, pane.group, lane_.revision(pane.revisions));
  }

  void fire(Session& session) {
    const bool more = panes_.fire(
        watermark_.watermark(), [&](const Pane& pane) { write(session, pane); }, [&] { return session.over_budget(); });
    emitted_metric_.add(static_cast<double>(writer_.finish(session)));
    watermark_.end(session);
    if (more) session.tick_at(session.now());
    if (watermark_.watermark() != kLongAgo) watermark_metric_.set(static_cast<double>(watermark_.watermark()) / 1e9);
  }

  /// Windows that are open were counted by the settings as they were: with others their results would be wrong.
  void check_shape(Session& session) {
    const auto shape = job_.shape();
    if (shape.empty()) return;
    const auto known = session.state("s");
    if (known == shape) return;
    if (known && panes_.any(session))
      throw Misconfigured(
          "the aggregates are not those that the windows in the state were begun with; run the flow with the old ones "
          "until they have closed, or give the processor a new name, which begins anew");
    session.set_state("s", shape);
  }

  WindowSettings settings_;
  Job job_;
  Statement statement_;
  std::size_t first_column_ = 0;  ///< of the job's
  TumblingWindows windows_;
  WatermarkTracker watermark_;
  Panes panes_;
  WindowWriter writer_;
  LaneWindows lane_;

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
