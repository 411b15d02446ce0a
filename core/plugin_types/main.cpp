// weir-plugin-types FILE.so: the processor types of a plugin, a name a line, and the schemes of
// databases whose tables it reads (postgresql://). The build keeps them beside the plugin, so
// that a flow loads only the plugins that it uses.

#include <cstdio>

#include "plugin/loader.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("Usage: weir-plugin-types FILE.so\n", stderr);
    return 2;
  }
  weir::plugin::Registry registry;
  const auto refusals = weir::plugin::load_file(argv[1], registry);
  for (const auto& refusal : refusals) std::fprintf(stderr, "%s\n", to_string(refusal).c_str());
  for (const auto& [name, type] : registry.types()) std::puts(name.c_str());
  for (const auto& scheme : registry.schemes()) std::puts(weir::plugin::offer_of_scheme(scheme).c_str());
  return refusals.empty() ? 0 : 1;
}
