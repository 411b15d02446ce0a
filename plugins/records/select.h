#pragma once
// Select: makes records by SQL.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "weir/processor.h"
#include "weir/tables.h"

namespace weir::records {

struct SelectSettings {
  std::string select;
  std::vector<std::pair<std::string, ReferenceTable>> tables;
  std::string per = "record";
  bool keep_empty = false;
};
const Spec<SelectSettings>& select_spec();

class Select final : public Processor {
 public:
  explicit Select(SelectSettings settings);
  ~Select() override;
  void start(Context& context) override;
  void step(Batch batch, Session& session) override;

 private:
  struct State;
  SelectSettings settings_;
  std::unique_ptr<State> state_;
};

}  // namespace weir::records
