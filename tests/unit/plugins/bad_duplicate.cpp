// Provides a type of its own, and one that good.cpp has already.
#include "weir/plugin.h"

namespace {
struct Nothing {};
const auto own_spec = weir::Spec<Nothing>{"OwnType", "Is only here."};
const auto duplicate_spec = weir::Spec<Nothing>{"TestSink", "Is there twice."};
class Idle final : public weir::Processor {
 public:
  explicit Idle(Nothing) {}
};
}  // namespace

WEIR_PLUGIN(weir::type<Idle>(own_spec), weir::type<Idle>(duplicate_spec))
