#include "window_aggregate.h"

#include <algorithm>
#include <cmath>

#include "key_text.h"
#include "number_text.h"

namespace weir::window {

const Fields<AggregateSettings>& AggregateSettings::fields() {
  static const auto fields =
      Fields<AggregateSettings>()
          .property("function", &AggregateSettings::function,
                    {.help = "What to compute.",
                     .required = true,
                     .choices = {"count", "sum", "min", "max", "mean", "deviation_sample", "deviation_population",
                                 "median", "quantile", "first", "last"}})
          .property("of", &AggregateSettings::of,
                    {.help = "A field, or an SQL expression. Only `count` can do without: it then counts readings.",
                     .example = "temperature",
                     .kind = Kind::field})
          .property("quantile", &AggregateSettings::quantile,
                    {.help = "Which one, with `function: quantile`.", .example = "0.9", .min = 0, .max = 1});
  return fields;
}

const Spec<WindowAggregateSettings>& window_aggregate_spec() {
  static const auto spec = [] {
    Spec<WindowAggregateSettings> made(
        "WindowAggregate", "Several aggregates over several fields, in windows of event time, for each key.");
    made.description(
            "Readings are put into tumbling windows by their own time (event time), not by when they arrive: windows "
            "of `window`, aligned to 1970 in UTC, start included, end excluded. When a window closes, each key that "
            "had readings in it gives one record, with the aggregates in the order they are written:\n\n"
            "```json\n"
            "{\"sensor_id\":\"s-1\",\"window_start\":\"2026-03-01T12:00:00Z\",\"window_end\":\"2026-03-01T12:01:00Z\","
            "\"readings\":60,\"warmest\":23.1,\"p90\":22.74,\"status\":\"ok\",\"revision\":0}\n"
            "```\n\n"
            "**Functions.** All leave NULLs out, and give null where nothing is left (`count` gives 0).\n"
            "- `count`: of values, or without `of` of readings.\n"
            "- `sum`, `mean`: of numbers; doubles with Neumaier's compensation, so the error does not grow with the "
            "number of readings.\n"
            "- `min`, `max`: of numbers.\n"
            "- `deviation_sample` (divides by n-1; null below two values), `deviation_population` (by n): standard "
            "deviation, by Welford's method.\n"
            "- `first`, `last`: the value, of any type and with its bytes, at the earliest and the latest event time; "
            "of equal times the one that came first, and last.\n"
            "- `median`, `quantile`: within 1% of the value whose rank is floor(q (n-1)); the least and the greatest "
            "are exact. By DDSketch (Masson, Rim, Lee: \"DDSketch\", PVLDB 12(12), 2019), bounded to 2,048 buckets a "
            "window: values of one window may span 17 orders of magnitude before buckets are joined (UDDSketch, "
            "Epicoco et al., IEEE Access 8, 2020) and the bound becomes 2%, then 4%, and so on.\n\n" +
            std::string(kTimeRules) +
            "\n\n"
            "**Exactness.** The result depends on the order of the readings alone, not on batches, restarts or "
            "crashes. Open windows are part of the durable state; with other aggregates it refuses to go on while "
            "windows are open. Lineage is exact: a result names every FlowFile that had a reading in it.")
        .example(
            "type: WindowAggregate\nkey: sensor_id\ntime: timestamp\nwindow: 1m\naggregates:\n"
            "  readings: {function: count}\n  warmest: {function: max, of: temperature}\n"
            "  p90: {function: quantile, of: temperature, quantile: 0.9}\n  status: {function: last, of: status}\n")
        .property("aggregates", &WindowAggregateSettings::aggregates,
                  {.help = "Fields of the result, and what each is.",
                   .example = "{warmest: {function: max, of: temperature}}",
                   .required = true})
        .state(
            "Of each key's windows that are open or may be revised what its aggregates need: a few numbers for each "
            "field, and for quantiles the counts of up to 2,048 buckets; and each input's latest event time.");
    return window_properties(made);
  }();
  return spec;
}

AggregateJob::AggregateJob(const std::vector<std::pair<std::string, AggregateSettings>>& aggregates) {
  if (aggregates.empty()) throw Misconfigured("aggregates: at least one is needed");
  for (const auto& [name, given] : aggregates) {
    const auto property = "aggregates." + name;
    if (name == "window_start" || name == "window_end" || name == "revision")
      throw Misconfigured(property + ": the result has a field of that name already");
    auto function = function_of(given.function);
    if (!given.of && function != Function::count)
      throw Misconfigured(property + ": " + given.function + " needs the field that it is of: " + "of: FIELD");
    if ((given.function == "quantile") != given.quantile.has_value())
      throw Misconfigured(property + (given.quantile ? ": only function: quantile has a quantile"
                                                     : ": which quantile? As in quantile: 0.9"));
    Aggregate aggregate{name, {}, function, 0, given.quantile.value_or(0.5)};
    append_json_string(aggregate.member, name);
    aggregate.member += ':';
    if (given.of) {
      const bool any = function == Function::count || function == Function::first || function == Function::last;
      aggregate.column = column(*given.of, !any);
      columns_[aggregate.column].kept |= kept_for(function);
    } else {
      aggregate.function = Function::readings;
      counts_all_ = true;
    }
    aggregates_.push_back(std::move(aggregate));
  }
  for (const auto& column : columns_)
    shape_ += std::to_string(column.kept) + (column.number ? " number " : " any ") + column.of + '\n';
  shape_ += counts_all_ ? "readings" : "values";
}

AggregateJob::Function AggregateJob::function_of(std::string_view name) {
  return name == "count"                  ? Function::count
         : name == "sum"                  ? Function::sum
         : name == "min"                  ? Function::min
         : name == "max"                  ? Function::max
         : name == "mean"                 ? Function::mean
         : name == "deviation_sample"     ? Function::sample
         : name == "deviation_population" ? Function::population
         : name == "first"                ? Function::first
         : name == "last"                 ? Function::last
                                          : Function::quantile;
}

std::uint32_t AggregateJob::kept_for(Function function) {
  switch (function) {
    case Function::readings:
    case Function::count:
      return 0;
    case Function::sum:
    case Function::mean:
      return kKeptSum;
    case Function::min:
    case Function::max:
      return kKeptExtremes;
    case Function::sample:
    case Function::population:
      return kKeptMoments;
    case Function::first:
      return kKeptFirst;
    case Function::last:
      return kKeptLast;
    case Function::quantile:
      return kKeptSketch;
  }
  return 0;
}

std::size_t AggregateJob::column(const std::string& of, bool number) {
  const auto at = std::find_if(columns_.begin(), columns_.end(),
                               [&](const Column& known) { return known.of == of && known.number == number; });
  if (at != columns_.end()) return static_cast<std::size_t>(at - columns_.begin());
  columns_.push_back({of, number, 0});
  return columns_.size() - 1;
}

std::vector<std::string> AggregateJob::names() const {
  std::vector<std::string> names;
  for (const auto& aggregate : aggregates_) names.push_back(aggregate.name);
  return names;
}

void AggregateJob::add_columns(Query& query) const {
  for (const auto& column : columns_) query.column(column.of, column.number ? As::number : As::any);
}

bool AggregateJob::counts(const Value* columns) const {
  if (counts_all_) return true;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (columns[i].type != ValueType::null) return true;
  }
  return false;
}

bool AggregateJob::add(Aggregates& aggregates, const Value* columns, std::int64_t time) {
  if (aggregates.columns.empty()) {
    for (const auto& column : columns_) aggregates.columns.emplace_back(column.kept);
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i].number && columns[i].type != ValueType::null && !aggregates.columns[i].fits(columns[i].real)) {
      error_ = "what is kept of " + columns_[i].of + " in its window is beyond the range of a double";
      return false;
    }
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const auto& value = columns[i];
    if (value.type == ValueType::null) continue;
    if (columns_[i].number) {
      aggregates.columns[i].add(value.real, time, {});
    } else {
      const auto raw = view(value.raw);
      aggregates.columns[i].add(time, raw.empty() ? key_text(value, json_) : raw);
    }
  }
  ++aggregates.readings;
  return true;
}

void AggregateJob::append(std::string& record, const Aggregates& aggregates) const {
  for (const auto& aggregate : aggregates_) {
    record += aggregate.member;
    if (aggregate.function == Function::readings) {
      append_number(record, aggregates.readings);
    } else if (aggregate.function == Function::count) {
      append_number(record, aggregates.columns[aggregate.column].count());
    } else if (aggregates.columns[aggregate.column].count() == 0) {
      record += "null";
    } else {
      append_value(record, aggregate, aggregates.columns[aggregate.column]);
    }
    record += ',';
  }
}

void AggregateJob::append_value(std::string& record, const Aggregate& aggregate, const Summary& summary) const {
  const auto n = static_cast<double>(summary.count());
  switch (aggregate.function) {
    case Function::readings:
    case Function::count:
      return;
    case Function::sum:
      return append_real(record, summary.sum());
    case Function::min:
      return append_real(record, summary.min());
    case Function::max:
      return append_real(record, summary.max());
    case Function::mean:
      return append_real(record, summary.mean());
    case Function::sample:
      if (summary.count() < 2) return void(record += "null");
      return append_real(record, std::sqrt(summary.squares() / (n - 1)));
    case Function::population:
      return append_real(record, std::sqrt(summary.squares() / n));
    case Function::first:
      return void(record += summary.first());
    case Function::last:
      return void(record += summary.last());
    case Function::quantile:
      return append_real(record, summary.sketch().quantile(aggregate.quantile));
  }
}

WindowAggregate::WindowAggregate(const WindowAggregateSettings& settings)
    : Windowed(settings, AggregateJob(settings.aggregates),
               key_member(settings.key, AggregateJob(settings.aggregates).names())) {}

}  // namespace weir::window
