#pragma once
// The tests of one field.
//
// They are QARTOD's, where QARTOD has them (U.S. IOOS, "Manual for Real-Time Quality Control of In-situ Temperature and
// Salinity Data", version 2.1: tests 1 gap, 4 gross range, 6 spike, 7 rate of change, 8 flat line), judged as a reading
// arrives: nothing waits for the next one.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "history.h"
#include "reading.h"
#include "verdict.h"
#include "weir/context.h"
#include "weir/quality.h"
#include "weir/spec.h"

namespace re2 {
class RE2;
}

namespace weir::quality {

struct SpikeSettings {
  std::optional<double> suspect{};
  std::optional<double> fail{};
  static const Fields<SpikeSettings>& fields();
};

struct RuleSettings {
  bool not_null = false;
  std::optional<std::string> type{};
  std::vector<double> range{};
  std::vector<double> suspect_range{};
  std::optional<std::string> pattern{};
  std::vector<std::string> in{};
  std::optional<double> rate_of_change{};
  std::optional<SpikeSettings> spike{};
  std::optional<Duration> flat_line{};
  std::optional<Duration> flat_line_fail{};
  double flat_line_tolerance = 0;
  std::optional<Duration> gap{};
  bool unique = false;
  std::uint32_t unique_within = 64;
  static const Fields<RuleSettings>& fields();

  bool needs_time() const { return rate_of_change || flat_line || flat_line_fail || gap; }
  bool needs_history() const { return needs_time() || spike || unique; }
};

/// What is known of when a reading was taken.
struct When {
  bool known = false;
  std::int64_t time = 0;  ///< event time, nanoseconds since 1970
};

class FieldRules {
 public:
  /// Throws Misconfigured where the settings make no sense. Metrics count what each rule flags.
  FieldRules(std::string field, RuleSettings settings);
  ~FieldRules();
  FieldRules(FieldRules&&) noexcept;

  void start(Context& context, const QualityFindings& findings);
  const std::string& field() const { return field_; }
  const RuleSettings& settings() const { return settings_; }

  /// Adds what the tests say to the verdict. `history` is the key's of this field, null where no rule needs one; it
  /// takes the reading in, unless that is out of order or failed on its own.
  void judge(std::string_view token, const When& when, FieldHistory* history, Verdict& verdict);

 private:
  enum Rule : std::size_t { not_null, type, range, suspect_range, pattern, in, rate, spike, flat, gap, unique, kRules };

  void flag(Flag flag, Rule rule, std::string_view detail, Verdict& verdict);
  bool judge_value(const Reading& reading, Verdict& verdict);
  void judge_number(double value, std::int64_t time, FieldHistory& history, Verdict& verdict);
  void judge_flat(double value, std::int64_t time, FieldHistory& history, Verdict* verdict);
  void judge_unique(const Reading& reading, FieldHistory& history, Verdict& verdict);
  bool among(const Reading& reading) const;

  std::string field_;
  RuleSettings settings_;
  std::unique_ptr<re2::RE2> pattern_;
  std::vector<std::optional<double>> in_numbers_;  ///< of settings_.in, where one reads as a number
  std::string buffer_;
  std::vector<Metric> metrics_;
  std::vector<std::uint32_t> numbers_;  ///< of the rules, in what is told to the host
};

}  // namespace weir::quality
