#include "api/flow_pages.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <map>

#include "api/json.h"
#include "api/snapshot.h"
#include "flow/settings.h"
#include "store/bulletins.h"
#include "weir/sql.h"

namespace weir::api {

namespace {

namespace json = boost::json;
using engine::Instance;

constexpr std::uint32_t kMostEarlier = 1'000;

json::value settings(const boost::property_tree::ptree& tree) {
  if (tree.empty()) return json::value(tree.data());
  const bool list = std::all_of(tree.begin(), tree.end(), [](const auto& child) { return child.first.empty(); });
  if (list) {
    json::array items;
    for (const auto& [key, child] : tree) items.push_back(settings(child));
    return items;
  }
  json::object members;
  for (const auto& [key, child] : tree) members[key] = settings(child);
  return members;
}

Response missing(std::string_view what) {
  return json_error(404, fmt::format("there is no {}", what));
}

Response status(engine::Engine& engine, const std::string& version, std::int64_t started) {
  std::string why_not;
  const bool ready = engine.ready(&why_not);
  const auto fatal = engine.fatal();
  const auto now = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  json::object status{{"weir", version},
                      {"store", engine.store().id()},
                      {"started", time_json(started)},
                      {"uptime_seconds", static_cast<double>(now - started) / 1e9},
                      {"ready", ready},
                      {"problem", utf8(fatal.empty() ? why_not : fatal)}};
  engine.inspect([&](const auto&, const auto&, const auto& epochs) { status["epochs"] = epochs_json(epochs); });
  json::array orphans;
  for (const auto& orphan : engine.orphans())
    orphans.push_back(json::object{{"id", orphan.id}, {"queued", orphan.next - orphan.cursor}});
  status["connections_without_a_flow"] = std::move(orphans);
  return json_response(status);
}

Response flows(const engine::Engine& engine) {
  const auto snapshot = take_snapshot(engine);
  json::array flows;
  const flow::Flow* last = nullptr;
  for (const auto& first : snapshot.processors) {
    if (first.flow.get() == last) continue;
    last = first.flow.get();
    std::map<std::string, std::uint64_t> states;
    std::uint64_t in = 0, queued = 0, errors = 0;
    for (const auto& processor : snapshot.processors) {
      if (processor.flow.get() != last) continue;
      ++states[name_of(processor.status)];
      errors += processor.errors;
      if (!processor.source) continue;
      for (const auto& way : processor.out) in += way.records;
    }
    for (const auto& connection : snapshot.connections) {
      if (connection.flow.get() == last) queued += connection.queued;
    }
    flows.push_back(json::object{{"name", last->name},
                                 {"description", last->description},
                                 {"file", last->file},
                                 {"processors", json::value_from(states)},
                                 {"connections", last->connections.size()},
                                 {"records_in", in},
                                 {"queued", queued},
                                 {"errors", errors}});
  }
  return json_response(flows);
}

/// Those of a flow, as a JSON array. Each is written as soon as it is made: of hundreds, a tree of values costs more to
/// build and take down than to write.
template <typename Part>
std::string parts_of(const flow::Flow& flow, const std::vector<Part>& all) {
  std::string text = "[";
  for (const auto& part : all) {
    if (part.flow.get() != &flow) continue;
    if (text.size() > 1) text += ',';
    text += json::serialize(full_json(part));
  }
  return text + "]";
}

/// A JSON object: the flow with its processors and connections.
std::string whole_flow(const Snapshot& snapshot, const flow::Flow& of) {
  auto text = json::serialize(json::object{{"name", of.name}, {"description", of.description}, {"file", of.file}});
  text.pop_back();
  return text + ",\"processors\":" + parts_of(of, snapshot.processors) +
         ",\"connections\":" + parts_of(of, snapshot.connections) + "}";
}

/// All of them, for a page that begins: one answer instead of one after the other.
Response whole_flows(const engine::Engine& engine) {
  const auto snapshot = take_snapshot(engine);
  std::string flows = "[";
  const flow::Flow* last = nullptr;
  for (const auto& processor : snapshot.processors) {
    if (processor.flow.get() == last) continue;
    if (last != nullptr) flows += ',';
    last = processor.flow.get();
    flows += whole_flow(snapshot, *last);
  }
  return json_text_response(flows + "]");
}

Response flow(const engine::Engine& engine, std::string_view name) {
  const auto snapshot = take_snapshot(engine);
  for (const auto& processor : snapshot.processors) {
    if (processor.flow->name == name) return json_text_response(whole_flow(snapshot, *processor.flow));
  }
  return missing(fmt::format("flow '{}'", name));
}

Response processor(const engine::Engine& engine, std::string_view flow, std::string_view name) {
  ProcessorSnapshot found;
  json::object metrics;
  engine.inspect([&](const auto& instances, const auto&, const auto&) {
    for (const auto& instance : instances) {
      if (instance->flow_definition().name != flow || instance->definition().name != name) continue;
      found = snapshot_of(*instance);
      instance->each_metric([&](const engine::InstanceMetric& metric) { metrics[metric.name] = metric.value(); });
    }
  });
  const auto lanes = engine.lanes();
  for (const auto& lane : lanes.processors) {
    if (lane.flow->name != flow || lane.definition->name != name) continue;
    const auto member = found;
    found = snapshot_of(lane, member.definition == nullptr ? nullptr : &member);
    for (const auto& [metric, made] : lane.made) metrics[metric] = made.value;
  }
  if (found.definition == nullptr) return missing(fmt::format("processor '{}/{}'", flow, name));
  const auto& definition = *found.definition;
  auto result = full_json(found);
  result["file"] = definition.mark.file;
  result["line"] = definition.mark.line;
  result["settings"] = settings(flow::masked(definition.settings, *definition.type->spec(), found.flow->secrets));
  json::object labels;
  for (const auto& [label, value] : definition.labels) labels[label] = value;
  result["labels"] = std::move(labels);
  result["metrics"] = std::move(metrics);
  return json_response(result);
}

Response connection(const engine::Engine& engine, const std::string& id) {
  ConnectionSnapshot found;
  engine.look_up_oldest();
  engine.inspect([&](const auto&, const auto& connections, const auto&) {
    for (const auto& connection : connections) {
      if (connection->id() == id) found = snapshot_of(*connection);
    }
  });
  const auto lanes = engine.lanes();
  for (const auto& connection : lanes.connections) {
    if (connection.definition->id == id) found = snapshot_of(connection);
  }
  if (found.definition == nullptr) return missing(fmt::format("connection '{}'", id));
  return json_response(full_json(found));
}

Response bulletins(const engine::Engine& engine, const Query& query) {
  const auto after = query.number("after", 0);
  const auto limit = query.number("limit", 100);
  auto all = engine.bulletins(after);
  if (const auto flow = query.text("flow"))
    std::erase_if(all, [&](const engine::Bulletin& bulletin) { return bulletin.flow != *flow; });
  json::array list;
  // With `after` the next ones, else the latest.
  const auto skip = after == 0 && all.size() > limit ? all.size() - limit : 0;
  for (auto i = skip; i < all.size() && list.size() < limit; ++i) list.push_back(bulletin_json(all[i]));
  return json_response(list);
}

/// Of the runs before this one. Their ids are their own: each run counts from 1.
Response earlier_bulletins(const engine::Engine& engine, std::int64_t started, std::uint32_t limit,
                           const std::string& flow) {
  json::array list;
  for (auto& kept : store::kept_bulletins(engine.options().data, started, limit, flow)) {
    const auto slash = std::min(kept.processor.find('/'), kept.processor.size());
    engine::Bulletin bulletin;
    bulletin.id = kept.row;
    bulletin.time = kept.time;
    bulletin.level = static_cast<abi::Level>(kept.level);
    bulletin.flow = kept.processor.substr(0, slash);
    bulletin.processor = kept.processor.substr(std::min(slash + 1, kept.processor.size()));
    bulletin.message = std::move(kept.message);
    list.push_back(bulletin_json(bulletin));
  }
  return json_response(list);
}

}  // namespace

void add_flow_pages(Router& router, engine::Engine& engine, const std::string& version) {
  const auto started = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  router.get("/status", "Whether Weir works, and its epochs",
             [&engine, version, started](Call&) { return status(engine, version, started); });
  router.get(
      "/flows", "The flows; with parts=true each with its processors and connections",
      [&engine](Call& call) {
        const auto parts = call.query.text("parts").value_or("false");
        if (parts != "true" && parts != "false") throw Refused(400, "'parts' is true or false");
        return parts == "true" ? whole_flows(engine) : flows(engine);
      },
      "parts");
  router.get("/flows/{flow}", "A flow, with its processors and connections",
             [&engine](Call& call) { return flow(engine, call.at[0]); });
  router.get("/flows/{flow}/processors/{processor}", "A processor, with its settings and own metrics",
             [&engine](Call& call) { return processor(engine, call.at[0], call.at[1]); });
  router.get(kConnectionPattern, "A connection",
             [&engine](Call& call) { return connection(engine, call.connection()); });
  router.get(
      "/bulletins", "Messages for the operator: the latest, those after an id, or those of earlier runs",
      [&engine, started](Call& call) {
        const auto earlier = call.query.text("earlier").value_or("false");
        if (earlier != "true" && earlier != "false") throw Refused(400, "'earlier' is true or false");
        if (earlier == "false") return bulletins(engine, call.query);
        const auto limit = static_cast<std::uint32_t>(call.query.number("limit", 100, kMostEarlier));
        return later([&engine, started, limit, flow = call.query.text("flow").value_or("")] {
          return earlier_bulletins(engine, started, limit, flow);
        });
      },
      "after limit earlier flow");
}

}  // namespace weir::api
