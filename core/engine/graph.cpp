// The graph that runs, as a value; the one that is wanted, beside it; and the one put in place of the other.

#include "engine/graph.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "flow/difference.h"

namespace weir::engine {
namespace {

const std::shared_ptr<const flow::Flow>* find(const Flows& flows, const std::string& name) {
  const auto at = std::find_if(flows.begin(), flows.end(), [&](const auto& flow) { return flow->name == name; });
  return at == flows.end() ? nullptr : &*at;
}

}  // namespace

Engine::Graph Engine::present() const {
  Graph graph;
  graph.flows = flows_;
  graph.orphans = orphans_;
  for (const auto& instance : instances_)
    graph.places.push_back(
        {instance, instance->shared_flow(), &instance->definition(), false, instance->inputs, instance->outputs});
  for (const auto& connection : connections_)
    graph.ways.push_back(
        {connection, connection->shared_flow(), &connection->definition(), connection->from, connection->to});
  return graph;
}

/// Builds the graph that is wanted, beside the one that runs: nobody else sees it yet.
class Engine::GraphBuilder {
 public:
  GraphBuilder(Engine& engine, const Graph& now, Applying& change) : engine_(engine), now_(now), change_(change) {
    for (const auto& place : now.places) known_[place.instance->full_name()] = &place;
    for (const auto& way : now.ways) connections_[way.connection->id()] = way.connection;
    for (auto& connection : engine.store_.connections()) recovered_.emplace(connection.id, std::move(connection));
  }

  Graph build(Flows flows) {
    graph_.flows = std::move(flows);
    for (const auto& flow : graph_.flows) add(flow);
    note_what_goes();
    connect_rewired();
    return std::move(graph_);
  }

 private:
  void add(const std::shared_ptr<const flow::Flow>& after) {
    const auto* found = find(now_.flows, after->name);
    const auto* before = found == nullptr ? nullptr : found->get();
    const auto difference = flow::compare(before, after.get());
    const bool is_new = difference.kind == flow::ChangeKind::added;
    if (!difference.empty()) change_.told.push_back((is_new ? "" : after->name + ": ") + flow::summary(difference));
    const auto base = graph_.places.size();
    std::map<std::string, flow::Reach> reach;
    for (const auto& processor : difference.processors) reach[processor.name] = processor.reach;
    for (const auto& definition : after->processors) {
      const auto old_name = before == nullptr ? std::string() : flow::name_before(*before, *after, definition);
      auto& place = graph_.places.emplace_back();
      place.flow = after;
      place.definition = &definition;
      if (old_name.empty()) {
        add_new(place);
      } else {
        const auto changed = reach.find(definition.name);
        add_known(place, *known_.at(after->name + "/" + old_name),
                  changed == reach.end() ? std::nullopt : std::optional(changed->second));
      }
    }
    std::map<std::string, std::string> was;
    for (const auto& connection : difference.connections) was[connection.id] = connection.was;
    for (const auto& definition : after->connections) {
      const auto renamed = was.find(definition.id);
      add_connection(after, definition, base, renamed == was.end() ? definition.id : renamed->second);
    }
  }

  void add_new(Graph::Place& place) {
    const auto number = engine_.store_.processor_number(place.flow->name + "/" + place.definition->name);
    place.instance = std::make_shared<Instance>(engine_, place.flow, *place.definition, number);
    for (auto& [key, value] : engine_.store_.state(number)) place.instance->state.emplace(key, value);
    place.rewired = true;
    change_.fresh.push_back({place.instance, nullptr, false});
  }

  /// One that is not started anew stays the object that it is.
  void add_known(Graph::Place& place, const Graph::Place& before, std::optional<flow::Reach> reach) {
    const auto& old = before.instance;
    kept_.insert(old.get());
    if (reach == flow::Reach::restart) {
      place.instance = std::make_shared<Instance>(engine_, place.flow, *place.definition, old->number());
      place.rewired = true;
      change_.fresh.push_back({place.instance, old, false});
      change_.stopping.push_back(old);
      const auto name = place.flow->name + "/" + place.definition->name;
      if (old->full_name() != name) change_.renamed_processors.emplace_back(old->full_name(), name);
      return;
    }
    place.instance = old;
    place.inputs = before.inputs;
    place.rewired = reach == flow::Reach::outputs;
    if (place.rewired) change_.paused.push_back(old);
  }

  /// `base`: the place of the flow's first processor.
  void add_connection(const std::shared_ptr<const flow::Flow>& flow, const flow::Connection& definition,
                      std::size_t base, const std::string& old_id) {
    auto& way = graph_.ways.emplace_back();
    way.flow = flow;
    way.definition = &definition;
    way.from = graph_.places[base + definition.from].instance.get();
    way.to = graph_.places[base + definition.to].instance.get();
    if (auto old = connections_.extract(old_id)) {
      way.connection = std::move(old.mapped());
      if (old_id != definition.id) change_.renamed_connections.emplace_back(old_id, definition.id);
      return;
    }
    way.connection = std::make_shared<Connection>(engine_.store_.connection_number(definition.id), flow, definition);
    if (const auto at = recovered_.find(definition.id); at != recovered_.end()) way.connection->recover(at->second);
  }

  void note_what_goes() {
    for (const auto& place : now_.places) {
      if (!kept_.contains(place.instance.get())) change_.stopping.push_back(place.instance);
    }
    for (const auto& flow : now_.flows) {
      if (find(graph_.flows, flow->name) == nullptr) change_.told.push_back(flow->name + " removed");
    }
    for (const auto& [id, connection] : connections_) change_.going.push_back(connection);
    for (const auto& orphan : now_.orphans) {
      const bool is_back = std::any_of(graph_.ways.begin(), graph_.ways.end(),
                                       [&](const auto& way) { return way.connection->number() == orphan.connection; });
      if (!is_back) graph_.orphans.push_back(orphan);
    }
  }

  void connect_rewired() {
    std::map<Instance*, Graph::Place*> rewired;
    for (auto& place : graph_.places) {
      if (!place.rewired) continue;
      place.outputs.resize(place.definition->relationships.size());
      rewired[place.instance.get()] = &place;
    }
    for (const auto& way : graph_.ways) {
      if (const auto from = rewired.find(way.from); from != rewired.end())
        from->second->outputs[way.definition->relationship].push_back(way.connection.get());
      const auto to = rewired.find(way.to);
      if (to != rewired.end() && !kept_.contains(way.to)) to->second->inputs.push_back(way.connection.get());
    }
  }

  Engine& engine_;
  const Graph& now_;
  Applying& change_;
  Graph graph_;
  std::map<std::string, const Graph::Place*> known_;                ///< of now, by full name
  std::map<std::string, std::shared_ptr<Connection>> connections_;  ///< of now, by id; those that go are left
  std::map<std::string, store::RecoveredConnection> recovered_;     ///< by id
  std::set<const Instance*> kept_;                                  ///< of now: in the graph, if need be started anew
};

/// Without the lock: nobody else changes the graph.
Engine::Graph Engine::wanted(const Graph& now, Flows flows, Applying& change) {
  return GraphBuilder(*this, now, change).build(std::move(flows));
}

/// With the lock; of what is rewired, no session runs.
void Engine::install(const Graph& graph) {
  flows_ = graph.flows;
  orphans_ = graph.orphans;
  instances_.clear();
  for (const auto& place : graph.places) {
    auto& instance = *place.instance;
    instances_.push_back(place.instance);
    if (instance.shared_flow() != place.flow) instance.redefine(place.flow, *place.definition);
    if (!place.rewired) continue;
    instance.inputs = place.inputs;
    instance.outputs = place.outputs;
    for (std::size_t i = 0; i < place.outputs.size(); ++i) instance.routed[i] = !place.outputs[i].empty();
  }
  connections_.clear();
  for (const auto& way : graph.ways) {
    auto& connection = *way.connection;
    connections_.push_back(way.connection);
    connection.redefine(way.flow, *way.definition);
    connection.from = way.from;
    connection.to = way.to;
    connection.durable_only = way.to->definition().exactly_once && !options_.lane;
  }
}

}  // namespace weir::engine
