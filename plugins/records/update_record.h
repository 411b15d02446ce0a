#pragma once
// UpdateRecord: sets and removes fields, and leaves every other byte as it was.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "weir/processor.h"

namespace weir::records {

struct UpdateSettings {
  std::vector<std::pair<std::string, std::string>> set;
  std::vector<std::string> remove;
};
const Spec<UpdateSettings>& update_spec();

class UpdateRecord final : public Processor {
 public:
  explicit UpdateRecord(UpdateSettings settings);
  ~UpdateRecord() override;
  void start(Context& context) override;
  void step(Batch batch, Session& session) override;

 private:
  struct State;
  UpdateSettings settings_;
  std::unique_ptr<State> state_;
};

}  // namespace weir::records
