#include "api/provenance_pages.h"

#include <fmt/core.h>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "api/json.h"
#include "api/queue_pages.h"
#include "engine/lane_view.h"
#include "store/names.h"

namespace weir::api {

namespace json = boost::json;

namespace {

/// A question that finds this slowly gets what was found until then.
constexpr auto kLongest = std::chrono::seconds(10);

class Deadline {
 public:
  bool passed() const { return std::chrono::steady_clock::now() > end_; }

 private:
  std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::now() + kLongest;
};

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value() : json::value(utf8(text));
}

json::value interval_json(const std::string& connection, const store::Interval& interval) {
  return connection.empty() ? json::value() : json::array{interval.first, interval.count};
}

json::object event_json(const store::ProvenanceEvent& event) {
  return {{"type", store::name_of(event.type)},
          {"processor", event.processor},
          {"time", time_json(event.time)},
          {"duration_seconds", static_cast<double>(event.duration) / 1e9},
          {"bytes", event.bytes},
          {"in_connection", text_or_null(event.in_connection)},
          {"inputs", interval_json(event.in_connection, event.inputs)},
          {"out_connection", text_or_null(event.out_connection)},
          {"outputs", interval_json(event.out_connection, event.outputs)},
          {"transit_uri", text_or_null(event.transit_uri)},
          {"details", utf8(event.details)}};
}

store::EventFilter filter_of(const Query& query) {
  store::EventFilter filter;
  filter.processor = query.text("processor").value_or("");
  filter.connection = query.text("connection").value_or("");
  filter.attribute = query.text("attribute").value_or("");
  filter.value = query.text("value").value_or("");
  filter.transit = query.text("transit").value_or("");
  filter.from = query.time("from");
  filter.to = query.time("to");
  filter.limit = query.number("limit", 100, 1000);
  if (const auto type = query.text("type"); type && !type->empty()) {
    filter.type = store::event_type(*type);
    if (!filter.type)
      throw Refused(400,
                    "'type' is one of CREATE, RECEIVE, FETCH, SEND, FORK, JOIN, CLONE, ROUTE, CONTENT_MODIFIED, "
                    "ATTRIBUTES_MODIFIED, DROP, EXPIRE and REPLAY");
  }
  if (filter.attribute.empty() != filter.value.empty())
    throw Refused(400, "'attribute' and 'value' go together, and are not empty");
  return filter;
}

/// What runs and has done nothing yet is not in the store: that is no mistake of the one who asks.
bool runs(const engine::Engine& engine, const std::string& processor, const std::string& connection) {
  bool has_processor = processor.empty(), has_connection = connection.empty();
  engine.inspect([&](const auto& instances, const auto& connections, const auto&) {
    for (const auto& each : instances) has_processor |= each->full_name() == processor;
    for (const auto& each : connections) has_connection |= each->id() == connection;
  });
  const auto lanes = engine.lanes();
  for (const auto& each : lanes.processors) has_processor |= each.flow->name + "/" + each.definition->name == processor;
  for (const auto& each : lanes.connections) has_connection |= each.definition->id == connection;
  return has_processor && has_connection;
}

/// The answer to `ask`, or an empty one for what runs and is not in the store yet.
template <class Ask>
store::ProvenanceSummary or_nothing(const engine::Engine& engine, const std::string& processor,
                                    const std::string& connection, const Ask& ask) {
  try {
    return ask();
  } catch (const std::invalid_argument&) {
    if (!runs(engine, processor, connection)) throw;
    return {};
  }
}

Response events(const engine::Engine& engine, const store::EventFilter& filter) {
  store::Provenance provenance(engine.options().data);
  const Deadline deadline;
  json::array events;
  const auto summary = or_nothing(engine, filter.processor, filter.connection, [&] {
    return provenance.events(filter, [&](const store::ProvenanceEvent& event) {
      events.push_back(event_json(event));
      return !deadline.passed();
    });
  });
  return json_response(json::object{{"events", std::move(events)},
                                    {"limited", summary.limited},
                                    {"removed_by_retention", summary.removed_by_retention}});
}

store::Place place_of(const std::optional<std::string>& text) {
  if (!text) throw Refused(400, "'flowfile' is missing: CONNECTION:SEQUENCE");
  if (auto place = store::parse_place(*text)) return *place;
  throw Refused(400, "'" + *text + "' names no FlowFile: CONNECTION:SEQUENCE, as in lake/readings/success/archive:17");
}

std::string name_of(const store::Place& place) {
  return place.connection + ":" + std::to_string(place.sequence);
}

Response lineage(const engine::Engine& engine, const store::Place& place, const std::string& direction,
                 std::uint64_t limit) {
  store::Provenance provenance(engine.options().data);
  const Deadline deadline;
  std::vector<store::LineageStep> ancestors, descendants;
  bool more = false, removed = false;
  store::LineageLimits limits;
  limits.steps = limit;
  const auto into = [&](std::vector<store::LineageStep>& steps) {
    return [&](const store::LineageStep& step) {
      steps.push_back(step);
      return !deadline.passed();
    };
  };
  const auto add = [&](const store::ProvenanceSummary& summary) {
    more |= summary.limited;
    removed |= summary.removed_by_retention;
  };
  const auto ask = [&](const auto& question) { add(or_nothing(engine, {}, place.connection, question)); };
  if (direction != "descendants") ask([&] { return provenance.ancestors(place, into(ancestors), limits); });
  if (direction != "ancestors") ask([&] { return provenance.descendants(place, into(descendants), limits); });
  auto graph = lineage_graph(place, ancestors, descendants);
  graph["more"] = more;
  graph["removed_by_retention"] = removed;
  return json_response(graph);
}

/// A FlowFile whose content is still there, and where.
struct Content {
  store::BatchRef batch;
  std::uint32_t index = 0;
  const char* where = nullptr;  ///< null: it is not
  std::string why;              ///< then
  bool queued = false;
  bool replayable = false;
  const abi::Item& item() const { return batch->items[index]; }
};

/// Of a connection of a lane.
std::optional<std::uint32_t> number_in_store(engine::Engine& engine, const std::string& connection) {
  for (const auto& each : engine.store().connections()) {
    if (each.id == connection) return each.connection;
  }
  return std::nullopt;
}

Content content_at(engine::Engine& engine, const store::Place& place) {
  Content content;
  const bool in_lane = !store::lane_of(place.connection).empty();
  std::optional<std::uint32_t> number;
  engine.inspect([&](const auto&, const auto& connections, const auto&) {
    for (const auto& connection : connections) {
      if (connection->id() == place.connection) number = connection->number();
    }
  });
  if (in_lane) number = number_in_store(engine, place.connection);
  if (!number) {
    content.why = "no flow that runs has this connection";
    return content;
  }
  try {
    content.batch = engine.store().retained(*number, place.sequence);
    content.where = "retained";
    content.replayable = !in_lane;
  } catch (const store::NotRetained& error) {
    content.why = error.what();
  }
  if (in_lane) return content;
  const auto listing = engine.queue(place.connection, place.sequence, 1);
  if (listing.entries.empty() || listing.entries[0].sequence != place.sequence) return content;
  content.queued = true;
  content.batch = listing.entries[0].batch;
  content.index = listing.entries[0].index;
  content.where = "queue";
  return content;
}

Response flowfile(engine::Engine& engine, const store::Place& place, std::size_t preview) {
  store::Provenance provenance(engine.options().data);
  store::LineageLimits next;
  next.depth = 1;
  next.steps = 100;
  const auto steps = [](json::array& to) {
    return [&to](const store::LineageStep& step) {
      to.push_back(event_json(step.event));
      return true;
    };
  };
  json::array in, out;
  bool removed = false;
  const auto ask = [&](const auto& question) {
    removed |= or_nothing(engine, {}, place.connection, question).removed_by_retention;
  };
  ask([&] { return provenance.ancestors(place, steps(in), next); });
  ask([&] { return provenance.descendants(place, steps(out), next); });
  const auto content = content_at(engine, place);
  json::object about{{"available", content.where != nullptr}};
  if (content.where != nullptr) {
    auto known = flowfile_json(content.item(), preview);
    about["where"] = content.where;
    for (auto& [name, value] : known) about[name] = std::move(value);
  } else {
    about["why"] = utf8(content.why);
  }
  return json_response(json::object{{"flowfile", name_of(place)},
                                    {"events_in", std::move(in)},
                                    {"events_out", std::move(out)},
                                    {"removed_by_retention", removed},
                                    {"queued", content.queued},
                                    {"content", std::move(about)},
                                    {"replayable", content.replayable}});
}

Response content_page(engine::Engine& engine, const store::Place& place, const Query& query) {
  const auto content = content_at(engine, place);
  if (content.where == nullptr) throw Refused(404, content.why);
  return content_response(content.item(), query, name_of(place));
}

Response replay(engine::Engine& engine, const json::object& body, const std::string& who) {
  const auto* named = body.if_contains("flowfile");
  if (named == nullptr || !named->is_string()) throw Refused(400, "say which: {\"flowfile\": \"CONNECTION:SEQUENCE\"}");
  const auto place = place_of(std::string(named->as_string()));
  const auto as = engine.replay(place);
  const auto now = name_of({place.connection, as});
  engine.report(nullptr, abi::Level::info, name_of(place) + " replayed as " + now + " by " + who);
  return json_response(json::object{{"flowfile", name_of(place)}, {"as", now}});
}

}  // namespace

void add_provenance_pages(Router& router, engine::Engine& engine) {
  router.get(
      "/provenance/events", "Events, newest first: by processor, connection, type, time, attribute, transit URI",
      [&engine](Call& call) {
        return later([&engine, filter = filter_of(call.query)] { return events(engine, filter); });
      },
      "processor connection type attribute value transit from to limit");
  router.get(
      "/provenance/lineage", "What a FlowFile came from and what became of it, as a graph",
      [&engine](Call& call) {
        const auto direction = call.query.text("direction").value_or("both");
        if (direction != "both" && direction != "ancestors" && direction != "descendants")
          throw Refused(400, "'direction' is both, ancestors or descendants");
        return later(
            [&engine, direction, place = place_of(call.query.text("flowfile")),
             limit = call.query.number("limit", 200, 2000)] { return lineage(engine, place, direction, limit); });
      },
      "flowfile direction limit");
  router.get(
      "/provenance/flowfile", "A FlowFile: the events beside it, and its content where that is kept",
      [&engine](Call& call) {
        return later([&engine, place = place_of(call.query.text("flowfile")),
                      preview = call.query.number("preview", kPreview, kMostPreview)] {
          return flowfile(engine, place, preview);
        });
      },
      "flowfile preview");
  router.get(
      "/provenance/content", "Its content, as a download",
      [&engine](Call& call) {
        return later([&engine, place = place_of(call.query.text("flowfile")), query = call.request.query] {
          return content_page(engine, place, Query(query));
        });
      },
      "flowfile offset length");
  router.post("/provenance/replay", "Queues a FlowFile that left a source again", [&engine](Call& call) {
    return later([&engine, body = call.body, who = call.who] { return replay(engine, body, who); });
  });
}

}  // namespace weir::api
