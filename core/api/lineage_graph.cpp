// How the steps of a lineage hang together: by FlowFiles that one event put out and another took in.

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "api/json.h"
#include "api/provenance_pages.h"

namespace weir::api {

namespace json = boost::json;
using store::Interval;
using store::LineageStep;

namespace {

constexpr std::size_t kMostIntervals = 100;  ///< shown of a node or an edge

json::array intervals_json(const std::vector<Interval>& intervals) {
  json::array pairs;
  for (std::size_t i = 0; i < std::min(intervals.size(), kMostIntervals); ++i)
    pairs.push_back(json::array{intervals[i].first, intervals[i].count});
  return pairs;
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value() : json::value(utf8(text));
}

json::object node_json(const std::string& id, const LineageStep& step, std::int64_t depth) {
  const auto& event = step.event;
  json::object node{{"id", id},
                    {"kind", "event"},
                    {"depth", depth},
                    {"type", store::name_of(event.type)},
                    {"processor", event.processor},
                    {"time", time_json(event.time)},
                    {"duration_seconds", static_cast<double>(event.duration) / 1e9},
                    {"bytes", event.bytes},
                    {"transit_uri", text_or_null(event.transit_uri)},
                    {"details", utf8(event.details)},
                    {"in_connection", text_or_null(event.in_connection)},
                    {"inputs", intervals_json(step.inputs)},
                    {"out_connection", text_or_null(event.out_connection)},
                    {"outputs", intervals_json(step.outputs)}};
  if (step.inputs.size() > kMostIntervals) node["inputs_more"] = true;
  if (step.outputs.size() > kMostIntervals) node["outputs_more"] = true;
  return node;
}

/// FlowFiles that a node put out, or took in.
struct End {
  Interval interval;
  std::size_t node;
};
using Ends = std::map<std::string, std::vector<End>>;  ///< by connection

void add(Ends& ends, const std::string& connection, const std::vector<Interval>& intervals, std::size_t node) {
  if (connection.empty()) return;
  for (const auto& interval : intervals) ends[connection].push_back({interval, node});
}

/// Calls `meet` with each pair of a producer and a consumer that have FlowFiles of one connection in common.
template <class Meet>
void join(Ends producers, const Ends& consumers, const Meet& meet) {
  for (const auto& [connection, takers] : consumers) {
    const auto found = producers.find(connection);
    if (found == producers.end()) continue;
    auto& givers = found->second;
    std::sort(givers.begin(), givers.end(),
              [](const End& a, const End& b) { return a.interval.first < b.interval.first; });
    std::vector<std::uint64_t> reach;  // the largest end of all up to each
    for (const auto& giver : givers)
      reach.push_back(std::max(reach.empty() ? 0 : reach.back(), giver.interval.first + giver.interval.count));
    for (const auto& taker : takers) {
      const auto end = taker.interval.first + taker.interval.count;
      auto at = static_cast<std::size_t>(
          std::lower_bound(givers.begin(), givers.end(), end,
                           [](const End& giver, std::uint64_t limit) { return giver.interval.first < limit; }) -
          givers.begin());
      while (at-- > 0 && reach[at] > taker.interval.first) {
        const auto& given = givers[at].interval;
        const auto first = std::max(given.first, taker.interval.first);
        const auto last = std::min(given.first + given.count, end);
        if (first < last && givers[at].node != taker.node)
          meet(connection, givers[at].node, taker.node, Interval{first, last - first});
      }
    }
  }
}

/// Sorted, and neighbours made one.
std::vector<Interval> merged(std::vector<Interval> intervals) {
  std::sort(intervals.begin(), intervals.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Interval> result;
  for (const auto& each : intervals) {
    if (!result.empty() && each.first <= result.back().first + result.back().count) {
      result.back().count =
          std::max(result.back().first + result.back().count, each.first + each.count) - result.back().first;
    } else {
      result.push_back(each);
    }
  }
  return result;
}

}  // namespace

json::object lineage_graph(const store::Place& place, const std::vector<LineageStep>& ancestors,
                           const std::vector<LineageStep>& descendants) {
  const auto name = place.connection + ":" + std::to_string(place.sequence);
  std::vector<std::string> ids{"flowfile"};
  json::array nodes{json::object{
      {"id", "flowfile"}, {"kind", "flowfile"}, {"connection", place.connection}, {"sequence", place.sequence}}};
  Ends produced_above, consumed_above, produced_below, consumed_below;
  const std::vector<Interval> itself{{place.sequence, 1}};
  add(consumed_above, place.connection, itself, 0);
  add(produced_below, place.connection, itself, 0);
  for (std::size_t i = 0; i < ancestors.size(); ++i) {
    const auto& step = ancestors[i];
    add(produced_above, step.event.out_connection, step.outputs, ids.size());
    add(consumed_above, step.event.in_connection, step.inputs, ids.size());
    ids.push_back("a" + std::to_string(i + 1));
    nodes.push_back(node_json(ids.back(), step, -static_cast<std::int64_t>(step.depth)));
  }
  for (std::size_t i = 0; i < descendants.size(); ++i) {
    const auto& step = descendants[i];
    add(produced_below, step.event.out_connection, step.outputs, ids.size());
    add(consumed_below, step.event.in_connection, step.inputs, ids.size());
    ids.push_back("d" + std::to_string(i + 1));
    nodes.push_back(node_json(ids.back(), step, step.depth));
  }
  std::map<std::pair<std::pair<std::size_t, std::size_t>, std::string>, std::vector<Interval>> edges;
  const auto meet = [&](const std::string& connection, std::size_t from, std::size_t to, const Interval& both) {
    edges[{{from, to}, connection}].push_back(both);
  };
  join(std::move(produced_above), consumed_above, meet);
  join(std::move(produced_below), consumed_below, meet);
  json::array lines;
  for (auto& [way, intervals] : edges) {
    const auto together = merged(std::move(intervals));
    std::uint64_t count = 0;
    for (const auto& interval : together) count += interval.count;
    json::object line{{"from", ids[way.first.first]},
                      {"to", ids[way.first.second]},
                      {"connection", way.second},
                      {"flowfiles", intervals_json(together)},
                      {"count", count}};
    if (together.size() > kMostIntervals) line["flowfiles_more"] = true;
    lines.push_back(std::move(line));
  }
  return {{"flowfile", name}, {"nodes", std::move(nodes)}, {"edges", std::move(lines)}};
}

}  // namespace weir::api
