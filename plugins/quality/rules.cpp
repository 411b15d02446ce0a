#include "rules.h"

#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>

namespace weir::quality {

namespace {

constexpr const char* kNames[] = {"not_null",       "type",  "range",     "suspect_range", "pattern", "in",
                                  "rate_of_change", "spike", "flat_line", "gap",           "unique"};

void check_range(const std::string& field, const char* rule, const std::vector<double>& range) {
  if (range.empty() || (range.size() == 2 && range[0] <= range[1])) return;
  throw Misconfigured("rules: " + field + ": " + rule + " is a list of two numbers, the lower one first");
}

std::string excerpt(std::string_view raw) {
  constexpr std::size_t kMost = 60;
  if (raw.size() <= kMost) return std::string(raw);
  auto end = kMost;
  while (end > 0 && (static_cast<unsigned char>(raw[end]) & 0xc0) == 0x80) --end;  // not inside a character
  return std::string(raw.substr(0, end)) + "…";
}

std::string bounds(const std::vector<double>& range) {
  return "[" + to_text(range[0]) + ", " + to_text(range[1]) + "]";
}

/// Apart as integers: a time since 1970 in nanoseconds has more digits than a double.
double seconds(std::int64_t from, std::int64_t to) {
  std::int64_t apart = 0;
  if (__builtin_sub_overflow(to, from, &apart)) return (static_cast<double>(to) - static_cast<double>(from)) / 1e9;
  return static_cast<double>(apart) / 1e9;
}

/// FNV-1a, with the type in it: "1" and 1 are two values. It is stored, so it is the same in every build.
std::uint64_t hash_of(const Reading& reading) {
  std::uint64_t hash = 14695981039346656037U;
  const auto add = [&hash](std::string_view bytes) {
    for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  };
  if (reading.type == Type::text) {
    add("\"");
    add(reading.text);
  } else if (reading.type == Type::number && reading.in_range && std::abs(reading.number) < 0x1p53) {
    add(to_text(reading.number));  // 1, 1.0 and 1e0 are one value
  } else {
    add(reading.raw);
  }
  return hash;
}

}  // namespace

const Fields<SpikeSettings>& SpikeSettings::fields() {
  static const auto fields =
      Fields<SpikeSettings>()
          .property("suspect", &SpikeSettings::suspect, {.help = "Further off than this is suspect.", .above = 0.0})
          .property("fail", &SpikeSettings::fail, {.help = "Further off than this fails.", .above = 0.0});
  return fields;
}

const Fields<RuleSettings>& RuleSettings::fields() {
  static const auto fields =
      Fields<RuleSettings>()
          .property("not_null", &RuleSettings::not_null, {.help = "Missing or null fails."})
          .property("type", &RuleSettings::type,
                    {.help = "Another type fails; 7.0 is an integer too.",
                     .choices = {"number", "integer", "text", "boolean", "object", "array"}})
          .property("range", &RuleSettings::range,
                    {.help = "What the sensor can measure: outside of it fails (QARTOD gross range).",
                     .example = "[-40, 60]"})
          .property("suspect_range", &RuleSettings::suspect_range,
                    {.help = "What is to be expected: outside of it is suspect.", .example = "[-10, 40]"})
          .property("pattern", &RuleSettings::pattern,
                    {.help = "A regular expression (RE2) that the whole text matches; else it fails.",
                     .example = "s-[0-9]{4}"})
          .property("in", &RuleSettings::in,
                    {.help = "The values there are; another fails.", .example = "[ok, low_battery]"})
          .property("rate_of_change", &RuleSettings::rate_of_change,
                    {.help = "A faster change since the last value is suspect (QARTOD rate of change).",
                     .example = "5/s",
                     .unit = Unit::per_second,
                     .above = 0.0})
          .property("spike", &RuleSettings::spike,
                    {.help = "How far a value may be off the mean of the two before it (QARTOD spike). A level that "
                             "stays is none: the second value at it passes."})
          .property(
              "flat_line", &RuleSettings::flat_line,
              {.help = "The same value for so long is suspect (QARTOD flat line). A spike in between does not end it.",
               .example = "10m"})
          .property("flat_line_fail", &RuleSettings::flat_line_fail,
                    {.help = "The same value for so long fails.", .example = "1h"})
          .property("flat_line_tolerance", &RuleSettings::flat_line_tolerance,
                    {.help = "Values that differ by no more are the same, for flat_line.", .min = 0.0})
          .property(
              "gap", &RuleSettings::gap,
              {.help = "The first value after a longer time without one is suspect (QARTOD gap).", .example = "30s"})
          .property("unique", &RuleSettings::unique, {.help = "A value that the key had before fails."})
          .property("unique_within", &RuleSettings::unique_within,
                    {.help = "How many values of a key `unique` remembers.", .min = 1, .max = 100'000});
  return fields;
}

FieldRules::FieldRules(std::string field, RuleSettings settings)
    : field_(std::move(field)), settings_(std::move(settings)), metrics_(kRules), numbers_(kRules) {
  check_range(field_, "range", settings_.range);
  check_range(field_, "suspect_range", settings_.suspect_range);
  if (settings_.pattern) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    pattern_ = std::make_unique<re2::RE2>(*settings_.pattern, options);
    if (!pattern_->ok()) throw Misconfigured("rules: " + field_ + ": pattern: " + pattern_->error());
  }
  if (settings_.spike && !settings_.spike->suspect && !settings_.spike->fail)
    throw Misconfigured("rules: " + field_ + ": spike needs `suspect` or `fail`, how far off a value may be");
  for (const auto& value : settings_.in) {
    double number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    const bool is_number = error == std::errc() && end == value.data() + value.size();
    in_numbers_.push_back(is_number ? std::optional(number) : std::nullopt);
  }
}

FieldRules::~FieldRules() = default;
FieldRules::FieldRules(FieldRules&&) noexcept = default;

void FieldRules::start(Context& context, const QualityFindings& findings) {
  std::string name = field_;
  for (auto& c : name) {
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!allowed) c = '_';
  }
  const bool used[kRules] = {settings_.not_null,
                             settings_.type.has_value(),
                             !settings_.range.empty(),
                             !settings_.suspect_range.empty(),
                             settings_.pattern.has_value(),
                             !settings_.in.empty(),
                             settings_.rate_of_change.has_value(),
                             settings_.spike.has_value(),
                             settings_.flat_line || settings_.flat_line_fail,
                             settings_.gap.has_value(),
                             settings_.unique};
  for (std::size_t rule = 0; rule < kRules; ++rule) {
    if (!used[rule]) continue;
    metrics_[rule] = context.counter("quality_" + name + "_" + kNames[rule],
                                     "Values of " + field_ + " that the rule " + kNames[rule] + " flagged.");
    numbers_[rule] = findings.rule(field_, kNames[rule]);
  }
}

void FieldRules::flag(Flag flag, Rule rule, std::string_view detail, Verdict& verdict) {
  metrics_[rule].add(1);
  verdict.add(flag, field_, kNames[rule], detail, numbers_[rule]);
}

void FieldRules::judge(std::string_view token, const When& when, FieldHistory* history, Verdict& verdict) {
  const auto reading = read_token(token, buffer_);
  if (reading.type == Type::missing || reading.type == Type::null) {
    if (settings_.not_null) return flag(Flag::fail, not_null, reading.type == Type::null ? "null" : "missing", verdict);
    return verdict.add(Flag::missing);
  }
  const bool sound = judge_value(reading, verdict);
  if (history == nullptr || !settings_.needs_history()) return;
  if (settings_.unique) judge_unique(reading, *history, verdict);
  if (!settings_.needs_time() && !settings_.spike) return;
  if (!when.known) return verdict.add(Flag::not_evaluated);
  if (history->seen && when.time <= history->time) return verdict.add(Flag::not_evaluated);  // late: history stays
  if (settings_.gap && history->seen &&
      seconds(history->time, when.time) > static_cast<double>(settings_.gap->count()) / 1e9)
    flag(Flag::suspect, gap, "of " + to_text(seconds(history->time, when.time)) + "s", verdict);
  const bool numeric = reading.type == Type::number && reading.in_range;
  if (sound && numeric) judge_number(reading.number, when.time, *history, verdict);
  history->time = when.time;
  history->seen = true;
}

/// The tests of the value by itself. False: it fails, and says nothing about the next one.
bool FieldRules::judge_value(const Reading& reading, Verdict& verdict) {
  bool sound = true;
  const auto fail = [&](Rule rule, const std::string& detail) {
    flag(Flag::fail, rule, detail, verdict);
    sound = false;
  };
  if (settings_.type && !is_of_type(reading, *settings_.type))
    fail(type, "is not " + *settings_.type + ": " + excerpt(reading.raw));
  const bool numeric = reading.type == Type::number;
  if (!settings_.range.empty()) {
    if (!numeric) {
      if (!settings_.type) fail(range, "is no number: " + excerpt(reading.raw));
    } else if (!reading.in_range || reading.number < settings_.range[0] || reading.number > settings_.range[1]) {
      fail(range, excerpt(reading.raw) + " is outside of " + bounds(settings_.range));
    }
  }
  const auto& expected = settings_.suspect_range;
  if (sound && !expected.empty()) {
    if (!numeric) {
      fail(suspect_range, "is no number: " + excerpt(reading.raw));
    } else if (!reading.in_range || reading.number < expected[0] || reading.number > expected[1]) {
      flag(Flag::suspect, suspect_range, excerpt(reading.raw) + " is outside of " + bounds(expected), verdict);
    }
  }
  if (pattern_) {
    const auto text = reading.type == Type::text ? reading.text : reading.raw;
    if (!re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *pattern_))
      fail(pattern, excerpt(reading.raw) + " does not match");
  }
  if (!settings_.in.empty() && !among(reading)) fail(in, excerpt(reading.raw) + " is not among the values");
  if (sound) verdict.add(Flag::pass);
  return sound;
}

bool FieldRules::among(const Reading& reading) const {
  for (std::size_t i = 0; i < settings_.in.size(); ++i) {
    if (reading.type == Type::text ? reading.text == settings_.in[i] : reading.raw == settings_.in[i]) return true;
    if (reading.type == Type::number && reading.in_range && in_numbers_[i] == reading.number) return true;
  }
  return false;
}

/// The tests against what was before. The value joins the history, unless it is taken for a spike.
void FieldRules::judge_number(double value, std::int64_t time, FieldHistory& history, Verdict& verdict) {
  if (settings_.rate_of_change && history.values > 0) {
    const auto change = std::abs(value - history.last) / seconds(history.last_time, time);
    if (change > *settings_.rate_of_change)
      flag(Flag::suspect, rate,
           to_text_beyond(change, *settings_.rate_of_change) + "/s is more than " + to_text(*settings_.rate_of_change) +
               "/s",
           verdict);
  }
  if (settings_.spike && history.values > 1) {
    const auto off = std::abs(value - (history.last / 2 + history.before / 2));
    const auto& [suspect, fail] = *settings_.spike;
    const auto smallest = suspect.value_or(*(fail ? fail : suspect));
    const bool stays = history.apart && std::abs(value - history.aside) <= smallest;
    if (stays) {
      // A new level: what was before no longer says what to expect.
      history.values = 1;
      history.last = history.aside;
      history.last_time = history.time;
      judge_flat(history.aside, history.time, history, nullptr);
    } else if ((fail && off > *fail) || off > smallest) {
      const bool fails = fail && off > *fail;
      flag(fails ? Flag::fail : Flag::suspect, Rule::spike, "off by " + to_text_beyond(off, fails ? *fail : smallest),
           verdict);
      history.apart = true;
      history.aside = value;
      return;
    }
  }
  judge_flat(value, time, history, &verdict);
  history.apart = false;
  history.before = history.last;
  history.last = value;
  history.last_time = time;
  if (history.values < 2) ++history.values;
}

/// A value that is taken for a spike does not come here: it says nothing about whether the sensor is stuck. Without a
/// verdict the value only joins the history.
void FieldRules::judge_flat(double value, std::int64_t time, FieldHistory& history, Verdict* verdict) {
  if (!settings_.flat_line && !settings_.flat_line_fail) return;
  if (!history.flat || !(std::abs(value - history.flat_value) <= settings_.flat_line_tolerance)) {
    history.flat = true;
    history.flat_value = value;
    history.flat_since = time;
  }
  if (verdict == nullptr) return;
  const auto lasted = seconds(history.flat_since, time);
  const auto reaches = [&](const std::optional<Duration>& limit) {
    return limit && lasted >= static_cast<double>(limit->count()) / 1e9;
  };
  if (reaches(settings_.flat_line_fail)) {
    flag(Flag::fail, flat, "for " + to_text(lasted) + "s", *verdict);
  } else if (reaches(settings_.flat_line)) {
    flag(Flag::suspect, flat, "for " + to_text(lasted) + "s", *verdict);
  }
}

void FieldRules::judge_unique(const Reading& reading, FieldHistory& history, Verdict& verdict) {
  const auto hash = hash_of(reading);
  auto& hashes = history.hashes;
  if (std::find(hashes.begin(), hashes.end(), hash) != hashes.end())
    return flag(Flag::fail, unique, excerpt(reading.raw) + " came before", verdict);
  if (hashes.size() > settings_.unique_within) hashes.clear();  // the flow was changed
  if (hashes.size() < settings_.unique_within) {
    hashes.push_back(hash);
    history.next_hash = 0;
  } else {
    hashes[history.next_hash % hashes.size()] = hash;
    history.next_hash = static_cast<std::uint32_t>((history.next_hash + 1) % hashes.size());
  }
}

}  // namespace weir::quality
