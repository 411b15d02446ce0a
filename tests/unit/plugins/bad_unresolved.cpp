// Needs a function that nobody has.
#include "weir/abi.h"

extern "C" const weir::abi::Plugin* weir_test_function_that_nobody_has();
extern "C" __attribute__((visibility("default"))) const weir::abi::Plugin* weir_plugin_abi_1() {
  return weir_test_function_that_nobody_has();
}
