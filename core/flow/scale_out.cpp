#include "flow/scale_out.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <vector>

#include "weir/spec.h"

namespace weir::flow {

namespace {

// Those that speak to their lane (weir/lane.h).
constexpr std::string_view kSource = "KafkaSource";
constexpr std::array<std::string_view, 2> kWindows{"WindowMean", "WindowAggregate"};
constexpr std::string_view kQualityCheck = "QualityCheck";
constexpr std::array<std::string_view, 3> kExactSinks{"KafkaSink", "S3Sink", "SqlSink"};
// Rules of a QualityCheck that need the values before: without one of them it keeps nothing.
constexpr std::array<std::string_view, 6> kRulesOverTime{"rate_of_change", "spike", "flat_line",
                                                         "flat_line_fail", "gap",   "unique"};

template <std::size_t N>
bool is_one_of(std::string_view type, const std::array<std::string_view, N>& types) {
  return std::find(types.begin(), types.end(), type) != types.end();
}

/// As "gap of temperature"; empty: there is none.
std::string rule_over_time(const boost::property_tree::ptree& check) {
  const auto rules = check.get_child_optional("rules");
  if (!rules) return {};
  for (const auto& [field, of_field] : *rules) {
    for (const auto& [rule, setting] : of_field) {
      if (is_one_of(rule, kRulesOverTime) && setting.data() != "false") return fmt::format("{} of {}", rule, field);
    }
  }
  return {};
}

class ScaleOut {
 public:
  ScaleOut(const Draft& draft, const Reporter& report) : draft_(draft), flow_(draft.flow), report_(report) {}

  void check() {
    std::vector<std::uint32_t> sources;
    for (std::uint32_t i = 0; i < flow_.processors.size(); ++i) {
      if (draft_.processors[i].type == nullptr) return;  // there are other errors
      if ((spec(i).flags & abi::kSource) != 0) sources.push_back(i);
    }
    for (const auto source : sources) check_source(source, sources.front());
    for (std::uint32_t i = 0; i < flow_.processors.size(); ++i) {
      if ((spec(i).flags & abi::kSource) != 0) continue;
      if (is_sink(i)) {
        check_sink(i);
      } else if (is_one_of(type(i), kWindows)) {
        check_window(i);
      } else {
        check_between(i);
      }
    }
  }

 private:
  const abi::Spec& spec(std::uint32_t i) const { return *flow_.processors[i].type->spec(); }
  std::string_view type(std::uint32_t i) const { return view(spec(i).type); }
  const std::string& name(std::uint32_t i) const { return flow_.processors[i].name; }
  void error(std::uint32_t i, std::string message, std::string expected) const {
    report_.error(*draft_.processors[i].key, std::move(message), std::move(expected));
  }

  bool is_sink(std::uint32_t i) const { return flow::is_sink(flow_, i); }

  void check_source(std::uint32_t i, std::uint32_t first) const {
    if (type(i) == "MqttSource")
      return error(i,
                   fmt::format("'{}': a flow that scales out shares the partitions of a Kafka topic; MQTT has none, "
                               "and hands a shared subscription's messages to whoever is there",
                               name(i)),
                   "a KafkaSource, behind a flow that brings the messages into a topic, keyed as its windows are; or "
                   "without scale_out, and with $share/… as its topic, if the flow keeps nothing by key");
    if (type(i) != kSource)
      return error(i,
                   fmt::format("'{}': a flow that scales out shares the partitions of a Kafka topic, and {} reads "
                               "none",
                               name(i), type(i)),
                   "a KafkaSource");
    if (i != first)
      error(i, fmt::format("'{}': a flow that scales out has one source, and '{}' is one", name(i), name(first)),
            "one KafkaSource, with several `topics` if need be");
  }

  void check_window(std::uint32_t i) const {
    const auto& settings = flow_.processors[i].settings;
    if (!settings.get_child_optional("key"))
      error(i, fmt::format("'{}': without a key, each partition would give a result of its own", name(i)),
            "`key`, by which the topic's messages are keyed too");
    std::size_t inputs = 0;
    for (const auto& connection : flow_.connections) inputs += connection.to == i ? 1 : 0;
    if (inputs > 1)
      error(i,
            fmt::format("'{}' has {} inputs: which of them is ahead would not be the same again, where its windows "
                        "are built anew",
                        name(i), inputs),
            "one connection that leads to it");
    for (const auto other : behind(flow_, i)) {
      if (is_one_of(type(other), kWindows) && !is_sink(other))
        error(other,
              fmt::format("'{}' is behind the windows of '{}': where a partition moves, the results that it had "
                          "taken in are not made again",
                          name(other), name(i)),
              "windows of windows in a flow of their own, with a topic in between");
    }
  }

  /// What it refuses has to be out of the flow before it commits, and is not refused again once it has.
  void check_failures(std::uint32_t i) const {
    for (const auto other : behind(flow_, i)) {
      if (is_one_of(type(other), kWindows))
        error(other,
              fmt::format("'{}' is behind the failures of '{}': where a partition moves, what it had taken in is not "
                          "refused again",
                          name(other), name(i)),
              "failures go to a sink, and windows over them into a flow of their own, with a topic in between");
      if (other != i && is_sink(other) && behind(flow_, other).contains(i))
        error(i,
              fmt::format("'{}' and '{}' fail to each other: each would have to wait for what the other refuses before "
                          "it commits",
                          name(i), name(other)),
              "one of them whose failures go elsewhere");
    }
  }

  void check_sink(std::uint32_t i) const {
    check_failures(i);
    const auto& processor = flow_.processors[i];
    if (is_one_of(type(i), kExactSinks)) {
      if (!processor.exactly_once)
        report_.warning(
            *draft_.processors[i].key,
            fmt::format("'{}' delivers at least once: where a partition moves, what its last owner had sent "
                        "since its last commit (a second) is sent again, and an owner that was cut off may "
                        "still send; `delivery: exactly_once` prevents both",
                        name(i)));
      return;
    }
    if (spec(i).state.size != 0 || processor.exactly_once)
      return error(i,
                   fmt::format("'{}': {} keeps on its own machine how far it is, which is gone where a partition "
                               "moves",
                               name(i), type(i)),
                   "S3Sink, SqlSink or KafkaSink with `delivery: exactly_once`: what a machine's disk has is gone with "
                   "the machine. A flow of its own can write what they have to files");
    report_.warning(
        *draft_.processors[i].key,
        fmt::format("'{}' delivers at least once: where a partition moves, what its last owner had sent since "
                    "its last commit (a second) is sent again, and an owner that was cut off may still send",
                    name(i)));
  }

  void check_between(std::uint32_t i) const {
    if (spec(i).state.size == 0) return;
    if (type(i) == kQualityCheck) return check_quality_check(i);
    error(
        i,
        fmt::format("'{}': {} keeps {} That stays behind where a partition moves, and cannot be built anew from a "
                    "part of the topic",
                    name(i), type(i), lower(view(spec(i).state))),
        "only windows keep something by key in a flow that scales out; the rest goes into a flow before or behind it");
  }

  void check_quality_check(std::uint32_t i) const {
    const auto rule = rule_over_time(flow_.processors[i].settings);
    if (rule.empty()) return;
    error(i,
          fmt::format("'{}': {} needs the values before. They stay behind where a partition moves, and cannot be built "
                      "anew from a part of the topic",
                      name(i), rule),
          "rules that look at one reading, and checks; rules over time in a QualityCheck before or behind this flow");
  }

  static std::string lower(std::string_view text) {
    std::string result(text);
    if (!result.empty() && result[0] >= 'A' && result[0] <= 'Z') result[0] = static_cast<char>(result[0] - 'A' + 'a');
    return result;
  }

  const Draft& draft_;
  const Flow& flow_;
  const Reporter& report_;
};

/// A broker gives each message of a shared subscription to any of those who share it.
void check_shared_subscriptions(const Draft& draft, const Reporter& report) {
  const auto& flow = draft.flow;
  for (std::uint32_t source = 0; source < flow.processors.size(); ++source) {
    const auto* type = draft.processors[source].type;
    if (type == nullptr || view(type->type->spec()->type) != "MqttSource") continue;
    const auto& settings = flow.processors[source].settings;
    bool shared = settings.get("topic", std::string()).starts_with("$share/");
    if (const auto topics = settings.get_child_optional("topics")) {
      for (const auto& [key, topic] : *topics) shared |= topic.data().starts_with("$share/");
    }
    if (!shared) continue;
    std::set<std::uint32_t> seen{source};
    for (std::vector<std::uint32_t> next{source}; !next.empty();) {
      const auto at = next.back();
      next.pop_back();
      for (const auto& connection : flow.connections) {
        if (connection.from != at || !seen.insert(connection.to).second) continue;
        next.push_back(connection.to);
        const auto* behind = draft.processors[connection.to].type;
        if (behind == nullptr) continue;
        const auto name = view(behind->type->spec()->type);
        const bool keeps = is_one_of(name, kWindows) || name == "Deduplicate" ||
                           (name == kQualityCheck && !rule_over_time(flow.processors[connection.to].settings).empty());
        if (!keeps) continue;
        report.error(*draft.processors[connection.to].key,
                     fmt::format("'{}': {} keeps something of each key, and '{}' has a shared subscription: its broker "
                                 "gives the messages of one key to several Weirs, of which each would know a part",
                                 flow.processors[connection.to].name, name, flow.processors[source].name),
                     "a topic without $share/, which one Weir reads; or the messages in a Kafka topic, keyed, and a "
                     "flow with `scale_out: true` behind it");
      }
    }
  }
}

}  // namespace

void check_scale_out(const Draft& draft, const Reporter& report) {
  if (draft.flow.processors.size() != draft.processors.size()) return;
  if (draft.flow.scale_out) {
    ScaleOut(draft, report).check();
  } else {
    check_shared_subscriptions(draft, report);
  }
}

bool is_sink(const Flow& flow, std::uint32_t processor) {
  return std::none_of(flow.connections.begin(), flow.connections.end(), [&](const auto& connection) {
    return connection.from == processor &&
           flow.processors[processor].relationships[connection.relationship] != "failure";
  });
}

std::set<std::uint32_t> behind(const Flow& flow, std::uint32_t processor) {
  std::set<std::uint32_t> seen;
  for (std::vector<std::uint32_t> next{processor}; !next.empty();) {
    const auto at = next.back();
    next.pop_back();
    for (const auto& connection : flow.connections) {
      if (connection.from == at && seen.insert(connection.to).second) next.push_back(connection.to);
    }
  }
  return seen;
}

Flow member_of(const Flow& flow) {
  Flow member = flow;
  std::erase_if(member.processors,
                [](const auto& processor) { return (processor.type->spec()->flags & abi::kSource) == 0; });
  member.connections.clear();
  member.tests.clear();
  member.is_member = true;
  return member;
}

Flow lane_of(const Flow& flow, const LaneName& name) {
  Flow lane = flow;
  lane.lane = name;
  lane.tests.clear();
  for (auto& processor : lane.processors) processor.renamed_from.clear();
  return lane;
}

}  // namespace weir::flow
