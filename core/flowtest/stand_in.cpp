#include "flowtest/stand_in.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "flowtest/records.h"
#include "weir/plugin.h"

namespace weir::flowtest {

namespace {

namespace json = boost::json;

struct NoSettings {};

const auto source_spec = weir::Spec<NoSettings>{"TestSource", "Stands in for a source in a flow test."}.source();

class SourceStandIn final : public Source {
 public:
  explicit SourceStandIn(NoSettings) {}
  void poll(Session&) override {}
};

struct Settings {
  std::string answers = "[]";  ///< JSON: [{"when": {…}, "to": relationship number or null, "set": {…}}]
};

const auto spec = weir::Spec<Settings>{"TestDouble", "Stands in for a processor that reaches outside."}.property(
    "answers", &Settings::answers, {.help = "What it does with its inputs: the first answer that fits."});

class StandIn final : public Processor {
 public:
  explicit StandIn(const Settings& settings) : answers_(json::parse(settings.answers).as_array()) {}

  void process(FlowFile file, Session& session) override {
    auto records = records_of(file.content());
    for (const auto& answer : answers_) {
      if (fits(answer.at("when"), records)) return give(file, answer, std::move(records), session);
    }
    end(file, session);
  }

 private:
  static bool fits(const json::value& when, const std::optional<std::vector<json::value>>& records) {
    for (const auto& [field, wanted] : when.as_object()) {
      if (!records || records->empty() || !records->front().is_object()) return false;
      const auto* found = records->front().as_object().if_contains(field);
      if (found == nullptr || *found != wanted) return false;
    }
    return true;
  }

  static void give(FlowFile file, const json::value& answer, std::optional<std::vector<json::value>> records,
                   Session& session) {
    if (answer.at("to").is_null()) return end(file, session);
    const auto to = static_cast<std::uint32_t>(answer.at("to").to_number<std::uint64_t>());
    const auto& set = answer.at("set").as_object();
    if (set.empty() || !records) return session.transfer(file, to);
    for (auto& record : *records) {
      if (!record.is_object()) continue;
      for (const auto& [name, value] : set) record.as_object()[name] = value;
    }
    const auto changed = session.create(file);
    session.append(changed, with_records(file.content(), *records));
    session.records(changed, static_cast<std::uint32_t>(records->size()));
    session.transfer(changed, to);
  }

  static void end(FlowFile file, Session& session) {
    session.event("SEND", "test:");
    session.drop(file, {});
  }

  const json::array answers_;
};

}  // namespace

const abi::ProcessorType& source_stand_in() {
  static const auto type = weir::type<SourceStandIn>(source_spec);
  return type;
}

const abi::ProcessorType& stand_in() {
  static const auto type = weir::type<StandIn>(spec);
  return type;
}

bool reaches_outside(const abi::ProcessorType& type) {
  return (type.spec()->flags & (abi::kSource | abi::kBlocking)) != 0;
}

boost::property_tree::ptree answer_settings(const std::vector<flow::Answer>& answers) {
  json::array list;
  for (const auto& answer : answers) {
    json::object when;
    for (const auto& [field, value] : answer.when) when[field] = json::parse(value);
    json::object entry;
    entry["when"] = std::move(when);
    entry["to"] = answer.relationship ? json::value(*answer.relationship) : json::value(nullptr);
    entry["set"] = answer.set.empty() ? json::value(json::object()) : json::parse(answer.set);
    list.push_back(std::move(entry));
  }
  boost::property_tree::ptree settings;
  settings.push_back({"answers", boost::property_tree::ptree(json::serialize(list))});
  return settings;
}

}  // namespace weir::flowtest
