// Throws where it should give its plugin.
#include <stdexcept>

#include "weir/abi.h"

extern "C" __attribute__((visibility("default"))) const weir::abi::Plugin* weir_plugin_abi_1() {
  throw std::runtime_error("no licence was found");
}
