#include "api/lane_pages.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <utility>
#include <vector>

#include "api/json.h"
#include "engine/lane_view.h"

namespace weir::api {

namespace json = boost::json;

namespace {

std::string text_of(const flow::LaneName& name) {
  return name.topic + "/" + std::to_string(name.partition);
}

/// Those that this Weir has now, for who did not name one of them.
std::string listed(const std::vector<engine::LaneStatus>& lanes) {
  std::string text;
  for (const auto& lane : lanes) text += (text.empty() ? "" : ", ") + text_of(lane.name);
  return text.empty() ? "it has none now" : "it has " + text;
}

json::value or_null(const std::optional<std::int64_t>& number) {
  return number ? json::value(*number) : json::value();
}

json::object lane_json(const engine::LaneStatus& lane) {
  return {{"lane", text_of(lane.name)},
          {"topic", lane.name.topic},
          {"partition", lane.name.partition},
          {"since", time_json(lane.since)},
          {"offset", or_null(lane.offset)},
          {"needed_from", or_null(lane.needed_from)},
          {"reads_again_from", or_null(lane.reads_again_from)},
          {"ready", lane.not_ready.empty()},
          {"problem", utf8(lane.not_ready)}};
}

Response lanes(const engine::Engine& engine, const std::string& flow) {
  const auto flows = engine.flows();
  if (std::none_of(flows.begin(), flows.end(), [&](const auto& each) { return each->name == flow; }))
    throw Refused(404, fmt::format("there is no flow '{}'", flow));
  json::array all;
  for (const auto& lane : engine.lanes_of(flow)) all.push_back(lane_json(lane));
  return json_response(json::object{{"scales_out", scales_out(engine, flow)}, {"lanes", std::move(all)}});
}

}  // namespace

std::string Asked::named(const std::string& connection) const {
  return lane.empty() ? connection : lane + connection.substr(connection.find('/'));
}

Asked asked(engine::Engine& engine, const std::string& flow, const Query& query) {
  const auto wanted = query.text("lane");
  if (!scales_out(engine, flow)) {
    if (wanted) throw Refused(400, fmt::format("'lane': {} does not scale out", flow));
    return {{std::shared_ptr<void>(), &engine}, {}};
  }
  const auto there = engine.lanes_of(flow);
  if (!wanted)
    throw Refused(400, fmt::format("{} scales out: each lane has queues and state of its own. Say which with "
                                   "lane=TOPIC/PARTITION; {}",
                                   flow, listed(there)));
  const auto found = std::ranges::find(there, *wanted, [](const auto& lane) { return text_of(lane.name); });
  auto lane = found == there.end() ? nullptr : engine.lane(found->name);
  if (lane == nullptr)
    throw Refused(404, fmt::format("this Weir does not run the lane '{}' of {}: {}", *wanted, flow, listed(there)));
  return {std::move(lane), found->name.id()};
}

std::vector<Asked> all_asked(engine::Engine& engine, const std::string& flow, const Query& query) {
  if (query.text("lane") || !scales_out(engine, flow)) return {asked(engine, flow, query)};
  std::vector<Asked> all;
  for (const auto& lane : engine.lanes_of(flow)) {
    if (auto running = engine.lane(lane.name)) all.push_back({std::move(running), lane.name.id()});
  }
  return all;
}

bool scales_out(const engine::Engine& engine, const std::string& flow) {
  const auto flows = engine.flows();
  return std::any_of(flows.begin(), flows.end(),
                     [&](const auto& each) { return each->name == flow && each->is_member; });
}

void refuse_to_change_lanes(const engine::Engine& engine, const std::string& flow) {
  if (!scales_out(engine, flow)) return;
  throw Refused(409, fmt::format("{} scales out: what its lanes have in queues and state comes from the topic, by the "
                                 "group's offsets, and changes with these alone. Stop all Weirs that run it and reset "
                                 "the group to an offset: reading goes on there, with windows that begin anew",
                                 flow));
}

void add_lane_pages(Router& router, engine::Engine& engine) {
  router.get("/flows/{flow}/lanes", "The lanes that this Weir has of a flow that scales out",
             [&engine](Call& call) { return lanes(engine, call.at[0]); });
}

}  // namespace weir::api
