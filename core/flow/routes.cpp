// `to:` and `drop:`: where what leaves a processor goes.
#include <fmt/core.h>

#include <algorithm>

#include "flow/flow_reader.h"
#include "plugin/nearest.h"
#include "weir/spec.h"

namespace weir::flow {

namespace {

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i)
    text += fmt::format("{}{}", i == 0 ? "" : i + 1 == names.size() ? " or " : ", ", names[i]);
  return text.empty() ? "none: it has no relationships" : text;
}

std::vector<std::string> names_of(const Flow& flow) {
  std::vector<std::string> names;
  for (const auto& processor : flow.processors) names.push_back(processor.name);
  return names;
}

std::uint32_t find(const std::vector<std::string>& names, std::string_view name) {
  const auto at = std::find(names.begin(), names.end(), name);
  return at == names.end() ? abi::kNone : static_cast<std::uint32_t>(at - names.begin());
}

/// Whether a key of a map, a list's item or a name is a slip of the hand for a relationship: reported as such, it is
/// not also reported as missing.
bool meant_by(const Node* node, const std::string& relationship, const std::vector<std::string>& known) {
  if (node == nullptr) return false;
  const auto meant = [&](const Node& name) {
    return name.is_scalar() && find(known, name.text) == abi::kNone && nearest(name.text, known) == relationship;
  };
  return meant(*node) || std::any_of(node->items.begin(), node->items.end(), meant) ||
         std::any_of(node->members.begin(), node->members.end(), [&](const auto& m) { return meant(m.key); });
}

}  // namespace

void FlowReader::read_routes(std::uint32_t index, Draft& draft) const {
  auto& processor = draft.flow.processors[index];
  const auto& beside = draft.processors[index];
  if (!beside.body->is_map()) return;
  const auto* to = beside.body->find("to");
  std::vector<Route> routes;
  Route route;
  route.from = index;
  route.queue = beside.queue;
  if (to != nullptr && !to->is_map()) {
    // The short form is of `success`.
    route.relationship = find(processor.relationships, "success");
    if (beside.type != nullptr && route.relationship == abi::kNone && !to->is_null())
      report_.error(*to, fmt::format("'{}' has no relationship 'success'", processor.name),
                    processor.relationships.empty()
                        ? "no 'to:': nothing leaves it"
                        : fmt::format("a map of its relationships: {}", listed(processor.relationships)));
    read_targets(*to, route, draft, routes);
  } else if (to != nullptr) {
    for (const auto& [key, value] : to->members) {
      route.relationship = find(processor.relationships, key.text);
      if (beside.type != nullptr && route.relationship == abi::kNone) {
        if ((beside.type->spec->flags & abi::kTakesAnyRelationship) != 0) {
          route.relationship = static_cast<std::uint32_t>(processor.relationships.size());
          processor.relationships.push_back(key.text);
        } else {
          report_.error(key, fmt::format("'{}' has no relationship '{}'", processor.name, key.text),
                        listed(processor.relationships), nearest(key.text, processor.relationships));
        }
      }
      read_targets(value, route, draft, routes);
    }
  }
  connect(routes, index, draft);
  if (beside.type == nullptr) return;
  if (const auto* drop = beside.body->find("drop")) read_drops(*drop, processor);
  finish_relationships(index, draft);
}

/// A name, a list of targets, or {to: …, queue: …}.
void FlowReader::read_targets(const Node& node, Route route, const Draft& draft, std::vector<Route>& routes) const {
  if (node.is_scalar()) {
    route.target = &node;
    route.to = text(node, "to");
    routes.push_back(route);
  } else if (node.is_list()) {
    if (node.items.empty()) report_.error(node, "this list of processors is empty", "a processor's name, or 'drop:'");
    for (const auto& item : node.items) read_targets(item, route, draft, routes);
  } else if (node.is_map()) {
    const auto* to = node.find("to");
    map(node, "to", {"to", "queue"});
    if (to == nullptr) {
      report_.error(node, "this connection leads nowhere", "{to: NAME, queue: …}");
      return;
    }
    if (const auto* queue = node.find("queue")) route.queue = read_queue(*queue, route.queue);
    read_targets(*to, route, draft, routes);
  } else {
    report_.error(node, "this names no processor", "a processor's name, a list of them, or {to: NAME, queue: …}");
  }
}

void FlowReader::connect(const std::vector<Route>& routes, std::uint32_t index, Draft& draft) const {
  const auto names = names_of(draft.flow);
  for (const auto& route : routes) {
    const auto to = find(names, route.to);
    if (to == abi::kNone) {
      if (route.to.empty()) continue;
      const auto near = nearest(route.to, names);
      report_.error(*route.target, fmt::format("there is no processor '{}'", route.to),
                    "the name of a processor of this flow", near);
      if (!near.empty()) draft.meant.insert(find(names, near));
      continue;
    }
    const auto* type = draft.processors[to].type;
    if (type != nullptr && (type->spec->flags & abi::kSource) != 0) {
      report_.error(*route.target,
                    fmt::format("'{}' is a source ({}) and takes no input", route.to, view(type->spec->type)),
                    "a processor that is no source");
      continue;
    }
    if (route.relationship == abi::kNone) {
      draft.meant.insert(to);
      continue;
    }
    const auto& from = draft.flow.processors[index];
    Connection connection;
    connection.id =
        fmt::format("{}/{}/{}/{}", draft.flow.name, from.name, from.relationships[route.relationship], route.to);
    connection.from = index;
    connection.relationship = route.relationship;
    connection.to = to;
    connection.queue = route.queue;
    connection.mark = report_.mark(*route.target);
    const auto& all = draft.flow.connections;
    if (std::any_of(all.begin(), all.end(), [&](const auto& other) { return other.id == connection.id; })) {
      report_.error(*route.target,
                    fmt::format("'{}' goes to '{}' twice", from.relationships[route.relationship], route.to),
                    "each target once");
      continue;
    }
    draft.flow.connections.push_back(std::move(connection));
    draft.places.push_back(route.target);
  }
}

void FlowReader::read_drops(const Node& node, Processor& processor) const {
  const auto drop = [&](const Node& item) {
    const auto name = text(item, "drop");
    const auto relationship = find(processor.relationships, name);
    if (relationship != abi::kNone) {
      processor.dropped.insert(relationship);
    } else if (item.is_scalar()) {
      report_.error(item, fmt::format("'{}' has no relationship '{}'", processor.name, name),
                    listed(processor.relationships), nearest(name, processor.relationships));
    }
  };
  if (node.is_list()) {
    for (const auto& item : node.items) drop(item);
  } else {
    drop(node);
  }
}

/// Every relationship leads somewhere, or is dropped on purpose.
void FlowReader::finish_relationships(std::uint32_t index, Draft& draft) const {
  auto& processor = draft.flow.processors[index];
  const auto& beside = draft.processors[index];
  const auto* to = beside.body->find("to");
  for (std::uint32_t r = 0; r < processor.relationships.size(); ++r) {
    const auto& name = processor.relationships[r];
    const auto& all = draft.flow.connections;
    const bool routed =
        std::any_of(all.begin(), all.end(), [&](const auto& c) { return c.from == index && c.relationship == r; });
    const bool slip = meant_by(to, name, processor.relationships) ||
                      meant_by(beside.body->find("drop"), name, processor.relationships);
    const bool tried =
        to != nullptr && ((to->is_map() && to->find(name) != nullptr) || (!to->is_map() && name == "success"));
    const bool dropped = processor.dropped.contains(r);
    if (tried && dropped)
      report_.error(*beside.body->find("drop"),
                    fmt::format("'{}' of '{}' is both routed and dropped", name, processor.name), "one of them");
    if (routed || tried || dropped || slip) continue;
    if (name == "failure" && draft.failure != nullptr && text(*draft.failure, "failure") != processor.name) {
      Route route;
      route.from = index;
      route.relationship = r;
      route.target = draft.failure;
      route.to = text(*draft.failure, "failure");
      route.queue = beside.queue;
      // An unknown name is reported once, at the defaults, not for each processor that would use it.
      if (find(names_of(draft.flow), route.to) != abi::kNone) connect({route}, index, draft);
      continue;
    }
    report_.error(*beside.key, fmt::format("the relationship '{}' of '{}' goes nowhere", name, processor.name),
                  name == "failure" ? "it under 'to:' or in 'drop:', or 'failure:' in the flow's 'defaults:'"
                                    : fmt::format("'to: {{{}: NAME}}', or 'drop: {}' to let it end here", name, name));
  }
}

}  // namespace weir::flow
