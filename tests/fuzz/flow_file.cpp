// libFuzzer: any bytes as a flow file, read as `weir validate` does, with every plugin of the build: YAML, the schema,
// the SQL, and each processor's own check. Nothing may crash or hang, a refusal says where, and the same file gives the
// same.
#include <algorithm>
#include <filesystem>

#include "flow/load.h"
#include "plugin/loader.h"
#include "tests/fuzz/require.h"

namespace {

using weir::testing::require;

weir::plugin::Registry& plugins() {
  static auto* registry = [] {
    auto* types = new weir::plugin::Registry;
    require(weir::plugin::load({{}, {WEIR_FUZZ_PLUGINS}}, *types).empty());
    return types;
  }();
  return *registry;
}

std::string problems_of(const weir::flow::LoadResult& result) {
  std::string text;
  for (const auto& problem : result.problems) text += to_string(problem) + "\n";
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  weir::flow::LoadOptions options;
  options.registry = &plugins();  // no environment, no parameters: an input means the same on every machine
  const std::string yaml(reinterpret_cast<const char*>(data), size);
  const auto result = weir::flow::load_text("f.yaml", yaml, options);
  const auto problems = problems_of(result);
  const bool refused = std::any_of(result.problems.begin(), result.problems.end(),
                                   [](const auto& problem) { return problem.severity == weir::flow::Severity::error; });
  require(refused != result.ok());
  require(problems == problems_of(weir::flow::load_text("f.yaml", yaml, options)));
  return 0;
}
