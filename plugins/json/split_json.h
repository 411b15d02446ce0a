#pragma once
// SplitJson: a FlowFile for each element of an array, of any size, without copying.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "json_path.h"
#include "path_matcher.h"
#include "weir/processor.h"

namespace weir::json {

struct SplitJsonSettings {
  std::optional<std::string> path;
};

const Spec<SplitJsonSettings>& split_json_spec();

class SplitJson final : public Processor {
 public:
  explicit SplitJson(SplitJsonSettings settings);
  void start(Context& context) override;
  void step(Batch batch, Session& session) override;

 private:
  /// How far a file is that more than one session splits. Kept in the state, under connection:sequence.
  struct Progress {
    std::uint64_t count = 0;   ///< elements in all
    std::uint64_t index = 0;   ///< of the next one
    std::uint64_t offset = 0;  ///< where the scan goes on
    std::string containers;    ///< that are open there
    std::map<std::uint64_t, std::uint64_t> void_ranges;

    std::string encode() const;
    static Progress decode(std::string_view bytes);
  };

  /// False if the session's budget ended before the file did.
  bool split(FlowFile file, Session& session);
  Progress survey(FlowFile file, Session& session);
  void emit(FlowFile file, Session& session, std::uint64_t index, const Match& match);

  std::optional<JsonPath> path_;
  /// Of the file just surveyed, if they are few: saves the second scan.
  struct Element {
    std::uint64_t begin, end;
    std::uint32_t around;  ///< index into containers_
  };
  std::vector<Element> elements_;
  std::vector<std::string> containers_;  ///< that elements were found in; hardly ever more than one
  bool elements_complete_ = false;
  Metric elements_metric_;
};

}  // namespace weir::json
