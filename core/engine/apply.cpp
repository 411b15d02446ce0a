// A changed flow takes the place of the one that runs.
//
// The graph that is wanted is built beside the one that runs, and shares with it every processor that works by the same
// definition and every connection that both have. Then
//   1. what differs or goes is stopped as by an operator (operate.cpp), with a flush and a last cut, and those whose
//      FlowFiles will go elsewhere are kept from beginning another session;
//   2. under the lock, the one graph takes the place of the other: a matter of microseconds;
//   3. what is new is started, sinks before sources, and kept from its first session, so that until here no FlowFile
//      has moved that would not have moved in the old graph;
//   4. if all started, everything goes on; else the old graph takes its place back.
// A connection keeps its object, and so its queue, its cursor and its sequence numbers. One that goes is gone from
// memory when all of it is durable; if it comes back, it is recovered as at the start. All that is durable on the way
// is of either graph, whatever kills the process.

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <set>
#include <utility>

#include "engine/engine.h"
#include "engine/executor.h"
#include "flow/difference.h"

namespace weir::engine {

using Status = Instance::Status;

/// How everything hangs together.
struct Engine::Graph {
  struct Place {
    std::shared_ptr<Instance> instance;
    std::shared_ptr<const flow::Flow> flow;
    const flow::Processor* definition = nullptr;
    bool rewired = false;  ///< inputs and outputs are what follows; else they stay what they are
    std::vector<Connection*> inputs;
    std::vector<std::vector<Connection*>> outputs;
  };
  struct Way {
    std::shared_ptr<Connection> connection;
    std::shared_ptr<const flow::Flow> flow;
    const flow::Connection* definition = nullptr;
    Instance* from = nullptr;
    Instance* to = nullptr;
  };
  Flows flows;
  std::vector<Place> places;
  std::vector<Way> ways;
  std::vector<store::RecoveredConnection> orphans;
};

/// What it takes to come from one to the other.
struct Engine::Applying {
  struct Fresh {
    std::shared_ptr<Instance> instance;
    std::shared_ptr<Instance> before;  ///< of the same number; null: it is new
    bool wanted = false;               ///< to be started
  };
  const ApplyOptions& options;
  std::vector<std::shared_ptr<Instance>> stopping;  ///< those that change or go
  std::set<const Instance*> worked;                 ///< of those: had not been stopped by anybody
  std::vector<std::shared_ptr<Instance>> paused;    ///< those whose outputs change
  std::vector<Fresh> fresh;
  std::vector<std::shared_ptr<Connection>> going;
  std::vector<std::pair<std::string, std::string>> renamed_processors;
  std::vector<std::pair<std::string, std::string>> renamed_connections;
  std::vector<std::string> told;  ///< what differs, a line a flow
};

namespace {

bool works(const Instance& instance) {
  return instance.status == Status::starting || instance.status == Status::running ||
         instance.status == Status::misconfigured;
}

const std::shared_ptr<const flow::Flow>* find(const Flows& flows, const std::string& name) {
  const auto at = std::find_if(flows.begin(), flows.end(), [&](const auto& flow) { return flow->name == name; });
  return at == flows.end() ? nullptr : &*at;
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

bool keeps_data(const store::RecoveredConnection& connection) {
  return connection.next > connection.cursor || !connection.held.empty() || !connection.retry.empty();
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

/// Without the lock: nobody else changes the graph, and what is made here nobody else sees yet.
Engine::Graph Engine::wanted(const Graph& now, Flows flows, Applying& change) {
  Graph graph;
  graph.flows = std::move(flows);
  std::map<std::string, Graph::Place*> known;
  std::vector<Graph::Place> places = now.places;
  for (auto& place : places) known[place.instance->full_name()] = &place;
  std::map<std::string, std::shared_ptr<Connection>> connections;
  for (const auto& way : now.ways) connections[way.connection->id()] = way.connection;
  std::map<std::string, store::RecoveredConnection> recovered;
  for (auto& connection : store_.connections()) recovered.emplace(connection.id, std::move(connection));
  std::set<const Instance*> kept;

  for (const auto& after : graph.flows) {
    const auto* before = find(now.flows, after->name);
    const auto difference = flow::compare(before == nullptr ? nullptr : before->get(), after.get());
    const bool is_new = difference.kind == flow::ChangeKind::added;
    if (!difference.empty()) change.told.push_back((is_new ? "" : after->name + ": ") + flow::summary(difference));
    std::map<std::string, flow::Reach> reach;
    for (const auto& processor : difference.processors) reach[processor.name] = processor.reach;
    const auto base = graph.places.size();
    for (const auto& definition : after->processors) {
      const auto name = after->name + "/" + definition.name;
      const auto old_name = before == nullptr ? std::string() : flow::name_before(**before, *after, definition);
      auto& place = graph.places.emplace_back();
      place.flow = after;
      place.definition = &definition;
      if (old_name.empty()) {
        place.instance = std::make_shared<Instance>(*this, after, definition, store_.processor_number(name));
        for (auto& [key, value] : store_.state(place.instance->number())) place.instance->state.emplace(key, value);
        change.fresh.push_back({place.instance, nullptr, false});
        place.rewired = true;
        continue;
      }
      const auto old = known.at(after->name + "/" + old_name)->instance;
      kept.insert(old.get());
      const auto found = reach.find(definition.name);
      if (found != reach.end() && found->second == flow::Reach::restart) {
        place.instance = std::make_shared<Instance>(*this, after, definition, old->number());
        place.rewired = true;
        change.fresh.push_back({place.instance, old, false});
        change.stopping.push_back(old);
        if (old->full_name() != name) change.renamed_processors.emplace_back(old->full_name(), name);
        continue;
      }
      place.instance = old;
      place.inputs = known.at(after->name + "/" + old_name)->inputs;
      place.rewired = found != reach.end() && found->second == flow::Reach::outputs;
      if (place.rewired) change.paused.push_back(old);
    }
    std::map<std::string, std::string> was;
    for (const auto& connection : difference.connections) was[connection.id] = connection.was;
    for (const auto& definition : after->connections) {
      auto& way = graph.ways.emplace_back();
      way.flow = after;
      way.definition = &definition;
      way.from = graph.places[base + definition.from].instance.get();
      way.to = graph.places[base + definition.to].instance.get();
      const auto old_id = was.contains(definition.id) ? was[definition.id] : definition.id;
      if (const auto old = connections.find(old_id); old != connections.end()) {
        way.connection = old->second;
        connections.erase(old);
        if (old_id != definition.id) change.renamed_connections.emplace_back(old_id, definition.id);
        continue;
      }
      way.connection = std::make_shared<Connection>(store_.connection_number(definition.id), after, definition);
      if (const auto at = recovered.find(definition.id); at != recovered.end()) way.connection->recover(at->second);
    }
  }
  for (const auto& place : now.places) {
    if (!kept.contains(place.instance.get())) change.stopping.push_back(place.instance);
  }
  for (const auto& flow : now.flows) {
    if (find(graph.flows, flow->name) == nullptr) change.told.push_back(flow->name + " removed");
  }
  for (auto& [id, connection] : connections) change.going.push_back(connection);
  for (const auto& orphan : now.orphans) {
    const bool is_back = std::any_of(graph.ways.begin(), graph.ways.end(),
                                     [&](const auto& way) { return way.connection->number() == orphan.connection; });
    if (!is_back) graph.orphans.push_back(orphan);
  }

  std::map<Instance*, Graph::Place*> rewired;
  for (auto& place : graph.places) {
    if (!place.rewired) continue;
    place.outputs.resize(place.definition->relationships.size());
    rewired[place.instance.get()] = &place;
  }
  for (const auto& way : graph.ways) {
    if (const auto from = rewired.find(way.from); from != rewired.end())
      from->second->outputs[way.definition->relationship].push_back(way.connection.get());
    const auto to = rewired.find(way.to);
    if (to != rewired.end() && !kept.contains(way.to)) to->second->inputs.push_back(way.connection.get());
  }
  return graph;
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

/// Whoever would be woken later is not there any more. With the lock.
void Engine::forget(Instance& instance) {
  std::vector<Timer> left;
  for (; !timers_.empty(); timers_.pop()) {
    if (timers_.top().instance != &instance) left.push_back(timers_.top());
  }
  for (const auto& timer : left) timers_.push(timer);
  instance.timer_at = 0;
  std::erase(run_ahead_, &instance);
  instance.is_ahead = false;
}

void Engine::check_going_on() const {
  if (stopping_ || !fatal_.empty()) throw NotNow("Weir is stopping: nothing was applied");
}

/// Waits until nothing of what changes runs, and all that goes is durable.
void Engine::wait_quiesced(Applying& change, Lock& lock) {
  const auto busy = [&] {
    std::vector<std::string> names;
    for (const auto& instance : change.stopping) {
      const bool has_stopped = instance->status == Status::stopped || instance->status == Status::finished;
      if (!has_stopped || instance->active != 0) names.push_back(instance->full_name());
    }
    for (const auto& instance : change.paused) {
      if (instance->active != 0) names.push_back(instance->full_name());
    }
    return names;
  };
  const auto durable = [&] {
    return change.going.empty() ||
           (cuts_durable_ == cuts_ &&
            std::none_of(change.going.begin(), change.going.end(), [](const auto& each) { return each->dirty; }));
  };
  const auto deadline = std::chrono::steady_clock::now() + change.options.patience;
  while (true) {
    check_going_on();
    const auto names = busy();
    if (names.empty() && durable()) return;
    if (names.empty()) touch(true);
    if (std::chrono::steady_clock::now() >= deadline)
      throw NotApplied((names.empty() ? "the disk took no epoch" : listed(names) + " did not come to an end") +
                       " within " + format_duration(change.options.patience));
    quiet_.wait_until(lock, deadline);
  }
}

/// Starts what is new; returns what did not start, and why.
std::string Engine::start_new(Applying& change, Lock& lock) {
  std::string failed;
  for (const bool sources : {false, true}) {
    const auto is_meant = [&](const Applying::Fresh& fresh) {
      return fresh.wanted && fresh.instance->is_source() == sources;
    };
    for (const auto& fresh : change.fresh) {
      if (is_meant(fresh)) begin_start(*fresh.instance);
    }
    const auto deadline = std::chrono::steady_clock::now() + change.options.patience;
    const auto is_told = [&](const Applying::Fresh& fresh) {
      const auto& instance = *fresh.instance;
      return !is_meant(fresh) || instance.status != Status::starting || !instance.unavailable.empty();
    };
    while (!std::all_of(change.fresh.begin(), change.fresh.end(), is_told)) {
      check_going_on();
      if (quiet_.wait_until(lock, deadline) == std::cv_status::timeout) break;
    }
    check_going_on();
    for (const auto& fresh : change.fresh) {
      if (!is_meant(fresh) || fresh.instance->status != Status::misconfigured) continue;
      failed += (failed.empty() ? "" : "; ") + fresh.instance->full_name() + ": " + fresh.instance->status_message;
    }
    if (!failed.empty()) break;
  }
  return failed;
}

/// What was stopped or paused for it goes on as it was.
void Engine::resume_unchanged(Applying& change) {
  for (const auto& instance : change.paused) {
    instance->paused = false;
    consider(*instance);
  }
  for (const auto& instance : change.stopping) {
    if (!change.worked.contains(instance.get())) continue;
    if (instance->status == Status::stopped) {
      begin_start(*instance);
    } else {
      instance->start_after_stop = true;
    }
  }
}

void Engine::roll_back_graph(Applying& change, const Graph& before, Lock& lock) {
  for (const auto& fresh : change.fresh) {
    if (works(*fresh.instance)) begin_stop(*fresh.instance);
  }
  while (std::any_of(change.fresh.begin(), change.fresh.end(),
                     [](const auto& fresh) { return fresh.instance->status != Status::stopped; })) {
    check_going_on();
    quiet_.wait(lock);
  }
  for (const auto& fresh : change.fresh) {
    if (fresh.before) fresh.before->inherit(*fresh.instance);
    forget(*fresh.instance);
  }
  install(before);
  resume_unchanged(change);
}

/// The fresh graph is what runs.
void Engine::put_in_force(Applying& change) {
  for (const auto& [from, to] : change.renamed_processors) store_.rename_processor(from, to);
  for (const auto& [from, to] : change.renamed_connections) store_.rename_connection(from, to);
  for (const auto& fresh : change.fresh) {
    auto& instance = *fresh.instance;
    instance.paused = false;
    if (instance.is_source()) {
      const auto& retain = instance.definition().retain;
      store_.retain(instance.number(), {retain.keep_for.count(), retain.none ? 0 : retain.keep_bytes});
    }
    if (fresh.before && fresh.before->full_name() != instance.full_name() && !instance.stopped_by.empty()) {
      stop_changes_[fresh.before->full_name()] = std::nullopt;
      stop_changes_[instance.full_name()] =
          boost::json::serialize(boost::json::object{{"who", instance.stopped_by}, {"time", instance.stopped_at}});
    }
  }
  for (const auto& instance : change.paused) instance->paused = false;
  if (!change.going.empty()) {
    std::set<std::uint32_t> gone;
    for (const auto& connection : change.going) gone.insert(connection->number());
    for (auto& connection : store_.connections()) {
      if (gone.contains(connection.connection) && keeps_data(connection)) orphans_.push_back(std::move(connection));
    }
  }
  for (auto& instance : instances_) {
    consider_timers(*instance);
    consider(*instance);
  }
  touch();
}

void Engine::apply(Flows flows, const ApplyOptions& options) {
  change_flows([&](const Flows&) { return std::move(flows); }, options);
}

void Engine::add(std::shared_ptr<const flow::Flow> flow, const ApplyOptions& options) {
  const auto with = [&](Flows flows) {
    for (auto& each : flows) {
      if (each->name != flow->name) continue;
      each = flow;
      return flows;
    }
    flows.push_back(flow);
    return flows;
  };
  change_flows(with, options);
}

void Engine::remove(const std::string& flow, const ApplyOptions& options) {
  const auto without = [&](Flows flows) {
    if (std::erase_if(flows, [&](const auto& each) { return each->name == flow; }) == 0)
      throw std::invalid_argument("there is no flow '" + flow + "'");
    return flows;
  };
  change_flows(without, options);
}

void Engine::change_flows(const std::function<Flows(Flows)>& next, const ApplyOptions& options) {
  Lock lock(mutex_);
  check_up();
  if (options_.until_idle || options_.lane)
    throw NotNow("a batch run ends by itself, and a lane goes with its flow: nothing is applied to it");
  applying_ = true;
  struct Over {
    Engine& engine;
    Lock& lock;
    ~Over() {
      if (!lock.owns_lock()) lock.lock();
      engine.applying_ = false;
      engine.quiet_.notify_all();
    }
  };
  Applying change{options, {}, {}, {}, {}, {}, {}, {}, {}};
  std::string failed;
  {
    const Over over{*this, lock};
    quiet_.wait(lock, [&] { return operators_ == 0 || stopping_ || !fatal_.empty(); });
    check_going_on();
    auto before = present();
    lock.unlock();
    auto flows = next(before.flows);
    std::set<std::string> names;
    for (const auto& flow : flows) {
      if (!names.insert(flow->name).second) throw std::invalid_argument("two flows have the name '" + flow->name + "'");
    }
    const auto after = wanted(before, std::move(flows), change);
    const auto stops = store_.state(operator_number_);
    for (const auto& fresh : change.fresh) executor_->add(*fresh.instance);
    lock.lock();
    for (const auto& instance : change.paused) {
      instance->paused = true;
      for (auto& place : before.places) place.rewired |= place.instance == instance;
    }
    for (const auto& instance : change.stopping) {
      // One that runs once stops by itself, and is stopped.
      const bool worked = (works(*instance) && instance->once == 0) || instance->start_after_stop;
      if (worked) change.worked.insert(instance.get());
      instance->start_after_stop = false;
      if (works(*instance)) begin_stop(*instance);
    }
    try {
      wait_quiesced(change, lock);
    } catch (const NotApplied& error) {
      failed = error.what();
    }
    if (failed.empty()) {
      for (auto& fresh : change.fresh) {
        auto& instance = *fresh.instance;
        instance.paused = true;
        const bool is_enabled = instance.definition().enabled;
        if (fresh.before) {
          const bool was_enabled = fresh.before->definition().enabled;
          instance.inherit(*fresh.before);
          fresh.wanted = change.worked.contains(fresh.before.get())
                             ? is_enabled || !was_enabled
                             : instance.stopped_by.empty() && is_enabled && !was_enabled;
        } else {
          recover_stop(instance, stops);
          fresh.wanted = is_enabled && instance.stopped_by.empty();
        }
        if (!fresh.wanted) instance.status = Status::stopped;
      }
      install(after);
      for (const auto& instance : change.stopping) forget(*instance);
      failed = start_new(change, lock);
      if (failed.empty() && options.keep) {
        lock.unlock();
        try {
          options.keep();
        } catch (const std::exception& error) {
          failed = error.what();
        }
        lock.lock();
        check_going_on();
      }
      if (failed.empty()) {
        put_in_force(change);
      } else {
        roll_back_graph(change, before, lock);
      }
    } else {
      resume_unchanged(change);
    }
  }
  lock.unlock();
  if (failed.empty()) {
    for (const auto& instance : change.stopping) executor_->remove(*instance);
    for (const auto& line : change.told)
      report(nullptr, abi::Level::info, "applied" + (options.who.empty() ? "" : " by " + options.who) + ": " + line);
    for (const auto& connection : change.going) {
      for (const auto& orphan : orphans()) {
        if (orphan.connection == connection->number()) report_orphan(orphan);
      }
    }
    return;
  }
  for (const auto& fresh : change.fresh) executor_->remove(*fresh.instance);
  report(nullptr, abi::Level::warning, "a changed flow was not applied, and what ran before runs on: " + failed);
  throw NotApplied(failed);
}

}  // namespace weir::engine
