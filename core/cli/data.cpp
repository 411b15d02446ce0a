#include "cli/data.h"

#include <date/date.h>
#include <fmt/chrono.h>
#include <fmt/core.h>

#include <boost/json.hpp>
#include <chrono>
#include <iostream>
#include <limits>
#include <optional>
#include <stdexcept>

#include "sql/time_format.h"
#include "store/check.h"
#include "store/provenance.h"
#include "store/replay.h"

namespace weir::cli {

namespace {

using boost::json::object;

std::string time_text(std::int64_t nanoseconds) {
  const std::chrono::sys_time<std::chrono::nanoseconds> time{std::chrono::nanoseconds(nanoseconds)};
  return date::format("%FT%TZ", std::chrono::floor<std::chrono::milliseconds>(time));
}

std::optional<std::int64_t> parse_time(const std::string& option, const std::string& text) {
  if (text.empty()) return std::nullopt;
  std::int64_t time = 0;
  if (sql::parse_rfc3339(text, time) || sql::parse_rfc3339(text + "T00:00:00Z", time)) return time;
  throw std::invalid_argument(
      fmt::format("{} {}: expected a time such as 2026-01-31 or 2026-01-31T12:00:00Z", option, text));
}

/// `17`, or `17-20`.
std::string range_text(const store::Interval& interval) {
  if (interval.count == 1) return std::to_string(interval.first);
  return fmt::format("{}-{}", interval.first, interval.first + interval.count - 1);
}

std::string ranges_text(const std::vector<store::Interval>& intervals) {
  std::string text;
  for (const auto& interval : intervals) text += (text.empty() ? "" : ",") + range_text(interval);
  return text;
}

boost::json::array ranges_json(const std::vector<store::Interval>& intervals) {
  boost::json::array array;
  for (const auto& interval : intervals) array.push_back({interval.first, interval.count});
  return array;
}

object event_json(const store::ProvenanceEvent& event) {
  object out;
  out["type"] = store::name_of(event.type);
  out["processor"] = event.processor;
  out["time"] = time_text(event.time);
  out["duration_ns"] = event.duration;
  out["bytes"] = event.bytes;
  if (!event.in_connection.empty()) out["in_connection"] = event.in_connection;
  if (!event.out_connection.empty()) out["out_connection"] = event.out_connection;
  if (!event.transit_uri.empty()) out["transit_uri"] = event.transit_uri;
  if (!event.details.empty()) out["details"] = event.details;
  return out;
}

void print_event(const store::ProvenanceEvent& event, const std::string& inputs, const std::string& outputs) {
  fmt::print("{}  {:<19} {:<24}", time_text(event.time), store::name_of(event.type), event.processor);
  if (!event.in_connection.empty()) fmt::print("  {}:{}", event.in_connection, inputs);
  if (!event.out_connection.empty()) fmt::print("  -> {}:{}", event.out_connection, outputs);
  if (!event.transit_uri.empty()) fmt::print("  {}", event.transit_uri);
  if (!event.details.empty()) fmt::print("  ({})", event.details);
  fmt::print("\n");
}

void print_summary(const store::ProvenanceSummary& summary, bool json) {
  if (json) {
    fmt::print("{}\n", serialize(object{{"found", summary.found},
                                        {"limited", summary.limited},
                                        {"removed_by_retention", summary.removed_by_retention}}));
    return;
  }
  if (summary.found == 0) fmt::print("nothing found\n");
  if (summary.limited) fmt::print("there is more: --limit shows more\n");
  if (summary.removed_by_retention) fmt::print("older parts have been removed by the flow's provenance retention\n");
}

store::ProvenanceSummary events(store::Provenance& provenance, const ProvenanceOptions& options) {
  store::EventFilter filter;
  filter.processor = options.processor;
  filter.connection = options.connection;
  filter.transit = options.transit;
  filter.limit = options.limit;
  filter.from = parse_time("--from", options.from);
  filter.to = parse_time("--to", options.to);
  if (!options.type.empty()) {
    filter.type = store::event_type(options.type);
    if (!filter.type)
      throw std::invalid_argument(
          "--type " + options.type +
          ": expected CREATE, RECEIVE, FETCH, SEND, FORK, JOIN, CLONE, ROUTE, CONTENT_MODIFIED, "
          "ATTRIBUTES_MODIFIED, DROP, EXPIRE or REPLAY");
  }
  if (!options.attribute.empty()) {
    const auto equals = options.attribute.find('=');
    if (equals == std::string::npos)
      throw std::invalid_argument("--attribute " + options.attribute + ": expected NAME=VALUE");
    filter.attribute = options.attribute.substr(0, equals);
    filter.value = options.attribute.substr(equals + 1);
  }
  return provenance.events(filter, [&](const store::ProvenanceEvent& event) {
    if (options.json) {
      auto out = event_json(event);
      out["inputs"] = {event.inputs.first, event.inputs.count};
      out["outputs"] = {event.outputs.first, event.outputs.count};
      fmt::print("{}\n", serialize(out));
    } else {
      print_event(event, range_text(event.inputs), range_text(event.outputs));
    }
    return true;
  });
}

store::Place place_of(const std::string& text) {
  if (auto place = store::parse_place(text)) return *place;
  throw std::invalid_argument(
      "'" + text + "' names no FlowFile: expected CONNECTION:SEQUENCE, such as lake/readings/success/archive:17");
}

store::ProvenanceSummary lineage(store::Provenance& provenance, const ProvenanceOptions& options) {
  const auto place = place_of(options.place);
  const auto visit = [&](const store::LineageStep& step) {
    if (options.json) {
      auto out = event_json(step.event);
      out["depth"] = step.depth;
      out["inputs"] = ranges_json(step.inputs);
      out["outputs"] = ranges_json(step.outputs);
      fmt::print("{}\n", serialize(out));
    } else {
      fmt::print("{:>3}  ", step.depth);
      print_event(step.event, ranges_text(step.inputs), ranges_text(step.outputs));
    }
    return true;
  };
  store::LineageLimits limits;
  limits.steps = options.limit;
  return options.verb == "ancestors" ? provenance.ancestors(place, visit, limits)
                                     : provenance.descendants(place, visit, limits);
}

}  // namespace

int run_provenance(const ProvenanceOptions& options) {
  try {
    store::Provenance provenance(options.data);
    const auto summary = options.verb == "events" ? events(provenance, options) : lineage(provenance, options);
    print_summary(summary, options.json);
    if (summary.found == 0 && !options.attribute.empty() && !options.json)
      fmt::print("attributes are found that the flow names, `provenance: {{index: [{}]}}`, from then on\n",
                 options.attribute.substr(0, options.attribute.find('=')));
    return 0;
  } catch (const std::invalid_argument& error) {
    fmt::print(stderr, "weir: {}\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "weir: {}\n", error.what());
    return 1;
  }
}

int run_replay(const ReplayOptions& options) {
  try {
    const auto place = place_of(options.place);
    store::Options store_options;
    store_options.directory = options.data;
    // What provenance keeps is the flow's to say.
    store_options.keep_provenance_for = std::numeric_limits<std::int64_t>::max();
    store_options.keep_provenance_bytes = std::numeric_limits<std::uint64_t>::max();
    const auto store = store::Store::open_existing(store_options);
    const auto now = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
    const auto as = store::replay(*store, place, now);
    if (options.json) {
      fmt::print("{}\n", serialize(object{{"connection", place.connection}, {"sequence", place.sequence}, {"as", as}}));
    } else {
      fmt::print("{0}:{1} is queued again as {0}:{2}; the next `weir run` takes it\n", place.connection, place.sequence,
                 as);
    }
    return 0;
  } catch (const std::invalid_argument& error) {
    fmt::print(stderr, "weir: {}\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "weir: {}\n", error.what());
    return 1;
  }
}

int run_check(const std::string& data) {
  return store::run_check(data, std::cout) == 0 ? 0 : 1;
}

}  // namespace weir::cli
