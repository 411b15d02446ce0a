#pragma once
// Route: sends records to named relationships by conditions.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "weir/processor.h"

namespace weir::records {

struct RouteSettings {
  std::vector<std::pair<std::string, std::string>> routes;
  std::string mode = "first";
};
const Spec<RouteSettings>& route_spec();

class Route final : public Processor {
 public:
  explicit Route(RouteSettings settings);
  ~Route() override;
  void start(Context& context) override;
  void step(Batch batch, Session& session) override;

 private:
  struct State;
  RouteSettings settings_;
  std::unique_ptr<State> state_;
};

}  // namespace weir::records
