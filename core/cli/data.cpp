#include "cli/data.h"

#include <date/date.h>
#include <fmt/chrono.h>
#include <fmt/core.h>

#include <boost/json.hpp>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <optional>
#include <stdexcept>

#include "cli/terminal.h"
#include "sql/time_format.h"
#include "store/check.h"
#include "store/directory_lock.h"
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
  if (!event.transit_uri.empty()) fmt::print("  {}", shown(event.transit_uri));
  if (!event.details.empty()) fmt::print("  ({})", shown(event.details));
  fmt::print("\n");
}

void print_summary(const store::ProvenanceSummary& summary, bool json) {
  if (json) {
    fmt::print("{}\n", shown_json(serialize(object{{"found", summary.found},
                                                   {"limited", summary.limited},
                                                   {"removed_by_retention", summary.removed_by_retention}})));
    return;
  }
  if (summary.found == 0) fmt::print("nothing found\n");
  if (summary.limited) fmt::print("there is more: --limit shows more\n");
  if (summary.removed_by_retention) fmt::print("older parts have been removed by the flow's provenance retention\n");
}

void print_found(const store::ProvenanceEvent& event, bool json) {
  if (json) {
    auto out = event_json(event);
    out["inputs"] = {event.inputs.first, event.inputs.count};
    out["outputs"] = {event.outputs.first, event.outputs.count};
    fmt::print("{}\n", shown_json(serialize(out)));
  } else {
    print_event(event, range_text(event.inputs), range_text(event.outputs));
  }
}

void print_step(const store::LineageStep& step, bool json) {
  if (json) {
    auto out = event_json(step.event);
    out["depth"] = step.depth;
    out["inputs"] = ranges_json(step.inputs);
    out["outputs"] = ranges_json(step.outputs);
    fmt::print("{}\n", shown_json(serialize(out)));
  } else {
    fmt::print("{:>3}  ", step.depth);
    print_event(step.event, ranges_text(step.inputs), ranges_text(step.outputs));
  }
}

store::EventFilter filter_of(const ProvenanceOptions& options) {
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
  return filter;
}

store::ProvenanceSummary events(store::Provenance& provenance, const ProvenanceOptions& options) {
  return provenance.events(filter_of(options), [&](const store::ProvenanceEvent& event) {
    print_found(event, options.json);
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
    print_step(step, options.json);
    return true;
  };
  store::LineageLimits limits;
  limits.steps = options.limit;
  return options.verb == "ancestors" ? provenance.ancestors(place, visit, limits)
                                     : provenance.descendants(place, visit, limits);
}

std::string text_of(const boost::json::value& object, const char* member) {
  const auto& value = object.at(member);
  return value.is_string() ? std::string(value.as_string()) : std::string();
}

store::Interval interval_of(const boost::json::value& pair) {
  if (pair.is_null()) return {};
  return {pair.at(0).to_number<std::uint64_t>(), pair.at(1).to_number<std::uint64_t>()};
}

std::vector<store::Interval> intervals_of(const boost::json::value& pairs) {
  std::vector<store::Interval> intervals;
  for (const auto& pair : pairs.as_array()) intervals.push_back(interval_of(pair));
  return intervals;
}

/// An event as the API has it, but for its ranges.
store::ProvenanceEvent event_of(const boost::json::value& from) {
  store::ProvenanceEvent event;
  event.type = store::event_type(text_of(from, "type")).value_or(event.type);
  event.processor = text_of(from, "processor");
  static_cast<void>(sql::parse_rfc3339(text_of(from, "time"), event.time));
  event.duration = std::llround(from.at("duration_seconds").to_number<double>() * 1e9);
  event.bytes = from.at("bytes").to_number<std::uint64_t>();
  event.in_connection = text_of(from, "in_connection");
  event.out_connection = text_of(from, "out_connection");
  event.transit_uri = text_of(from, "transit_uri");
  event.details = text_of(from, "details");
  return event;
}

store::ProvenanceSummary ask_events(Client& client, const ProvenanceOptions& options) {
  const auto filter = filter_of(options);  // what is wrong with the question is said alike
  auto target = "/provenance/events?limit=" + std::to_string(options.limit);
  const auto add = [&target](const char* name, const std::string& value) {
    if (!value.empty()) target += fmt::format("&{}={}", name, encoded(value));
  };
  add("processor", filter.processor);
  add("connection", filter.connection);
  add("type", options.type);
  add("attribute", filter.attribute);
  add("value", filter.value);
  add("transit", filter.transit);
  add("from", options.from);
  add("to", options.to);
  const auto answer = client.get(target);
  store::ProvenanceSummary summary;
  for (const auto& each : answer.at("events").as_array()) {
    auto event = event_of(each);
    event.inputs = interval_of(each.at("inputs"));
    event.outputs = interval_of(each.at("outputs"));
    print_found(event, options.json);
    ++summary.found;
  }
  summary.limited = answer.at("limited").as_bool();
  summary.removed_by_retention = answer.at("removed_by_retention").as_bool();
  return summary;
}

store::ProvenanceSummary ask_lineage(Client& client, const ProvenanceOptions& options) {
  static_cast<void>(place_of(options.place));
  const auto answer = client.get(fmt::format("/provenance/lineage?flowfile={}&direction={}&limit={}",
                                             encoded(options.place), options.verb, options.limit));
  store::ProvenanceSummary summary;
  for (const auto& node : answer.at("nodes").as_array()) {
    if (text_of(node, "kind") != "event") continue;
    store::LineageStep step;
    step.event = event_of(node);
    step.depth = static_cast<std::uint32_t>(std::abs(node.at("depth").to_number<std::int64_t>()));
    step.inputs = intervals_of(node.at("inputs"));
    step.outputs = intervals_of(node.at("outputs"));
    print_step(step, options.json);
    ++summary.found;
    // Of a step with very many ranges the API gives the first.
    summary.limited |= node.as_object().contains("inputs_more") || node.as_object().contains("outputs_more");
  }
  summary.limited |= answer.at("more").as_bool();
  summary.removed_by_retention = answer.at("removed_by_retention").as_bool();
  return summary;
}

store::ProvenanceSummary answer(const ProvenanceOptions& options) {
  if (options.remote) {
    Client client(*options.remote);
    return options.verb == "events" ? ask_events(client, options) : ask_lineage(client, options);
  }
  store::Provenance provenance(options.data);
  return options.verb == "events" ? events(provenance, options) : lineage(provenance, options);
}

void print_replayed(const store::Place& place, std::uint64_t as, bool json, const char* next) {
  if (json) {
    fmt::print(
        "{}\n",
        shown_json(serialize(object{{"connection", place.connection}, {"sequence", place.sequence}, {"as", as}})));
  } else {
    fmt::print("{0}:{1} is queued again as {0}:{2}{3}\n", place.connection, place.sequence, as, next);
  }
}

void replay_in(const std::string& data, const store::Place& place, bool json) {
  store::Options options;
  options.directory = data;
  // What provenance keeps is the flow's to say.
  options.keep_provenance_for = std::numeric_limits<std::int64_t>::max();
  options.keep_provenance_bytes = std::numeric_limits<std::uint64_t>::max();
  const auto store = store::Store::open_existing(options);
  const auto now = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  print_replayed(place, store::replay(*store, place, now), json, "; the next `weir run` takes it");
}

void replay_by(const Remote& remote, const std::string& text, bool json) {
  const auto answer = Client(remote).post("/provenance/replay", {{"flowfile", text}});
  print_replayed(place_of(text), place_of(text_of(answer, "as")).sequence, json, "");
}

}  // namespace

int run_provenance(const ProvenanceOptions& options) {
  try {
    const auto summary = answer(options);
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
    if (options.remote) {
      replay_by(*options.remote, options.place, options.json);
    } else {
      replay_in(options.data, place, options.json);
    }
    return 0;
  } catch (const std::invalid_argument& error) {
    fmt::print(stderr, "weir: {}\n", error.what());
    return 2;
  } catch (const store::InUse& error) {
    fmt::print(stderr, "weir: {}; with --url the Weir that runs there replays it\n", error.what());
    return 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "weir: {}\n", error.what());
    return 1;
  }
}

int run_check(const std::string& data) {
  return store::run_check(data, std::cout) == 0 ? 0 : 1;
}

}  // namespace weir::cli
