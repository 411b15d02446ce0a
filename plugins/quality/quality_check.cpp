#include "quality_check.h"

#include <algorithm>
#include <limits>

namespace weir::quality {

namespace {

enum Relationship : std::uint32_t { kPass, kSuspect, kFail };

Relationship relationship_of(Flag flag) {
  if (flag == Flag::fail) return kFail;
  return flag == Flag::suspect ? kSuspect : kPass;
}

std::string member(const std::string& name) {
  std::string text = "\"";
  append_escaped(text, name);
  return text + "\":";
}

/// The key's value, with its kind in front: 7 and "7" are two keys.
void append_key(std::string& to, const Value& value) {
  switch (value.type) {
    case ValueType::null:
      break;
    case ValueType::integer:
      to += 'n';
      to += std::to_string(value.integer);
      break;
    case ValueType::real:
      to += 'n';
      to += to_text(value.real);
      break;
    case ValueType::text:
    case ValueType::json:
      to += 't';
      to += view(value.text);
      break;
  }
}

}  // namespace

QualityCheck::QualityCheck(QualityCheckSettings settings)
    : settings_(std::move(settings)), histories_(settings_.rules.size(), settings_.max_keys) {
  if (settings_.rules.empty() && settings_.checks.empty() && settings_.suspect_checks.empty())
    throw Misconfigured("there is nothing to check: give `rules` or `checks`");
  std::vector<std::string> names;
  for (const auto& [field, rule] : settings_.rules) {
    names.push_back(field);
    needs_time_ |= rule.needs_time() || rule.spike;
    needs_history_ |= rule.needs_history();
    rules_.emplace_back(field, rule);
  }
  if (std::find(names.begin(), names.end(), settings_.quality_field) != names.end())
    throw Misconfigured("rules: " + settings_.quality_field + " is where the flag is written; set quality_field");
  names.push_back(settings_.quality_field);
  object_ = JsonObject(names);
  for (const auto& [name, sql] : settings_.checks) checks_.push_back({name, sql, Flag::fail, Metric(), abi::kNone});
  for (const auto& [name, sql] : settings_.suspect_checks)
    checks_.push_back({name, sql, Flag::suspect, Metric(), abi::kNone});
  name_ = member(settings_.quality_field);
  open_ = "{" + member(settings_.flag_field);
  reasons_ = "," + member(settings_.reasons_field) + "[";
}

void QualityCheck::start(Context& context) {
  lane_ = Lane(context);
  if (lane_ && needs_history_)
    throw Misconfigured("rules that need the values before do not work in a flow that scales out");
  const QualityFindings findings(context);
  Duration gap = Duration::zero();
  for (const auto& rule : rules_) {
    const auto& own = rule.settings().gap;
    if (own && (gap == Duration::zero() || *own < gap)) gap = *own;
  }
  tally_.start(findings, gap);
  reads_key_ = settings_.key && (needs_history_ || tally_.wanted());
  Query query(context);
  std::size_t columns = 0;
  if (needs_time_) {
    query.column(settings_.time, As::time);
    ++columns;
  }
  if (reads_key_) {
    query.column(*settings_.key);
    key_column_ = columns++;
  }
  first_check_ = columns;
  for (const auto& check : checks_) query.column(check.sql);
  if (first_check_ + checks_.size() == 0) query.column("NULL");
  statement_ = query.prepare();
  for (auto& rule : rules_) rule.start(context, findings);
  if (needs_time_) time_rule_ = findings.rule(settings_.time, "time");
  if (needs_history_ && settings_.key) key_rule_ = findings.rule(*settings_.key, "key");
  for (std::size_t i = 0; i < checks_.size(); ++i) {
    auto name = "quality_check_" + checks_[i].name;
    std::replace_if(
        name.begin(), name.end(),
        [](char c) { return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')); }, '_');
    checks_[i].metric = context.counter(name, "Records that the check " + checks_[i].name + " flagged.");
    checks_[i].number = findings.rule({}, checks_[i].name);
  }
  metrics_[kPass] = context.counter("quality_pass", "Records that passed.");
  metrics_[kSuspect] = context.counter("quality_suspect", "Records that are suspect.");
  metrics_[kFail] = context.counter("quality_fail", "Records that failed.");
  keys_metric_ = context.gauge("quality_keys", "Keys whose history is remembered.");
}

void QualityCheck::step(Batch batch, Session& session) {
  latest_allowed_ = std::numeric_limits<std::int64_t>::max();
  const auto ahead = settings_.max_ahead.count();
  if (ahead > 0 && session.now() < latest_allowed_ - ahead) latest_allowed_ = session.now() + ahead;
  std::fill(std::begin(counts_), std::end(counts_), 0);
  if (needs_history_) histories_.begin(session);
  tally_.begin();
  RecordSplit split(session, batch, [&](FlowFile file) { session.transfer(file, kPass); });  // no records: no fault
  statement_.run(session, batch, [&](const Row& row) {
    split.begin(row);
    judge(row, split);
  });
  split.end();
  if (needs_history_) keys_metric_.set(static_cast<double>(histories_.end()));
  for (const auto relationship : {kPass, kSuspect, kFail})
    metrics_[relationship].add(static_cast<double>(counts_[relationship]));
  if (!lane_ || !lane_->rebuilding()) tally_.end();  // what is read again was counted elsewhere
}

void QualityCheck::judge(const Row& row, RecordSplit& split) {
  if (row.error.size > 0) return split.reject(view(row.error));
  const auto json = view(row.json);
  if (!object_.read(json)) return split.reject(object_.error());
  verdict_.clear();
  const auto time = when(row);
  read_key(row);
  auto* history = histories();
  for (std::size_t i = 0; i < rules_.size(); ++i)
    rules_[i].judge(object_.raw(i), time, history == nullptr ? nullptr : history + i, verdict_);
  run_checks(row);

  const auto relationship = relationship_of(verdict_.flag());
  ++counts_[relationship];
  tally_.add(std::string_view(key_).substr(key_.empty() ? 0 : 1), verdict_, time);
  const bool write = settings_.annotate == "all" || (settings_.annotate == "flagged" && verdict_.reason_count() > 0);
  if (write) {
    split.route(relationship, annotated(json));
  } else {
    split.route(relationship);
  }
}

When QualityCheck::when(const Row& row) {
  if (!needs_time_) return {};
  const auto& time = row.values[0];
  if (time.type == ValueType::null) {
    verdict_.add(Flag::fail, settings_.time, "time", "missing", time_rule_);
    return {};
  }
  if (time.integer > latest_allowed_) {
    verdict_.add(Flag::fail, settings_.time, "time", "is further ahead than max_ahead allows", time_rule_);
    return {};
  }
  return {true, time.integer};
}

void QualityCheck::read_key(const Row& row) {
  key_.clear();
  if (reads_key_) append_key(key_, row.values[key_column_]);
}

FieldHistory* QualityCheck::histories() {
  if (!needs_history_) return nullptr;
  if (settings_.key && key_.empty()) {
    verdict_.add(Flag::fail, *settings_.key, "key", "missing", key_rule_);
    return nullptr;
  }
  return histories_.of(key_);
}

void QualityCheck::run_checks(const Row& row) {
  for (std::size_t i = 0; i < checks_.size(); ++i) {
    const auto& value = row.values[first_check_ + i];
    if (value.type == ValueType::null) {
      verdict_.add(Flag::not_evaluated);
    } else if (value.type == ValueType::integer ? value.integer != 0
                                                : value.type == ValueType::real && value.real != 0) {
      verdict_.add(Flag::pass);
    } else {
      checks_[i].metric.add(1);
      verdict_.add(checks_[i].flag, checks_[i].name, "check", "is not true", checks_[i].number);
    }
  }
}

std::string_view QualityCheck::annotated(std::string_view json) {
  const auto old = object_.raw(rules_.size());
  json_.clear();
  if (!old.empty()) {  // a flag that is there already is replaced
    const auto at = static_cast<std::size_t>(old.data() - json.data());
    json_ += json.substr(0, at);
    append_quality();
    json_ += json.substr(at + old.size());
    return json_;
  }
  const auto end = json.rfind('}');
  json_ += json.substr(0, end);
  if (object_.members() > 0) json_ += ',';
  json_ += name_;
  append_quality();
  json_ += json.substr(end);
  return json_;
}

void QualityCheck::append_quality() {
  json_ += open_;
  json_ += static_cast<char>('0' + static_cast<int>(verdict_.flag()));
  if (verdict_.reason_count() > 0) {
    json_ += reasons_;
    json_ += verdict_.reasons();
    json_ += ']';
  }
  json_ += '}';
}

}  // namespace weir::quality
