// The declared records along the connections: what each processor is given, until nothing changes any more.
#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "flow/graph.h"
#include "flow/records.h"
#include "sql/check.h"
#include "weir/spec.h"

namespace weir::flow {

namespace {

using Declared = std::shared_ptr<const sql::Declaration>;  // null: nothing is declared
using Known = std::optional<Declared>;                     // nothing: no record has come this far yet

bool same(const Declared& a, const Declared& b) {
  if (a == b) return true;
  if (!a || !b || a->extra_allowed != b->extra_allowed || a->fields.size() != b->fields.size()) return false;
  return std::equal(a->fields.begin(), a->fields.end(), b->fields.begin(), [](const auto& x, const auto& y) {
    return x.name == y.name && x.type == y.type && x.format == y.format && x.required == y.required;
  });
}

/// What is known of a field once it has been set to the result of `sql`.
sql::Field field_set_to(const std::string& name, const std::string& sql, const sql::Declaration& record) {
  const auto made = sql::check(abi::Kind::select, "SELECT " + sql + "\nAS result FROM record", &record).output;
  sql::Field field;
  if (made && made->fields.size() == 1) field = made->fields.front();  // else it is wrong, and reported elsewhere
  field.name = name;
  return field;
}

/// The record as it leaves a processor that sets and removes fields of it.
Declared edited(const Declared& record, const boost::property_tree::ptree& settings) {
  if (!record) return nullptr;
  auto result = std::make_shared<sql::Declaration>(*record);
  auto& fields = result->fields;
  if (const auto remove = settings.find("remove"); remove != settings.not_found()) {
    for (const auto& [index, name] : remove->second)
      std::erase_if(fields, [&, &removed = name.data()](const auto& field) { return field.name == removed; });
  }
  if (const auto set = settings.find("set"); set != settings.not_found()) {
    for (const auto& [name, sql] : set->second) {
      auto field = field_set_to(name, sql.data(), *record);
      const auto at = std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f.name == field.name; });
      if (at == fields.end()) {
        fields.push_back(std::move(field));
      } else {
        *at = std::move(field);
      }
    }
  }
  if (!record->name.ends_with(" (updated)")) result->name += " (updated)";
  return result;
}

class RecordFlow {
 public:
  explicit RecordFlow(Draft& draft)
      : draft_(draft),
        inputs_(draft.processors.size()),
        outputs_(draft.processors.size()),
        lost_(draft.processors.size()) {}

  /// A record can only lose what is known of it from round to round, so this ends.
  void settle() {
    const auto rounds = 2 * draft_.processors.size() + 2;
    for (std::size_t round = 0; round < rounds && visit_all(); ++round) {
    }
  }

  Declared input(std::uint32_t i) const { return inputs_[i].value_or(nullptr); }
  Declared output(std::uint32_t i) const { return outputs_[i].value_or(nullptr); }
  const std::vector<std::string>& lost(std::uint32_t i) const { return lost_[i]; }

 private:
  bool visit_all() {
    bool changed = false;
    for (std::uint32_t i = 0; i < draft_.processors.size(); ++i) {
      if (draft_.processors[i].type == nullptr) continue;
      auto input = arriving(i);
      if (!input && !is_source(i)) continue;
      auto output = leaving(i, input.value_or(nullptr));
      const bool input_same = inputs_[i].has_value() == input.has_value() && (!input || same(*inputs_[i], *input));
      const bool output_same = outputs_[i] && same(*outputs_[i], output);
      changed |= !input_same || !output_same;
      if (!input_same) inputs_[i] = std::move(input);
      if (!output_same) outputs_[i] = std::move(output);
    }
    return changed;
  }

  bool is_source(std::uint32_t i) const { return (draft_.processors[i].type->spec->flags & abi::kSource) != 0; }

  Known arriving(std::uint32_t i) {
    // A source's statements read what it emits.
    const bool generator = (draft_.processors[i].type->spec->flags & abi::kGenerator) != 0;
    if (is_source(i)) return generator ? Declared() : draft_.processors[i].record;
    Known input;
    lost_[i].clear();
    for (const auto& connection : draft_.flow.connections) {
      if (connection.to != i) continue;
      const auto came = carried(connection);
      if (!came) continue;
      input = input ? common_record(*input, *came, lost_[i]) : *came;
    }
    return input;
  }

  Known carried(const Connection& connection) const {
    const auto from = connection.from;
    if (draft_.processors[from].type == nullptr) return Declared();
    const auto& relationship = draft_.flow.processors[from].relationships[connection.relationship];
    // What is rejected leaves as it came; what a source rejects was no record.
    if (relationship == "failure") return is_source(from) ? Known(Declared()) : inputs_[from];
    return outputs_[from];
  }

  Declared leaving(std::uint32_t i, const Declared& input) const {
    const auto& beside = draft_.processors[i];
    if (beside.record) return beside.record;
    const auto& spec = *beside.type->spec;
    const bool selects = std::any_of(beside.uses.begin(), beside.uses.end(),
                                     [](const auto& use) { return use.kind == abi::Kind::select; });
    if (selects) {
      std::vector<Problem> ignored;  // reported once all is known
      const Source nowhere("", "");
      const auto facts = check_statements(beside.uses, input.get(), spec, draft_.flow.processors[i].settings,
                                          draft_.flow.processors[i].name, Reporter(nowhere, ignored));
      return facts.output;
    }
    if ((spec.flags & abi::kEditsRecord) != 0) return edited(input, draft_.flow.processors[i].settings);
    return (spec.flags & abi::kKeepsRecord) != 0 ? input : nullptr;
  }

  Draft& draft_;
  std::vector<Known> inputs_;
  std::vector<Known> outputs_;
  std::vector<std::vector<std::string>> lost_;
};

}  // namespace

std::vector<std::pair<std::uint32_t, std::vector<std::string>>> follow_records(Draft& draft, const Reporter& report) {
  RecordFlow records(draft);
  records.settle();
  std::vector<std::pair<std::uint32_t, std::vector<std::string>>> reads;
  for (std::uint32_t i = 0; i < draft.processors.size(); ++i) {
    const auto& beside = draft.processors[i];
    auto& processor = draft.flow.processors[i];
    if (beside.type == nullptr) continue;
    processor.input_record = records.input(i);
    processor.output_record = records.output(i);
    const auto facts = check_statements(beside.uses, processor.input_record.get(), *beside.type->spec,
                                        processor.settings, processor.name, report);
    for (const auto& field : facts.fields) {
      const auto& lost = records.lost(i);
      if (std::find(lost.begin(), lost.end(), field) == lost.end()) continue;
      report.warning(*beside.key,
                     fmt::format("'{}' reads '{}', which the records that reach it do not all declare alike: "
                                 "it is taken as undeclared",
                                 processor.name, field),
                     "one 'record:' for all of them, or casts in the SQL");
    }
    if (!processor.input_record && !facts.fields.empty()) reads.emplace_back(i, facts.fields);
  }
  return reads;
}

}  // namespace weir::flow
