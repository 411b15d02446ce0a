#pragma once
// MergeRecords: many small FlowFiles into fewer large ones.

#include <cstdint>
#include <optional>
#include <string>

#include "bins.h"
#include "weir/processor.h"
#include "weir/sql.h"

namespace weir::json {

struct MergeRecordsSettings {
  std::string mode = "bin";
  std::optional<std::string> key;
  std::uint64_t max_count = 1000;
  std::uint64_t max_bytes = 16 * MiB;
  Duration max_age = std::chrono::minutes(1);
  std::uint32_t max_bins = 100;
  std::string format = "ndjson";
  std::string header;
  std::string footer;
  std::string demarcator;
};

const Spec<MergeRecordsSettings>& merge_records_spec();

/// Holds its inputs while their bin fills; the bins themselves are a cache of what is held.
class MergeRecords final : public Processor {
 public:
  explicit MergeRecords(MergeRecordsSettings settings);
  void start(Context& context) override;
  void step(Batch batch, Session& session) override;
  void tick(Session& session) override;
  void finish(Session& session) override;

 private:
  void begin(Session& session);
  void end(Session& session);
  /// Into its bin, which may become full. A Rejected is dealt with.
  void admit(FlowFile file, std::uint32_t held, std::string_view key, Session& session);
  void admit_fragment(FlowFile file, std::uint32_t held, Session& session);
  void add(Bins::Iterator bin, Member member, FlowFile file, Session& session);
  Bins::Iterator open(std::string_view key, Session& session);
  /// A bin that will not get fuller: merged, or in defragment mode given up.
  void close(Bins::Iterator bin, std::string_view reason, Session& session);
  void merge(const Bin& bin, std::string_view reason, Session& session);
  void give_up(const Bin& bin, std::string_view reason, Session& session);
  void write_content(FlowFile to, const Bin& bin, std::span<const FlowFile> parts, Session& session);

  MergeRecordsSettings settings_;
  bool defragment_;
  Statement key_;
  Bins bins_;
  Metric bins_metric_;
  Metric merged_metric_;
};

}  // namespace weir::json
