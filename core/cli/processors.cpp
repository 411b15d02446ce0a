#include "cli/processors.h"

#include <fmt/core.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "cli/validate.h"
#include "flow/reference.h"

namespace weir::cli {

namespace {

/// Writes the pages, and removes those of types that are gone.
int write_pages(const plugin::Registry& registry, const std::filesystem::path& folder) {
  const auto pages = flow::reference_pages(registry);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  for (const auto& [name, text] : pages) {
    std::ofstream out(folder / name, std::ios::binary | std::ios::trunc);
    out << text;
    out.close();
    if (out) continue;
    fmt::print(stderr, "weir: error: {} cannot be written\n", (folder / name).string());
    return 2;
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto name = entry.path().filename().string();
    if (entry.path().extension() != ".md" || pages.contains(name)) continue;
    std::filesystem::remove(entry.path(), error);
    fmt::print("removed {}: there is no such type any more\n", entry.path().string());
  }
  fmt::print("{} pages in {}\n", pages.size(), folder.string());
  return 0;
}

}  // namespace

int run_processors(const ProcessorsOptions& options) {
  plugin::Registry registry;
  load_plugins(options.plugins, registry);
  if (!options.markdown.empty()) return write_pages(registry, options.markdown);
  if (options.name.empty()) {
    if (registry.types().empty())
      fmt::print(stderr, "weir: warning: no plugin was found; --plugins DIR says where they are\n");
    fmt::print("{}", options.json ? flow::reference_json(registry) : flow::reference_list(registry));
    return 0;
  }
  const auto* type = registry.find(options.name);
  if (type == nullptr) {
    const auto near = registry.nearest(options.name);
    fmt::print(stderr, "weir: error: there is no processor type '{}'{}\n", options.name,
               near.empty() ? "; `weir processors` lists them" : fmt::format("; did you mean '{}'?", near));
    return 2;
  }
  fmt::print("{}", options.json ? flow::reference_json(*type->spec) : flow::reference_text(*type->spec));
  return 0;
}

}  // namespace weir::cli
