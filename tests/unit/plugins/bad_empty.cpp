// A plugin without a type.
#include "weir/abi.h"

namespace {
class Empty final : public weir::abi::Plugin {
 public:
  std::uint32_t type_count() const override { return 0; }
  const weir::abi::ProcessorType* type(std::uint32_t) const override { return nullptr; }
};
}  // namespace

extern "C" __attribute__((visibility("default"))) const weir::abi::Plugin* weir_plugin_abi_1() {
  static const Empty plugin;
  return &plugin;
}
