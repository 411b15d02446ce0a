#pragma once
// Deduplicate: lets each key pass once.

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seen_keys.h"
#include "weir/processor.h"
#include "weir/sql.h"

namespace weir::json {

struct DeduplicateSettings {
  std::vector<std::string> key;
  std::optional<Duration> keep_for;
  std::uint64_t max_keys = 1'000'000;
  std::optional<std::string> version;
};

const Spec<DeduplicateSettings>& deduplicate_spec();

class Deduplicate final : public Processor {
 public:
  explicit Deduplicate(DeduplicateSettings settings);
  void start(Context& context) override;
  void step(Batch batch, Session& session) override;

 private:
  enum Relationship : std::uint32_t { success, duplicate, failure };
  struct Verdict {
    std::string_view json;
    Relationship relationship;
  };

  Relationship judge(const Row& row, Session& session);
  /// Sends a FlowFile on whose records have all been judged: whole if they go the same way, else in parts.
  void send(FlowFile file, Session& session);

  DeduplicateSettings settings_;
  SeenKeys seen_;
  Statement statement_;
  std::string key_;  ///< of the record being judged

  // Of the FlowFile being read.
  std::vector<Verdict> verdicts_;
  Form form_ = Form::object;
  std::string why_;                 ///< the first failure
  std::deque<std::string> copies_;  ///< records that are not bytes of the content

  Metric duplicates_metric_;
  Metric updates_metric_;
  Metric keys_metric_;
};

}  // namespace weir::json
