#include "flow/graph.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <vector>

#include "plugin/nearest.h"
#include "weir/spec.h"

namespace weir::flow {

namespace {

using Edges = std::vector<std::vector<std::uint32_t>>;

Edges edges_of(const Flow& flow) {
  Edges edges(flow.processors.size());
  for (const auto& connection : flow.connections) edges[connection.from].push_back(connection.to);
  return edges;
}

/// The strongly connected component of each node (Tarjan 1972), without recursion: a flow may be a long chain.
std::vector<std::uint32_t> components(const Edges& edges) {
  const auto count = edges.size();
  constexpr std::uint32_t kUnseen = abi::kNone;
  std::vector<std::uint32_t> order(count, kUnseen), low(count, 0), component(count, kUnseen);
  std::vector<std::uint32_t> stack;
  std::uint32_t next = 0;
  std::uint32_t components = 0;
  struct Visit {
    std::uint32_t node;
    std::size_t edge;
  };
  for (std::uint32_t root = 0; root < count; ++root) {
    if (order[root] != kUnseen) continue;
    std::vector<Visit> visits{{root, 0}};
    while (!visits.empty()) {
      auto& [node, edge] = visits.back();
      if (edge == 0) {
        order[node] = low[node] = next++;
        stack.push_back(node);
      }
      if (edge < edges[node].size()) {
        const auto to = edges[node][edge++];
        if (order[to] == kUnseen) {
          visits.push_back({to, 0});
        } else if (component[to] == kUnseen) {
          low[node] = std::min(low[node], order[to]);
        }
        continue;
      }
      if (low[node] == order[node]) {
        std::uint32_t member = 0;
        do {
          member = stack.back();
          stack.pop_back();
          component[member] = components;
        } while (member != node);
        ++components;
      }
      const auto done = low[node];
      visits.pop_back();
      if (!visits.empty()) low[visits.back().node] = std::min(low[visits.back().node], done);
    }
  }
  return component;
}

bool is_source(const ProcessorDraft& draft) {
  return draft.type != nullptr && (draft.type->spec->flags & abi::kSource) != 0;
}

void check_reached(const Draft& draft, const Edges& edges, const Reporter& report) {
  std::vector<bool> reached(edges.size(), false);
  std::vector<bool> entered(edges.size(), false);
  std::vector<std::uint32_t> open;
  for (std::uint32_t i = 0; i < edges.size(); ++i) {
    for (const auto to : edges[i]) entered[to] = true;
    // What an unknown type does is not known: it may be a source.
    if (!is_source(draft.processors[i]) && draft.processors[i].type != nullptr && !draft.meant.contains(i)) continue;
    reached[i] = true;
    open.push_back(i);
  }
  while (!open.empty()) {
    const auto node = open.back();
    open.pop_back();
    for (const auto to : edges[node]) {
      if (reached[to]) continue;
      reached[to] = true;
      open.push_back(to);
    }
  }
  for (std::uint32_t i = 0; i < edges.size(); ++i) {
    if (reached[i]) continue;
    const auto& name = draft.flow.processors[i].name;
    report.error(*draft.processors[i].key,
                 entered[i] ? fmt::format("no source leads to '{}'", name) : fmt::format("nothing leads to '{}'", name),
                 fmt::format("its name in another processor's 'to:'; {} is no source",
                             view(draft.processors[i].type->spec->type)));
  }
}

void check_exits(Draft& draft, const std::vector<std::uint32_t>& component, const Reporter& report) {
  std::set<std::uint32_t> cyclic;
  std::set<std::uint32_t> with_exit;
  for (auto& connection : draft.flow.connections) {
    connection.in_cycle = component[connection.from] == component[connection.to];
    (connection.in_cycle ? cyclic : with_exit).insert(component[connection.from]);
  }
  for (std::uint32_t i = 0; i < component.size(); ++i) {
    const bool unknown = draft.processors[i].type == nullptr;
    if (!draft.flow.processors[i].dropped.empty() || unknown) with_exit.insert(component[i]);
  }
  std::set<std::uint32_t> reported;
  for (std::uint32_t i = 0; i < component.size(); ++i) {
    if (!cyclic.contains(component[i]) || with_exit.contains(component[i])) continue;
    if (!reported.insert(component[i]).second) continue;
    std::string members;
    for (std::uint32_t k = i; k < component.size(); ++k) {
      if (component[k] == component[i]) members += (members.empty() ? "" : ", ") + draft.flow.processors[k].name;
    }
    report.error(*draft.processors[i].key, fmt::format("what enters this cycle never leaves it: {}", members),
                 "a relationship that leads out of the cycle, or is dropped");
  }
}

void check_defaults(const Draft& draft, const Reporter& report) {
  if (draft.failure == nullptr) return;
  std::vector<std::string> names;
  for (const auto& processor : draft.flow.processors) names.push_back(processor.name);
  const auto& name = draft.failure->text;
  if (name.find("${") != std::string::npos || std::find(names.begin(), names.end(), name) != names.end()) return;
  report.error(*draft.failure, fmt::format("there is no processor '{}'", name), "the name of a processor of this flow",
               nearest(name, names));
}

void check_renames(const Draft& draft, const Reporter& report) {
  std::set<std::string> old;
  for (std::size_t i = 0; i < draft.flow.processors.size(); ++i) {
    const auto& from = draft.flow.processors[i].renamed_from;
    if (from.empty()) continue;
    const auto& at = *draft.processors[i].body->find("renamed_from");
    for (const auto& other : draft.flow.processors) {
      if (other.name == from)
        report.error(at, fmt::format("'{}' is still there", from), "the name that this processor had");
    }
    if (!old.insert(from).second) report.error(at, fmt::format("two processors were renamed from '{}'", from));
  }
}

}  // namespace

void check_graph(Draft& draft, const Reporter& report) {
  check_defaults(draft, report);
  check_renames(draft, report);
  const auto edges = edges_of(draft.flow);
  check_exits(draft, components(edges), report);
  // While a route is wrong, what it would have reached is no fault of its own.
  if (std::all_of(draft.processors.begin(), draft.processors.end(), [](const auto& p) { return p.type != nullptr; }))
    check_reached(draft, edges, report);
}

}  // namespace weir::flow
