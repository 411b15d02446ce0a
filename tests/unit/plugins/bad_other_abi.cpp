// Built for another ABI. Its initializer would leave a file behind if anyone ran it.
#include <cstdio>
#include <cstdlib>

namespace {
struct Trace {
  Trace() {
    const char* path = std::getenv("WEIR_TEST_TRACE");
    if (path == nullptr) return;
    if (std::FILE* file = std::fopen(path, "w")) std::fclose(file);
  }
} trace;
}  // namespace

extern "C" __attribute__((visibility("default"))) const void* weir_plugin_abi_7() {
  return nullptr;
}
