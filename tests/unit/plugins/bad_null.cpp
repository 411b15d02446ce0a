// Has the entry, and nothing behind it.
#include "weir/abi.h"

extern "C" __attribute__((visibility("default"))) const weir::abi::Plugin* weir_plugin_abi_1() {
  return nullptr;
}
