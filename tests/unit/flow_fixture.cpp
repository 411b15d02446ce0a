#include "flow_fixture.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "plugin/loader.h"

namespace weir::flow {

plugin::Registry& test_registry() {
  static auto* registry = [] {
    auto* types = new plugin::Registry;
    REQUIRE(plugin::load_file(std::filesystem::path(WEIR_TEST_PLUGINS) / "good.so", *types).empty());
    return types;
  }();
  return *registry;
}

LoadResult load_yaml(const std::string& yaml, const Surroundings& surroundings) {
  LoadOptions options;
  options.registry = &test_registry();
  options.surroundings = surroundings;
  return load_text("f.yaml", yaml, options);
}

std::string problems_of(const std::string& yaml, const Surroundings& surroundings) {
  std::string text;
  for (const auto& problem : load_yaml(yaml, surroundings).problems) text += to_string(problem) + "\n";
  return text;
}

std::string flow_with(const std::string& type, const std::string& properties, const std::string& top) {
  return "flow: f\n" + top + "processors:\n  in: {type: TestSource, topic: t, to: it}\n  it:\n    type: " + type +
         "\n" + properties;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace weir::flow
