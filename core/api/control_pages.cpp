#include "api/control_pages.h"

#include <fmt/core.h>

#include <string>
#include <utility>
#include <vector>

#include "api/json.h"
#include "api/snapshot.h"

namespace weir::api {

namespace json = boost::json;
using engine::Operation;

namespace {

constexpr std::int64_t kMostAtOnce = 1'000;

/// The flow's processors in the order of the wish: what takes starts before what gives, and stops after it.
std::vector<std::string> processors_of(const engine::Engine& engine, const std::string& flow, Operation operation) {
  std::vector<std::string> names;
  const auto snapshot = take_snapshot(engine);
  for (const bool sources : {operation == Operation::stop, operation != Operation::stop}) {
    for (const auto& processor : snapshot.processors) {
      if (processor.flow->name == flow && processor.source == sources && !processor.in_lanes)
        names.push_back(processor.definition->name);
    }
  }
  if (names.empty()) throw Refused(404, fmt::format("there is no flow '{}'", flow));
  return names;
}

Response how_they_are(const engine::Engine& engine, const std::string& flow, const std::vector<std::string>& names) {
  json::array processors;
  const auto snapshot = take_snapshot(engine);
  for (const auto& name : names) {
    for (const auto& processor : snapshot.processors) {
      if (processor.flow->name == flow && processor.definition->name == name)
        processors.push_back(json::object{{"name", name}, {"status", name_of(processor.status)}});
    }
  }
  return json_response(json::object{{"flow", flow}, {"processors", std::move(processors)}}, 202);
}

/// `at`: a flow, and which of its processors, if it is one.
Response operate(engine::Engine& engine, const std::vector<std::string>& at, const std::string& who,
                 Operation operation, std::uint32_t flowfiles = 1) {
  const auto& flow = at[0];
  const auto names = at.size() > 1 ? std::vector{at[1]} : processors_of(engine, flow, operation);
  try {
    for (const auto& name : names) engine.operate(flow, name, operation, who, flowfiles);
  } catch (const engine::NotNow& error) {
    throw Refused(409, error.what());
  }
  return how_they_are(engine, flow, names);
}

std::uint32_t flowfiles_of(const json::object& body) {
  const auto* wanted = body.if_contains("flowfiles");
  if (wanted == nullptr) return 1;
  if (!wanted->is_int64() || wanted->as_int64() < 1 || wanted->as_int64() > kMostAtOnce)
    throw Refused(400, fmt::format("'flowfiles' is a whole number from 1 to {}", kMostAtOnce));
  return static_cast<std::uint32_t>(wanted->as_int64());
}

}  // namespace

void add_control_pages(Router& router, engine::Engine& engine) {
  const std::string processor = "/flows/{flow}/processors/{processor}";
  router.post(processor + "/start", "Starts a processor",
              [&engine](Call& call) { return operate(engine, call.at, call.who, Operation::start); });
  router.post(processor + "/stop", "Stops a processor, over restarts too",
              [&engine](Call& call) { return operate(engine, call.at, call.who, Operation::stop); });
  router.post(processor + "/terminate", "Abandons what a processor is at that stops and does not return from it",
              [&engine](Call& call) {
                return later([&engine, at = call.at, who = call.who] {  // others may be at work on the graph
                  return operate(engine, at, who, Operation::terminate);
                });
              });
  router.post(processor + "/run-once", "Has a stopped processor run one session", [&engine](Call& call) {
    return operate(engine, call.at, call.who, Operation::run_once, flowfiles_of(call.body));
  });
  router.post("/flows/{flow}/start", "Starts all processors of a flow",
              [&engine](Call& call) { return operate(engine, call.at, call.who, Operation::start); });
  router.post("/flows/{flow}/stop", "Stops all processors of a flow, over restarts too",
              [&engine](Call& call) { return operate(engine, call.at, call.who, Operation::stop); });
}

}  // namespace weir::api
