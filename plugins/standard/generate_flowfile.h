#pragma once
// GenerateFlowFile: simulated readings, test data and load.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pace.h"
#include "weir/processor.h"
#include "weir/sql.h"

namespace weir::standard {

struct GenerateSettings {
  std::optional<double> rate;
  std::optional<std::uint64_t> count;
  std::uint32_t batch = 1000;
  std::uint32_t records_per_flowfile = 1;
  std::optional<std::string> content;
  std::optional<std::string> select;
  std::optional<std::uint64_t> size;
  std::string fill = "random";
  std::vector<std::pair<std::string, std::string>> attributes;
};

const Spec<GenerateSettings>& generate_flowfile_spec();

/// A source whose output is a function of `seq`, which it keeps in its state: after a restart it goes on with the next.
class GenerateFlowFile final : public Source {
 public:
  explicit GenerateFlowFile(GenerateSettings settings);
  void start(Context& context) override;
  void poll(Session& session) override;

 private:
  std::uint64_t position(Session& session) const;
  /// Both make FlowFiles for [first, first + count) until the session's budget is used up; they return the next seq.
  std::uint64_t make_alike(Session& session, std::uint64_t first, std::uint64_t count);
  std::uint64_t make_from_rows(Session& session, std::uint64_t first, std::uint64_t count);
  void set_attributes(Session& session, FlowFile file, const Value* computed);
  void fill(Session& session, FlowFile file, std::uint64_t seq);

  GenerateSettings settings_;
  bool templated_content_ = false;
  std::vector<bool> templated_attribute_;
  Statement rows_;  ///< only where something has to be computed for each seq
  std::optional<Pace> pace_;
  Metric position_metric_;
  Metric missed_metric_;
};

}  // namespace weir::standard
