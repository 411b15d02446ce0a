#include "api/flow_pages.h"

#include <date/date.h>
#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <chrono>
#include <map>
#include <optional>

#include "flow/settings.h"
#include "weir/sql.h"

namespace weir::api {

namespace {

namespace json = boost::json;
using engine::Instance;

json::value time_of(std::int64_t nanoseconds) {
  if (nanoseconds == 0) return nullptr;
  const auto milliseconds = std::chrono::floor<std::chrono::milliseconds>(std::chrono::nanoseconds(nanoseconds));
  return json::value(date::format("%FT%TZ", std::chrono::sys_time<std::chrono::milliseconds>(milliseconds)));
}

const char* name_of(Instance::Status status) {
  switch (status) {
    case Instance::Status::starting:
      return "starting";
    case Instance::Status::running:
      return "running";
    case Instance::Status::misconfigured:
      return "misconfigured";
    case Instance::Status::stopped:
      return "stopped";
    case Instance::Status::finished:
      return "finished";
  }
  return "starting";
}

const char* name_of(abi::Level level) {
  switch (level) {
    case abi::Level::debug:
      return "debug";
    case abi::Level::info:
      return "info";
    case abi::Level::warning:
      return "warning";
    case abi::Level::error:
      return "error";
  }
  return "info";
}

json::object traffic(const engine::Traffic& traffic) {
  return {{"flowfiles", traffic.files}, {"records", traffic.records}, {"bytes", traffic.bytes}};
}

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

json::object summary(const Instance& instance) {
  const auto& definition = instance.definition();
  const auto& statistics = instance.statistics;
  json::object out;
  for (std::size_t i = 0; i < definition.relationships.size(); ++i) {
    auto entry = traffic(statistics.out[i]);
    entry["dropped"] = definition.dropped.contains(static_cast<std::uint32_t>(i));
    out[definition.relationships[i]] = std::move(entry);
  }
  return {{"name", definition.name},
          {"type", view(definition.type->spec()->type)},
          {"description", definition.description},
          {"source", instance.is_source()},
          {"status", name_of(instance.status)},
          {"ready", instance.not_ready().empty()},
          {"message", instance.not_ready()},
          {"active", instance.active},
          {"in", traffic(statistics.in)},
          {"out", std::move(out)},
          {"ended", traffic(statistics.dropped)},
          {"sessions", statistics.sessions},
          {"rolled_back", statistics.rolled_back},
          {"errors", statistics.errors},
          {"busy_seconds", static_cast<double>(statistics.busy) / 1e9},
          {"last_success", time_of(statistics.last_success)},
          {"held", instance.held.size()},
          {"state_entries", instance.state.size()}};
}

json::object summary(const engine::Connection& connection) {
  const auto& definition = connection.definition();
  const auto& queue = definition.queue;
  const auto share = [](std::uint64_t value, std::uint64_t most) {
    return most == 0 ? 0.0 : static_cast<double>(value) / static_cast<double>(most);
  };
  return {{"id", definition.id},
          {"from", connection.from->definition().name},
          {"relationship", connection.from->definition().relationships[definition.relationship]},
          {"to", connection.to->definition().name},
          {"queued", connection.queued_count()},
          {"queued_bytes", connection.queued_bytes()},
          {"held", connection.held_count()},
          {"retry", connection.retry_count()},
          {"max_count", queue.max_count},
          {"max_bytes", queue.max_bytes},
          {"fullness", std::max(share(connection.queued_count(), queue.max_count),
                                share(connection.queued_bytes(), queue.max_bytes))},
          {"full", connection.full()},
          {"next", connection.next()},
          {"cursor", connection.cursor()},
          {"oldest", time_of(connection.oldest_born())}};
}

std::string text(const json::value& value) {
  return json::serialize(value) + "\n";
}

Response found(std::string body, std::string_view what) {
  if (!body.empty()) return {200, "application/json", std::move(body), {}};
  return {404, "application/json", text(json::object{{"error", fmt::format("there is no {}", what)}}), {}};
}

/// A path segment, or a value of the query, as it was meant. Nothing if it is no percent-encoding.
std::optional<std::string> decoded(std::string_view encoded) {
  std::string plain;
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    if (encoded[i] != '%') {
      plain += encoded[i];
      continue;
    }
    unsigned value = 0;
    if (encoded.size() - i < 3) return std::nullopt;
    const auto* begin = encoded.data() + i + 1;
    if (std::from_chars(begin, begin + 2, value, 16).ptr != begin + 2) return std::nullopt;
    plain += static_cast<char>(value);
    i += 2;
  }
  return plain;
}

/// The value of a number in a query; `otherwise` if it is not there. Nothing if it is no number.
std::optional<std::uint64_t> number(std::string_view query, std::string_view name, std::uint64_t otherwise) {
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto part = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (!part.starts_with(name) || part.size() <= name.size() || part[name.size()] != '=') continue;
    const auto written = part.substr(name.size() + 1);
    std::uint64_t value = 0;
    const auto [at, error] = std::from_chars(written.data(), written.data() + written.size(), value);
    if (error != std::errc{} || at != written.data() + written.size()) return std::nullopt;
    return value;
  }
  return otherwise;
}

constexpr std::string_view kRoot = "/api/v1";

}  // namespace

Response FlowPages::answer(const Request& request) const {
  if (request.method != "GET" && request.method != "HEAD")
    return {405, "application/json", text(json::object{{"error", "this can only be read"}}), "GET, HEAD"};
  const auto path = std::string_view(request.path).substr(kRoot.size());
  if (path == "/status") return {200, "application/json", status(), {}};
  if (path == "/flows") return {200, "application/json", flows(), {}};
  if (path == "/bulletins") {
    auto body = bulletins(request.query);
    if (!body.empty()) return {200, "application/json", std::move(body), {}};
    return {400, "application/json", text(json::object{{"error", "'after' and 'limit' are whole numbers"}}), {}};
  }
  std::vector<std::string> parts;  // of /flows/NAME…
  for (auto rest = path; rest.starts_with('/');) {
    rest.remove_prefix(1);
    const auto part = decoded(rest.substr(0, rest.find('/')));
    if (!part) return {400, "application/json", text(json::object{{"error", "the path is no percent-encoding"}}), {}};
    parts.push_back(*part);
    rest.remove_prefix(std::min(rest.find('/'), rest.size()));
  }
  if (parts.size() == 2 && parts[0] == "flows") return found(flow(parts[1]), fmt::format("flow '{}'", parts[1]));
  if (parts.size() == 4 && parts[0] == "flows" && parts[2] == "processors")
    return found(processor(parts[1], parts[3]), fmt::format("processor '{}/{}'", parts[1], parts[3]));
  if (parts.size() == 5 && parts[0] == "connections") {
    const auto id = parts[1] + "/" + parts[2] + "/" + parts[3] + "/" + parts[4];
    return found(connection(id), fmt::format("connection '{}'", id));
  }
  return found({}, "such page; /api/v1/flows lists the flows");
}

std::string FlowPages::status() const {
  std::string why_not;
  const bool ready = engine_.ready(&why_not);
  const auto fatal = engine_.fatal();
  json::object status{{"weir", version_},
                      {"store", engine_.store().id()},
                      {"ready", ready},
                      {"problem", fatal.empty() ? why_not : fatal}};
  engine_.inspect([&](const auto&, const auto&, const auto& epochs) {
    status["epochs"] = json::object{{"last", epochs.last},
                                    {"count", epochs.count},
                                    {"failed", epochs.failed},
                                    {"seconds", epochs.seconds},
                                    {"longest_seconds", epochs.longest}};
  });
  json::array orphans;
  for (const auto& orphan : engine_.orphans())
    orphans.push_back(json::object{{"id", orphan.id}, {"queued", orphan.next - orphan.cursor}});
  status["connections_without_a_flow"] = std::move(orphans);
  return text(status);
}

std::string FlowPages::flows() const {
  json::array flows;
  engine_.inspect([&](const auto& instances, const auto& connections, const auto&) {
    const flow::Flow* last = nullptr;
    for (const auto& instance : instances) {
      const auto& definition = instance->flow_definition();
      if (&definition == last) continue;
      last = &definition;
      std::map<std::string, std::uint64_t> states;
      std::uint64_t in = 0, queued = 0, errors = 0;
      for (const auto& other : instances) {
        if (&other->flow_definition() != last) continue;
        ++states[name_of(other->status)];
        errors += other->statistics.errors;
        if (!other->is_source()) continue;
        for (const auto& way : other->statistics.out) in += way.records;
      }
      for (const auto& connection : connections) {
        if (&connection->from->flow_definition() == last) queued += connection->queued_count();
      }
      flows.push_back(json::object{{"name", definition.name},
                                   {"description", definition.description},
                                   {"file", definition.file},
                                   {"processors", json::value_from(states)},
                                   {"connections", definition.connections.size()},
                                   {"records_in", in},
                                   {"queued", queued},
                                   {"errors", errors}});
    }
  });
  return text(flows);
}

std::string FlowPages::flow(std::string_view name) const {
  json::object flow;
  engine_.inspect([&](const auto& instances, const auto& connections, const auto&) {
    json::array processors, queues;
    for (const auto& instance : instances) {
      const auto& definition = instance->flow_definition();
      if (definition.name != name) continue;
      if (flow.empty())
        flow = {{"name", definition.name}, {"description", definition.description}, {"file", definition.file}};
      processors.push_back(summary(*instance));
    }
    for (const auto& connection : connections) {
      if (connection->from->flow_definition().name == name) queues.push_back(summary(*connection));
    }
    if (flow.empty()) return;
    flow["processors"] = std::move(processors);
    flow["connections"] = std::move(queues);
  });
  return flow.empty() ? std::string() : text(flow);
}

std::string FlowPages::processor(std::string_view flow, std::string_view name) const {
  json::object result;
  engine_.inspect([&](const auto& instances, const auto&, const auto&) {
    for (const auto& instance : instances) {
      const auto& definition = instance->definition();
      if (instance->flow_definition().name != flow || definition.name != name) continue;
      result = summary(*instance);
      result["file"] = definition.mark.file;
      result["line"] = definition.mark.line;
      result["settings"] =
          settings(flow::masked(definition.settings, *definition.type->spec(), instance->flow_definition().secrets));
      json::object labels;
      for (const auto& [label, value] : definition.labels) labels[label] = value;
      result["labels"] = std::move(labels);
      json::object metrics;
      instance->each_metric([&](const engine::InstanceMetric& metric) { metrics[metric.name] = metric.value(); });
      result["metrics"] = std::move(metrics);
    }
  });
  return result.empty() ? std::string() : text(result);
}

std::string FlowPages::connection(std::string_view id) const {
  json::object result;
  engine_.inspect([&](const auto&, const auto& connections, const auto&) {
    for (const auto& connection : connections) {
      if (connection->id() == id) result = summary(*connection);
    }
  });
  return result.empty() ? std::string() : text(result);
}

std::string FlowPages::bulletins(const std::string& query) const {
  const auto after = number(query, "after", 0);
  const auto limit = number(query, "limit", 100);
  if (!after || !limit) return {};
  const auto all = engine_.bulletins(*after);
  json::array list;
  // With `after` the next ones, else the latest.
  const auto skip = *after == 0 && all.size() > *limit ? all.size() - *limit : 0;
  for (auto i = skip; i < all.size() && list.size() < *limit; ++i) {
    list.push_back(json::object{{"id", all[i].id},
                                {"time", time_of(all[i].time)},
                                {"level", name_of(all[i].level)},
                                {"flow", all[i].flow},
                                {"processor", all[i].processor},
                                {"message", all[i].message}});
  }
  return text(list);
}

}  // namespace weir::api
