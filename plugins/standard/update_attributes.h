#pragma once
// UpdateAttributes: sets and removes attributes; content stays as it is.

#include <re2/re2.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "weir/processor.h"
#include "weir/sql.h"

namespace weir::standard {

struct UpdateAttributesSettings {
  std::vector<std::pair<std::string, std::string>> set;
  std::vector<std::string> remove;
  std::optional<std::string> remove_matching;
};

const Spec<UpdateAttributesSettings>& update_attributes_spec();

class UpdateAttributes final : public Processor {
 public:
  explicit UpdateAttributes(UpdateAttributesSettings settings);
  void start(Context& context) override;
  void step(Batch batch, Session& session) override;

 private:
  /// `computed`: the values of the attributes whose text is a template, in order.
  void update(FlowFile file, Session& session, const Value* computed);
  void remove(FlowFile file, Session& session);

  UpdateAttributesSettings settings_;
  std::unique_ptr<re2::RE2> remove_matching_;
  std::vector<bool> templated_;
  Statement values_;  ///< only where a text is a template
  std::vector<std::string> names_;
  std::vector<std::uint32_t> everywhere_to_success_;
};

}  // namespace weir::standard
