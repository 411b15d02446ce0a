#pragma once
// What is built when a changed flow is applied: the graph that is wanted, and what it takes to come to it (apply.cpp).
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"

namespace weir::engine {

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

}  // namespace weir::engine
