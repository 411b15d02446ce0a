#include "discard.h"

namespace weir::standard {

const Spec<DiscardSettings>& discard_spec() {
  static const auto spec =
      Spec<DiscardSettings>("Discard", "Takes everything and drops it.")
          .description(
              "For measuring, and for a way out that shows in the graph with its own queue and counts (the metrics of "
              "every processor's input: FlowFiles, records and bytes). Where a relationship merely is of no interest, "
              "`drop: [name]` on its processor does the same without a processor. What ends here is recorded as DROP.")
          .example("type: Discard\n");
  return spec;
}

void Discard::step(Batch batch, Session& session) {
  if (nowhere_.size() < batch.size()) nowhere_.resize(batch.size(), abi::kNone);
  session.transfer_each(nowhere_);
}

}  // namespace weir::standard
