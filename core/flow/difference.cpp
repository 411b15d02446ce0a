#include "flow/difference.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "flow/settings.h"
#include "weir/sql.h"

namespace weir::flow {

namespace {

constexpr std::size_t kMostNames = 6;
/// Of a side of a changed value: what is longer (SQL, a mapping) is cut where it is shown.
constexpr std::size_t kLongestShown = 2'000;
constexpr const char* kTypes[] = {"any", "text", "integer", "number", "boolean", "time", "json"};  ///< sql::FieldType

using Values = std::map<std::string, std::string>;

std::string shown(std::string text) {
  if (text.size() <= kLongestShown) return text;
  auto cut = kLongestShown;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0U) == 0x80U) --cut;  // not inside a character
  text.resize(cut);
  return text + "…";
}

/// "rules.temperature.range.0": every leaf by its path.
void flatten(const boost::property_tree::ptree& tree, const std::string& path, Values& values) {
  if (tree.empty()) {
    values[path] = tree.data();
    return;
  }
  std::size_t index = 0;
  for (const auto& [key, child] : tree)
    flatten(child, (path.empty() ? "" : path + ".") + (key.empty() ? std::to_string(index++) : key), values);
}

std::string yes_or_no(bool value) {
  return value ? "true" : "false";
}

std::string words(const std::set<std::uint32_t>& numbers, const std::vector<std::string>& names) {
  std::string text;
  for (const auto number : numbers) text += (text.empty() ? "" : ", ") + names.at(number);
  return text;
}

std::string words(const std::optional<Retry>& retry) {
  if (!retry) return {};
  return fmt::format("{} attempts, backoff {} to {}", retry->attempts, format_duration(retry->backoff),
                     format_duration(retry->max_backoff));
}

std::string words(const std::shared_ptr<const sql::Declaration>& declaration) {
  if (!declaration) return {};
  std::string text = declaration->name + (declaration->extra_allowed ? " {" : " (no others) {");
  for (const auto& field : declaration->fields) {
    text += fmt::format("{}{}: {}{}{}{}", text.ends_with('{') ? "" : ", ", field.name,
                        kTypes[static_cast<std::size_t>(field.type)], field.required ? " required" : "",
                        field.format.empty() ? "" : " " + field.format, field.unit.empty() ? "" : " " + field.unit);
  }
  return text + "}";
}

/// Of everything but the settings that makes a processor start anew when it differs.
Values options_of(const Processor& processor) {
  Values values;
  const auto say = [&](const char* what, std::string value) {
    if (!value.empty()) values[what] = std::move(value);
  };
  say("type", std::string(view(processor.type->spec()->type)));
  if (processor.schedule.every) say("schedule", "every " + format_duration(*processor.schedule.every));
  if (!processor.schedule.cron.empty()) say("schedule", "cron " + processor.schedule.cron);
  say("concurrency", std::to_string(processor.concurrency));
  say("enabled", yes_or_no(processor.enabled));
  say("order", processor.strict_order ? "strict" : "key");
  say("delivery", processor.exactly_once ? "exactly_once" : "at_least_once");
  const auto& retain = processor.retain;
  say("retain", retain.none ? "none"
                            : fmt::format("{}, {}, {} a second", format_duration(retain.keep_for),
                                          format_bytes(retain.keep_bytes), format_bytes(retain.most_a_second)));
  for (const auto& [relationship, retry] : processor.retries)
    values["retry." + processor.relationships.at(relationship)] = words(retry);
  return values;
}

void compare(const Values& before, const Values& after, const std::string& prefix, std::vector<ChangedValue>& changed) {
  for (const auto& [what, value] : after) {
    const auto old = before.find(what);
    if (old != before.end() && old->second == value) continue;
    changed.push_back({prefix + what, old == before.end() ? "" : shown(old->second), shown(value)});
  }
  for (const auto& [what, value] : before) {
    if (!after.contains(what)) changed.push_back({prefix + what, shown(value), ""});
  }
}

/// One that changed behind its mask is said to have, without either.
void compare_settings(const Flow& old_flow, const Processor& before, const Flow& new_flow, const Processor& after,
                      std::vector<ChangedValue>& changed) {
  Values old_clear, new_clear, old_shown, new_shown;
  flatten(before.settings, "", old_clear);
  flatten(after.settings, "", new_clear);
  if (old_clear == new_clear) return;
  flatten(masked(before.settings, *before.type->spec(), old_flow.secrets), "", old_shown);
  flatten(masked(after.settings, *after.type->spec(), new_flow.secrets), "", new_shown);
  for (const auto& [what, value] : new_clear) {
    const auto old = old_clear.find(what);
    if (old == old_clear.end() || old->second == value || old_shown[what] != new_shown[what]) continue;
    new_shown[what] += " (another)";
  }
  compare(old_shown, new_shown, "", changed);
}

void compare_texts(const Processor& before, const Processor& after, std::vector<ChangedValue>& changed) {
  compare({{"description", before.description}}, {{"description", after.description}}, "", changed);
  compare(before.labels, after.labels, "label ", changed);
}

/// Connections by the processor's relationship or by whence they come, with their ids of the old flow.
std::vector<std::string> ways(const Flow& flow, const std::string& processor, bool inputs,
                              const std::map<std::string, std::string>& ids) {
  std::vector<std::string> found;
  for (const auto& connection : flow.connections) {
    if (flow.processors[inputs ? connection.to : connection.from].name != processor) continue;
    const auto known = ids.find(connection.id);
    found.push_back(known == ids.end() ? connection.id : known->second);
  }
  std::sort(found.begin(), found.end());
  return found;
}

const Processor* find(const Flow& flow, const std::string& name) {
  const auto at = std::find_if(flow.processors.begin(), flow.processors.end(), [&](auto& p) { return p.name == name; });
  return at == flow.processors.end() ? nullptr : &*at;
}

Values options_of(const Connection& connection) {
  return {{"max_count", std::to_string(connection.queue.max_count)},
          {"max_bytes", format_bytes(connection.queue.max_bytes)}};
}

class Comparison {
 public:
  Comparison(const Flow& before, const Flow& after) : before_(before), after_(after) { match_connections(); }

  FlowDifference take() {
    result_.flow = after_.name;
    compare({{"description", before_.description}}, {{"description", after_.description}}, "", result_.values);
    if (before_.provenance.index != after_.provenance.index)
      result_.values.push_back({"provenance.index", joined(before_.provenance.index), joined(after_.provenance.index)});
    const auto kept = [](const ProvenanceOptions& options) {
      return Values{{"keep_for", format_duration(options.keep_for)}, {"keep_bytes", format_bytes(options.keep_bytes)}};
    };
    compare(kept(before_.provenance), kept(after_.provenance), "from the next start, provenance.", result_.values);
    std::set<std::string> met;
    for (const auto& processor : after_.processors) {
      const auto old = name_before(before_, after_, processor);
      met.insert(old);
      add(processor, old);
    }
    for (const auto& processor : before_.processors) {
      if (!met.contains(processor.name))
        result_.processors.push_back({ChangeKind::removed, processor.name, processor.name, Reach::restart, {}});
    }
    for (const auto& connection : before_.connections) {
      if (!old_ids_.contains(connection.id))
        result_.connections.push_back({ChangeKind::removed, connection.id, connection.id, {}});
    }
    return std::move(result_);
  }

 private:
  static std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
  }

  void match_connections() {
    for (const auto& connection : after_.connections) {
      const auto from = name_before(before_, after_, after_.processors[connection.from]);
      const auto to = name_before(before_, after_, after_.processors[connection.to]);
      const auto& relationship = after_.processors[connection.from].relationships[connection.relationship];
      const auto id = before_.name + "/" + from + "/" + relationship + "/" + to;
      const auto old = std::find_if(before_.connections.begin(), before_.connections.end(),
                                    [&](const auto& each) { return each.id == id; });
      if (old == before_.connections.end()) {
        result_.connections.push_back({ChangeKind::added, connection.id, "", {}});
        continue;
      }
      was_[connection.id] = id;
      old_ids_.insert(id);
      ConnectionDifference difference{ChangeKind::changed, connection.id, id, {}};
      if (id != connection.id) difference.values.push_back({"id", id, connection.id});
      compare(options_of(*old), options_of(connection), "queue.", difference.values);
      if (!difference.values.empty()) result_.connections.push_back(std::move(difference));
    }
  }

  void add(const Processor& processor, const std::string& old_name) {
    if (old_name.empty()) {
      result_.processors.push_back({ChangeKind::added, processor.name, "", Reach::restart, {}});
      return;
    }
    const auto& old = *find(before_, old_name);
    ProcessorDifference difference{ChangeKind::changed, processor.name, old_name, Reach::text, {}};
    auto& values = difference.values;
    if (old_name != processor.name) values.push_back({"name", old_name, processor.name});
    compare(options_of(old), options_of(processor), "", values);
    if (old.type == processor.type) {
      compare_settings(before_, old, after_, processor, values);
    } else {
      values.push_back({"settings", "", "those of the other type"});
    }
    for (const auto& [what, a, b] : {std::tuple("record it reads", &old.input_record, &processor.input_record),
                                     std::tuple("record it writes", &old.output_record, &processor.output_record)}) {
      if (words(*a) != words(*b)) values.push_back({what, shown(words(*a)), shown(words(*b))});
    }
    // What a processor reads from, it is told when it starts, and how far it has come there.
    const bool other_inputs = of_old(ways(before_, old_name, true, {})) != ways(after_, processor.name, true, {});
    if (other_inputs) values.push_back({"inputs", listed(before_, old_name), listed(after_, processor.name)});
    const bool other_relationships = old.relationships != processor.relationships;
    if (other_relationships && values.empty())
      values.push_back({"relationships", joined(old.relationships), joined(processor.relationships)});
    if (!values.empty()) difference.reach = Reach::restart;
    const auto dropped_before = words(old.dropped, old.relationships);
    const auto dropped_after = words(processor.dropped, processor.relationships);
    const bool other_outputs = ways(before_, old_name, false, {}) != ways(after_, processor.name, false, was_);
    if (dropped_before != dropped_after) values.push_back({"drop", dropped_before, dropped_after});
    if (other_outputs) values.push_back({"outputs", outputs(before_, old_name), outputs(after_, processor.name)});
    if (difference.reach != Reach::restart && (other_outputs || dropped_before != dropped_after))
      difference.reach = Reach::outputs;
    compare_texts(old, processor, values);
    if (!values.empty()) result_.processors.push_back(std::move(difference));
  }

  /// The ids that connections of the old flow have now: those that have gone keep theirs.
  std::vector<std::string> of_old(std::vector<std::string> ids) const {
    for (auto& id : ids) {
      const auto now = std::find_if(was_.begin(), was_.end(), [&](const auto& each) { return each.second == id; });
      if (now != was_.end() && now->first == id) continue;
      if (now != was_.end()) id = "renamed from " + id;  // its reader counts by the id: it is told
    }
    std::sort(ids.begin(), ids.end());
    return ids;
  }

  static std::string listed(const Flow& flow, const std::string& processor) {
    std::vector<std::string> names;
    for (const auto& connection : flow.connections) {
      if (flow.processors[connection.to].name != processor) continue;
      const auto& from = flow.processors[connection.from];
      names.push_back(from.name + "/" + from.relationships[connection.relationship]);
    }
    return joined(names);
  }

  static std::string outputs(const Flow& flow, const std::string& processor) {
    std::vector<std::string> names;
    for (const auto& connection : flow.connections) {
      const auto& from = flow.processors[connection.from];
      if (from.name != processor) continue;
      names.push_back(from.relationships[connection.relationship] + "/" + flow.processors[connection.to].name);
    }
    return joined(names);
  }

  const Flow& before_;
  const Flow& after_;
  FlowDifference result_;
  std::map<std::string, std::string> was_;  ///< ids of connections of the new flow that the old one has, and theirs
  std::set<std::string> old_ids_;           ///< of those
};

}  // namespace

std::string name_before(const Flow& before, const Flow& after, const Processor& processor) {
  if (find(before, processor.name) != nullptr) return processor.name;
  const auto& old = processor.renamed_from;
  // If the new flow has one of the old name too, the renaming is an old story.
  if (old.empty() || find(before, old) == nullptr || find(after, old) != nullptr) return {};
  return old;
}

FlowDifference compare(const Flow* before, const Flow* after) {
  if (before != nullptr && after != nullptr) return Comparison(*before, *after).take();
  FlowDifference difference;
  const auto* only = before != nullptr ? before : after;
  difference.kind = before != nullptr ? ChangeKind::removed : ChangeKind::added;
  difference.flow = only->name;
  for (const auto& processor : only->processors)
    difference.processors.push_back(
        {difference.kind, processor.name, before != nullptr ? processor.name : "", Reach::restart, {}});
  for (const auto& connection : only->connections)
    difference.connections.push_back({difference.kind, connection.id, before != nullptr ? connection.id : "", {}});
  return difference;
}

const char* name_of(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::added:
      return "added";
    case ChangeKind::removed:
      return "removed";
    case ChangeKind::changed:
      return "changed";
  }
  return "changed";
}

const char* name_of(Reach reach) {
  switch (reach) {
    case Reach::text:
      return "text";
    case Reach::outputs:
      return "outputs";
    case Reach::restart:
      return "restart";
  }
  return "restart";
}

std::string summary(const FlowDifference& difference) {
  if (difference.kind == ChangeKind::added) return fmt::format("{} added", difference.flow);
  if (difference.kind == ChangeKind::removed) return fmt::format("{} removed", difference.flow);
  std::string text;
  const auto say = [&](const std::vector<std::string>& names, const char* noun, ChangeKind kind) {
    if (names.empty()) return;
    text += fmt::format("{}{} {}{} {} (", text.empty() ? "" : ", ", names.size(), noun, names.size() == 1 ? "" : "s",
                        name_of(kind));
    for (std::size_t i = 0; i < names.size() && i < kMostNames; ++i) text += (i == 0 ? "" : ", ") + names[i];
    text += names.size() > kMostNames ? ", …)" : ")";
  };
  for (const auto kind : {ChangeKind::changed, ChangeKind::added, ChangeKind::removed}) {
    std::vector<std::string> processors, connections;
    for (const auto& processor : difference.processors) {
      if (processor.kind == kind) processors.push_back(processor.name);
    }
    for (const auto& connection : difference.connections) {
      if (connection.kind == kind) connections.push_back(connection.id);
    }
    say(processors, "processor", kind);
    say(connections, "connection", kind);
  }
  if (text.empty()) text = difference.values.empty() ? "nothing changed" : "what it says of itself changed";
  return text;
}

}  // namespace weir::flow
