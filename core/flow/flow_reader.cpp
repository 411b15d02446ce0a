#include "flow/flow_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "flow/cron.h"
#include "flow/database_tables.h"
#include "flow/records.h"
#include "flow/test_reader.h"
#include "flow/values.h"
#include "plugin/nearest.h"
#include "weir/spec.h"

namespace weir::flow {

namespace {

const std::vector<std::string> kTopKeys{"flow",       "description", "parameters", "records",  "defaults",
                                        "processors", "provenance",  "tests",      "scale_out"};
const std::vector<std::string> kRetryKeys{"attempts", "backoff", "max_backoff"};

/// Names become parts of ids (flow/from/relationship/to), of metrics' labels and of folders.
bool valid_name(std::string_view name) {
  if (name.empty() || name.size() > 100 || name[0] == '.' || name[0] == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

constexpr auto kNameRule = "letters, digits, - _ and ., beginning with a letter or digit";

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i)
    text += fmt::format("{}{}", i == 0 ? "" : i + 1 == names.size() ? " or " : ", ", names[i]);
  return text;
}

}  // namespace

std::size_t FlowReader::errors() const {
  const auto reported =
      std::count_if(problems_.begin(), problems_.end(), [](const auto& p) { return p.severity == Severity::error; });
  return static_cast<std::size_t>(reported) + parameters_.missed();
}

std::string FlowReader::text(const Node& node, std::string_view what) const {
  if (!node.is_scalar()) {
    report_.error(node, fmt::format("'{}' is {}", what, describe(node)), "text");
    return {};
  }
  const auto text = parameters_.text(node);
  return text ? text->value : std::string();
}

bool FlowReader::boolean(const Node& node, std::string_view what, bool otherwise) const {
  const auto before = errors();
  const auto written = text(node, what);
  if (errors() != before) return otherwise;
  auto value = read_value(abi::Property{}, abi::Kind::boolean, written);
  if (value.problem.empty()) return value.canonical == "true";
  report_.error(node, fmt::format("'{}' is {}", what, describe(node)), value.expected, value.nearest);
  return otherwise;
}

std::optional<std::uint64_t> FlowReader::count(const Node& node, std::string_view what, std::uint64_t least) const {
  const auto before = errors();
  const auto written = text(node, what);
  if (errors() != before) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(written.data(), written.data() + written.size(), value);
  if (error == std::errc{} && end == written.data() + written.size() && !written.empty() && value >= least)
    return value;
  report_.error(node, fmt::format("'{}' is {}", what, describe(node)),
                fmt::format("a whole number, at least {}", least));
  return std::nullopt;
}

Duration FlowReader::duration(const Node& node, std::string_view what, Duration otherwise) const {
  const auto before = errors();
  const auto written = text(node, what);
  if (errors() != before) return otherwise;
  const auto value = read_value(abi::Property{}, abi::Kind::duration, written);
  if (value.problem.empty()) return *parse_duration(written);
  report_.error(node, fmt::format("'{}': {} {}", what, describe(node), value.problem), value.expected, value.nearest);
  return otherwise;
}

std::uint64_t FlowReader::bytes(const Node& node, std::string_view what, std::uint64_t otherwise) const {
  const auto before = errors();
  const auto written = text(node, what);
  if (errors() != before) return otherwise;
  const auto value = read_value(abi::Property{}, abi::Kind::bytes, written);
  if (value.problem.empty()) return *parse_bytes(written);
  report_.error(node, fmt::format("'{}': {} {}", what, describe(node), value.problem), value.expected, value.nearest);
  return otherwise;
}

/// Checks that a node is a map with known keys only.
bool FlowReader::map(const Node& node, std::string_view what, const std::vector<std::string>& keys) const {
  if (!node.is_map()) {
    report_.error(node, fmt::format("'{}' is {}", what, describe(node)), fmt::format("a map with {}", listed(keys)));
    return false;
  }
  for (const auto& [key, value] : node.members) {
    if (std::find(keys.begin(), keys.end(), key.text) == keys.end())
      report_.error(key, fmt::format("'{}' has no option '{}'", what, key.text), listed(keys), nearest(key.text, keys));
  }
  return true;
}

Draft FlowReader::read(const Node& root) {
  Draft draft;
  draft.flow.file = report_.source().name();
  draft.flow.text = report_.source().text();
  if (!root.is_map()) {
    report_.error(root, fmt::format("a flow file is a map, and this is {}", describe(root)),
                  "'flow: NAME' to begin with");
    return draft;
  }
  for (const auto& [key, value] : root.members) {
    if (key.text.starts_with("x-") || std::find(kTopKeys.begin(), kTopKeys.end(), key.text) != kTopKeys.end()) continue;
    report_.error(key, fmt::format("a flow has no key '{}'", key.text), listed(kTopKeys) + ", or x-… for anchors",
                  nearest(key.text, kTopKeys));
  }
  // Parameters first: everything else may use them.
  if (const auto* parameters = root.find("parameters"); parameters != nullptr && !parameters->is_null())
    parameters_.declare(*parameters);
  draft.name = root.find("flow");
  if (draft.name == nullptr) {
    report_.error(root, "this flow has no name", "flow: NAME");
  } else {
    draft.flow.name = text(*draft.name, "flow");
    if (draft.name->is_scalar() && !valid_name(draft.flow.name))
      report_.error(*draft.name, fmt::format("{} is no name for a flow", describe(*draft.name)), kNameRule);
  }
  if (const auto* description = root.find("description")) draft.flow.description = text(*description, "description");
  if (const auto* scale_out = root.find("scale_out")) draft.flow.scale_out = boolean(*scale_out, "scale_out", false);
  if (const auto* records = root.find("records"); records != nullptr && !records->is_null()) {
    if (!records->is_map()) {
      report_.error(*records, fmt::format("'records' is {}", describe(*records)), "a map of records");
    } else {
      for (const auto& [key, value] : records->members)
        draft.records[key.text] = flow::read_record(key.text, value, report_, parameters_);
    }
  }
  if (const auto* defaults = root.find("defaults"); defaults != nullptr && !defaults->is_null())
    read_defaults(*defaults, draft);
  if (const auto* provenance = root.find("provenance"); provenance != nullptr && !provenance->is_null())
    read_provenance(*provenance, draft.flow.provenance);
  const auto* processors = root.find("processors");
  if (processors == nullptr) {
    report_.error(root, "this flow has no processors", "processors: {NAME: {type: …}}");
  } else {
    read_processors(*processors, draft);
  }
  index_sources(root, draft);
  if (const auto* tests = root.find("tests"); tests != nullptr && !tests->is_null())
    draft.flow.tests = TestReader(report_, draft.flow).read(*tests);
  return draft;
}

void FlowReader::read_defaults(const Node& node, Draft& draft) const {
  if (!map(node, "defaults", {"queue", "failure", "retain"})) return;
  if (const auto* queue = node.find("queue")) draft.queue = read_queue(*queue, draft.queue);
  if (const auto* retain = node.find("retain")) read_retain(*retain, draft.retain);
  draft.failure = node.find("failure");
  if (draft.failure != nullptr && !draft.failure->is_scalar()) {
    report_.error(*draft.failure, fmt::format("'failure' is {}", describe(*draft.failure)), "the name of a processor");
    draft.failure = nullptr;
  }
}

void FlowReader::read_provenance(const Node& node, ProvenanceOptions& options) const {
  if (!map(node, "provenance", {"index", "keep_for", "keep_bytes"})) return;
  if (const auto* index = node.find("index")) {
    if (!index->is_list())
      report_.error(*index, fmt::format("'index' is {}", describe(*index)), "a list of attributes");
    for (const auto& item : index->items) options.index.push_back(text(item, "index"));
  }
  if (const auto* keep = node.find("keep_for")) options.keep_for = duration(*keep, "keep_for", options.keep_for);
  if (const auto* keep = node.find("keep_bytes")) options.keep_bytes = bytes(*keep, "keep_bytes", options.keep_bytes);
}

/// Data is found by where it came from, unless the author says by what.
void FlowReader::index_sources(const Node& root, Draft& draft) const {
  const auto* provenance = root.find("provenance");
  if (provenance != nullptr && provenance->is_map() && provenance->find("index") != nullptr) return;
  auto& index = draft.flow.provenance.index;
  for (const auto& processor : draft.processors) {
    if (processor.type == nullptr) continue;
    const auto& spec = *processor.type->spec;
    if ((spec.flags & abi::kSource) == 0 || spec.write_count == 0) continue;
    std::string name(view(spec.writes[0].name));
    if (std::find(index.begin(), index.end(), name) == index.end()) index.push_back(std::move(name));
  }
}

QueueOptions FlowReader::read_queue(const Node& node, QueueOptions queue) const {
  if (!map(node, "queue", {"max_count", "max_bytes"})) return queue;
  if (const auto* most = node.find("max_count"))
    queue.max_count = count(*most, "max_count", 0).value_or(queue.max_count);
  if (const auto* most = node.find("max_bytes")) queue.max_bytes = bytes(*most, "max_bytes", queue.max_bytes);
  return queue;
}

/// `none`, a duration, a size, or {for: …, size: …}. What the author asks for is kept whole: at any speed.
void FlowReader::read_retain(const Node& node, Retain& retain) const {
  retain = {};
  retain.most_a_second = 0;
  if (node.is_map()) {
    map(node, "retain", {"for", "size"});
    if (const auto* time = node.find("for")) retain.keep_for = duration(*time, "for", retain.keep_for);
    if (const auto* size = node.find("size")) retain.keep_bytes = bytes(*size, "size", retain.keep_bytes);
    if (retain.keep_for <= Duration::zero() || retain.keep_bytes == 0)
      report_.error(node, "'retain' keeps nothing", "more than 0, or 'retain: none'");
    return;
  }
  const auto before = errors();
  const auto written = text(node, "retain");
  if (errors() != before) return;
  retain.none = written == "none";
  if (retain.none) return;
  const auto time = parse_duration(written);
  const auto size = parse_bytes(written);
  if (time && *time > Duration::zero()) {
    retain.keep_for = *time;
  } else if (size && *size > 0) {
    retain.keep_bytes = *size;
  } else {
    report_.error(node, fmt::format("'retain' is {}", describe(node)),
                  "none, a duration such as 24h, a size such as 256MiB, or {for: 24h, size: 256MiB}",
                  nearest(written, {"none"}));
  }
}

void FlowReader::read_processors(const Node& node, Draft& draft) const {
  if (!node.is_map() || node.members.empty()) {
    report_.error(node, fmt::format("'processors' is {}", node.is_map() ? "empty" : describe(node)),
                  "a map of processors: NAME: {type: …}");
    return;
  }
  for (const auto& member : node.members) read_processor(member, draft);
  // Routes last: they name processors that stand further down.
  for (std::uint32_t i = 0; i < draft.processors.size(); ++i) read_routes(i, draft);
}

void FlowReader::read_processor(const Member& member, Draft& draft) const {
  const auto& [key, body] = member;
  Processor processor;
  ProcessorDraft beside;
  processor.name = key.text;
  processor.mark = report_.mark(key);
  beside.key = &key;
  beside.body = &body;
  beside.queue = draft.queue;
  processor.retain = draft.retain;
  if (!valid_name(key.text)) report_.error(key, fmt::format("{} is no name for a processor", describe(key)), kNameRule);
  if (!body.is_map()) {
    report_.error(body, fmt::format("the processor '{}' is {}", key.text, describe(body)), "a map: {type: …, …}");
  } else if (const auto* type = body.find("type"); type == nullptr) {
    report_.error(key, fmt::format("the processor '{}' has no type", key.text),
                  "'type:' and the name of a type (weir processors lists them)");
  } else {
    const auto name = text(*type, "type");
    beside.type = registry_.find(name);
    if (beside.type == nullptr && type->is_scalar()) {
      report_.error(*type, fmt::format("there is no processor type '{}'", name),
                    registry_.names().empty() ? "a plugin that provides it: none was found (--plugins DIR)"
                                              : "a type that `weir processors` lists",
                    registry_.nearest(name));
    }
  }
  if (beside.type != nullptr) {
    const auto before = errors();
    processor.type = beside.type->type;
    processor.settings = SettingsReader(report_, parameters_, beside.uses).read(*beside.type->spec, body, key);
    if (errors() == before)
      processor.tables = database_tables(*beside.type->spec, processor.settings, registry_, report_, body);
    beside.sound = errors() == before;
    read_relationships(body, beside, processor);
  } else {
    beside.sound = false;
  }
  if (body.is_map()) {
    if (const auto* record = body.find("record")) read_record(*record, draft, beside);
    if (const auto* queue = body.find("queue")) beside.queue = read_queue(*queue, beside.queue);
    read_options(body, beside, processor.relationships, processor);
  }
  draft.flow.processors.push_back(std::move(processor));
  draft.processors.push_back(std::move(beside));
}

void FlowReader::read_relationships(const Node& body, ProcessorDraft& draft, Processor& processor) const {
  const auto& spec = *draft.type->spec;
  auto& names = processor.relationships;
  for (std::uint32_t i = 0; i < spec.relationship_count; ++i) names.emplace_back(view(spec.relationships[i].name));
  const auto* from = body.find(view(spec.relationships_from));
  if (spec.relationships_from.size == 0 || from == nullptr) return;
  for (const auto& [key, value] : from->members) {
    if (std::find(names.begin(), names.end(), key.text) != names.end()) {
      report_.error(key, fmt::format("'{}' is a relationship of {} already", key.text, view(spec.type)),
                    "another name");
    } else if (!valid_name(key.text)) {
      report_.error(key, fmt::format("{} is no name for a relationship", describe(key)), kNameRule);
    } else {
      names.push_back(key.text);
    }
  }
}

void FlowReader::read_record(const Node& node, const Draft& flow, ProcessorDraft& draft) const {
  const auto name = text(node, "record");
  const auto found = flow.records.find(name);
  if (found != flow.records.end()) {
    draft.record = found->second;
    return;
  }
  if (!node.is_scalar()) return;
  std::vector<std::string> names;
  for (const auto& [known, declaration] : flow.records) names.push_back(known);
  report_.error(node, fmt::format("there is no record '{}'", name),
                names.empty() ? "a record declared under 'records:'" : listed(names), nearest(name, names));
}

void FlowReader::read_options(const Node& body, const ProcessorDraft& draft,
                              const std::vector<std::string>& relationships, Processor& processor) const {
  const auto* spec = draft.type == nullptr ? nullptr : draft.type->spec;
  const auto flag = [&](std::uint32_t bit) { return spec == nullptr || (spec->flags & bit) != 0; };
  const auto type = spec == nullptr ? std::string_view() : view(spec->type);
  if (const auto* node = body.find("description")) processor.description = text(*node, "description");
  if (const auto* node = body.find("labels")) read_labels(*node, processor);
  if (const auto* node = body.find("enabled")) processor.enabled = boolean(*node, "enabled", true);
  if (const auto* node = body.find("schedule")) read_schedule(*node, processor.schedule);
  if (const auto* node = body.find("renamed_from")) processor.renamed_from = text(*node, "renamed_from");
  if (const auto* node = body.find("retain"); node != nullptr && spec != nullptr && flag(abi::kSource))
    read_retain(*node, processor.retain);
  if (const auto* node = body.find("use")) report_.error(*node, "'use' is reserved for a later version of Weir");
  if (const auto* node = body.find("retry"); node != nullptr && !relationships.empty()) read_retries(*node, processor);
  if (const auto* node = body.find("concurrency")) {
    const auto value = count(*node, "concurrency", 1).value_or(1);
    if (value > 1 && !flag(abi::kConcurrent))
      report_.error(*node, fmt::format("{} does one step at a time", type), "concurrency: 1");
    if (value > 1024) report_.error(*node, "'concurrency' is too large", "at most 1024");
    processor.concurrency = static_cast<std::uint32_t>(std::min<std::uint64_t>(value, 1024));
  }
  if (const auto* node = body.find("order")) {
    const auto order = text(*node, "order");
    if (order != "strict")
      report_.error(*node, fmt::format("'order' is {}", describe(*node)), "strict", nearest(order, {"strict"}));
    processor.strict_order = true;
    if (processor.concurrency > 1)
      report_.error(*node, "with 'order: strict' a processor does one step at a time", "concurrency: 1");
  }
  if (const auto* node = body.find("delivery")) {
    const auto delivery = text(*node, "delivery");
    processor.exactly_once = delivery == "exactly_once";
    if (delivery != "exactly_once" && delivery != "at_least_once")
      report_.error(*node, fmt::format("'delivery' is {}", describe(*node)), "at_least_once or exactly_once",
                    nearest(delivery, {"at_least_once", "exactly_once"}));
    else if (processor.exactly_once && !flag(abi::kExactlyOnce))
      report_.error(*node, fmt::format("{} cannot deliver exactly once", type), "delivery: at_least_once");
    if (processor.exactly_once && processor.concurrency > 1)
      report_.error(*node, "exactly-once delivery works in order, one step at a time", "concurrency: 1");
  }
}

void FlowReader::read_labels(const Node& node, Processor& processor) const {
  if (!node.is_map()) report_.error(node, fmt::format("'labels' is {}", describe(node)), "a map of names to text");
  for (const auto& [key, value] : node.members) processor.labels[key.text] = text(value, key.text);
}

void FlowReader::read_schedule(const Node& node, Schedule& schedule) const {
  if (!map(node, "schedule", {"every", "cron"})) return;
  const auto* every = node.find("every");
  const auto* cron = node.find("cron");
  if (every != nullptr && cron != nullptr) report_.error(node, "'schedule' has both 'every' and 'cron'", "one of them");
  if (every == nullptr && cron == nullptr)
    report_.error(node, "'schedule' is empty", "{every: 10s} or {cron: '0 * * * *'}");
  if (every != nullptr) {
    const auto before = errors();
    schedule.every = duration(*every, "every", Duration(0));
    if (errors() == before && schedule.every->count() <= 0)
      report_.error(*every, "'every' is zero", "a time such as 10s");
  }
  if (cron != nullptr) {
    schedule.cron = text(*cron, "cron");
    if (const auto problem = check_cron(schedule.cron); cron->is_scalar() && !problem.empty())
      report_.error(*cron, fmt::format("the cron expression {} {}", describe(*cron), problem),
                    "minute, hour, day of month, month and day of week, with seconds in front if need be");
  }
}

void FlowReader::read_retry(const Node& node, Retry& retry) const {
  if (!map(node, "retry", kRetryKeys)) return;
  if (const auto* attempts = node.find("attempts"))
    retry.attempts =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(count(*attempts, "attempts", 1).value_or(3), 1'000'000));
  if (const auto* backoff = node.find("backoff")) retry.backoff = duration(*backoff, "backoff", retry.backoff);
  if (const auto* most = node.find("max_backoff"))
    retry.max_backoff = duration(*most, "max_backoff", retry.max_backoff);
  if (retry.max_backoff < retry.backoff) {
    if (node.find("max_backoff") != nullptr)
      report_.error(*node.find("max_backoff"), "'max_backoff' is below 'backoff'");
    retry.max_backoff = retry.backoff;
  }
}

/// `retry: {attempts: …}` is of `failure`; `retry: {RELATIONSHIP: {attempts: …}}` of that one.
void FlowReader::read_retries(const Node& node, Processor& processor) const {
  if (!node.is_map()) {
    report_.error(node, fmt::format("'retry' is {}", describe(node)), "a map such as {attempts: 3, backoff: 1s}");
    return;
  }
  const auto& names = processor.relationships;
  const auto number = [&](std::string_view name) {
    return static_cast<std::uint32_t>(std::find(names.begin(), names.end(), name) - names.begin());
  };
  const bool plain = std::any_of(node.members.begin(), node.members.end(), [](const auto& member) {
    return std::find(kRetryKeys.begin(), kRetryKeys.end(), member.key.text) != kRetryKeys.end();
  });
  if (plain) {
    const auto failure = number("failure");
    if (failure == names.size()) {
      report_.error(node, fmt::format("'{}' has no relationship 'failure' to retry", processor.name), listed(names));
    } else {
      read_retry(node, processor.retries[failure]);
    }
    return;
  }
  for (const auto& [key, value] : node.members) {
    const auto relationship = number(key.text);
    if (relationship == names.size()) {
      report_.error(key, fmt::format("'{}' has no relationship '{}'", processor.name, key.text), listed(names),
                    nearest(key.text, names));
    } else {
      read_retry(value, processor.retries[relationship]);
    }
  }
}

}  // namespace weir::flow
