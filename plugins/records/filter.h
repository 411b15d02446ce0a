#pragma once
// Filter: parts records by a condition.

#include <memory>
#include <string>

#include "weir/processor.h"

namespace weir::records {

struct FilterSettings {
  std::string where;
};
const Spec<FilterSettings>& filter_spec();

class Filter final : public Processor {
 public:
  explicit Filter(FilterSettings settings);
  ~Filter() override;
  void start(Context& context) override;
  void step(Batch batch, Session& session) override;

 private:
  struct State;
  FilterSettings settings_;
  std::unique_ptr<State> state_;
};

}  // namespace weir::records
