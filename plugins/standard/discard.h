#pragma once
// Discard: the end of a way that nobody needs to look at.

#include <cstdint>
#include <vector>

#include "weir/processor.h"

namespace weir::standard {

struct DiscardSettings {};

const Spec<DiscardSettings>& discard_spec();

class Discard final : public Processor {
 public:
  explicit Discard(DiscardSettings) {}
  void step(Batch batch, Session& session) override;

 private:
  std::vector<std::uint32_t> nowhere_;  ///< abi::kNone for each input; kept, because it never changes
};

}  // namespace weir::standard
