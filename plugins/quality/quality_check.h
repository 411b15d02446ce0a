#pragma once
// QualityCheck: flags readings by rules, and routes them by their flags.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "history.h"
#include "rules.h"
#include "tally.h"
#include "verdict.h"
#include "weir/json.h"
#include "weir/lane.h"
#include "weir/processor.h"
#include "weir/split.h"
#include "weir/sql.h"

namespace weir::quality {

struct QualityCheckSettings {
  std::optional<std::string> key;
  std::string time = "timestamp";
  std::vector<std::pair<std::string, RuleSettings>> rules;
  std::vector<std::pair<std::string, std::string>> checks;
  std::vector<std::pair<std::string, std::string>> suspect_checks;
  std::string annotate = "all";
  std::string quality_field = "quality";
  std::string flag_field = "flag";
  std::string reasons_field = "reasons";
  std::uint64_t max_keys = 100'000;
  Duration max_ahead = std::chrono::hours(1);
};

const Spec<QualityCheckSettings>& quality_check_spec();

class QualityCheck final : public Processor {
 public:
  explicit QualityCheck(QualityCheckSettings settings);
  void start(Context& context) override;
  void step(Batch batch, Session& session) override;

 private:
  struct Check {
    std::string name;
    std::string sql;
    Flag flag;
    Metric metric;
    std::uint32_t number = abi::kNone;  ///< as a rule, in what is told to the host
  };

  void judge(const Row& row, RecordSplit& split);
  When when(const Row& row);
  FieldHistory* histories();
  void read_key(const Row& row);
  void run_checks(const Row& row);
  /// The record with the verdict in it; nothing else of it changes.
  std::string_view annotated(std::string_view json);
  void append_quality();

  QualityCheckSettings settings_;
  std::vector<FieldRules> rules_;
  std::vector<Check> checks_;
  bool needs_time_ = false;
  bool needs_history_ = false;
  bool reads_key_ = false;
  std::size_t first_check_ = 0;  ///< its column
  std::size_t key_column_ = 0;
  Statement statement_;
  JsonObject object_;  ///< the rules' fields, then quality_field
  Histories histories_;
  Lane lane_;
  Tally tally_;
  std::uint32_t time_rule_ = abi::kNone;
  std::uint32_t key_rule_ = abi::kNone;
  std::string name_;     ///< `"quality":`
  std::string open_;     ///< `{"flag":`
  std::string reasons_;  ///< `,"reasons":[`

  // Of the record under way.
  Verdict verdict_;
  std::string key_;
  std::string json_;
  std::int64_t latest_allowed_ = 0;
  std::uint64_t counts_[3] = {0, 0, 0};  ///< by relationship, of the step under way

  Metric metrics_[3];
  Metric keys_metric_;
};

}  // namespace weir::quality
