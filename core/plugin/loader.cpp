#include "plugin/loader.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/dll/library_info.hpp>
#include <boost/dll/runtime_symbol_info.hpp>
#include <boost/dll/shared_library.hpp>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <set>

#include "weir/table_reader.h"

namespace weir::plugin {

namespace {

constexpr std::string_view kEntryPrefix = "weir_plugin_abi_";
using Entry = const abi::Plugin*();

std::string entry_name() {
  return fmt::format("{}{}", kEntryPrefix, abi::kVersion);
}

/// The entries that a file exports, read without loading it: no initializer of a foreign build runs. Throws if the file
/// is no shared library of this platform.
std::set<std::string> entries_of(const std::filesystem::path& file) {
  boost::dll::library_info library(file.string(), true);
  std::set<std::string> entries;
  for (auto& symbol : library.symbols()) {
    if (symbol.starts_with(kEntryPrefix)) entries.insert(std::move(symbol));
  }
  return entries;
}

std::optional<std::string> check_entry(const std::filesystem::path& file) {
  std::set<std::string> entries;
  try {
    entries = entries_of(file);
  } catch (const std::exception& error) {
    return fmt::format("is no shared library that this platform can read ({}); a plugin built for it is needed",
                       error.what());
  }
  if (entries.contains(entry_name())) return std::nullopt;
  if (entries.empty())
    return fmt::format("is no Weir plugin: it exports no entry point; {} is needed (WEIR_PLUGIN defines it)",
                       entry_name());
  return fmt::format("is built for another Weir: it exports {}, and {} is needed; rebuild it with this Weir's SDK",
                     *entries.begin(), entry_name());
}

/// What the dynamic linker said, without Boost's words around it.
std::string linker_message(const std::string& what) {
  constexpr std::string_view kBefore = "(dlerror system message: ";
  const auto at = what.find(kBefore);
  if (at == std::string::npos) return what;
  const auto from = at + kBefore.size();
  return what.substr(from, what.rfind(')') - from);
}

/// Loaded libraries, for ever: code of theirs may run until the process ends, in threads that outlive main.
std::vector<boost::dll::shared_library>& kept() {
  static auto* libraries = new std::vector<boost::dll::shared_library>;
  return *libraries;
}

std::optional<std::string> try_load(const std::filesystem::path& file, Registry& registry) {
  if (auto problem = check_entry(file)) return problem;
  const abi::Plugin* plugin = nullptr;
  const abi::TableReader* tables = nullptr;
  try {
    boost::dll::shared_library library;
    library.load(std::filesystem::absolute(file).string(), boost::dll::load_mode::rtld_now);
    auto& entry = library.get<Entry>(entry_name());
    if (library.has(abi::kTablesEntry)) tables = library.get<abi::TablesEntry>(abi::kTablesEntry)();
    kept().push_back(std::move(library));
    plugin = entry();
  } catch (const std::exception& error) {
    return fmt::format("cannot be loaded: {}", linker_message(error.what()));
  } catch (...) {
    return "cannot be loaded: it threw while it was";
  }
  if (plugin == nullptr) return fmt::format("{} gave no plugin", entry_name());
  auto problem = registry.add(*plugin, file);
  if (!problem && tables != nullptr) registry.add(*tables);
  return problem;
}

/// The plugins of a folder, by name, so that every start finds them in one order.
std::vector<std::filesystem::path> plugins_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".so" && !entry.is_directory()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// The names in the list beside a plugin; none if there is no list, or it is not one.
std::vector<std::string> types_beside(std::filesystem::path file) {
  std::ifstream list(file.replace_extension(".types"));
  std::vector<std::string> types;
  for (std::string line; std::getline(list, line);) {
    if (line.empty()) return {};
    types.push_back(std::move(line));
  }
  return types;
}

/// Calls visit(file) for each plugin of the path, and refuse(Refusal) for what cannot be searched.
template <typename Refuse, typename Visit>
void for_each_plugin(const SearchPath& path, const Refuse& refuse, const Visit& visit) {
  std::set<std::string> seen;
  const auto visit_once = [&](const std::filesystem::path& file) {
    if (seen.insert(file.filename().string()).second) visit(file);
  };
  const auto search = [&](const std::filesystem::path& place, bool asked_for) {
    std::error_code error;
    const auto status = std::filesystem::status(place, error);
    if (!std::filesystem::exists(status)) {
      if (asked_for) refuse(Refusal{place, "there is no such folder of plugins"});
      return;
    }
    if (!std::filesystem::is_directory(status)) return visit_once(place);
    try {
      for (const auto& file : plugins_in(place)) visit_once(file);
    } catch (const std::filesystem::filesystem_error& failure) {
      refuse(Refusal{place, fmt::format("cannot be searched: {}", failure.code().message())});
    }
  };
  for (const auto& place : path.asked_for) search(place, true);
  for (const auto& place : path.usual) search(place, false);
}

}  // namespace

std::string to_string(const Refusal& refusal) {
  return fmt::format("{}: {}", refusal.file.string(), refusal.message);
}

SearchPath search_path(const std::vector<std::string>& options) {
  SearchPath path;
  path.asked_for.assign(options.begin(), options.end());
  if (const char* variable = std::getenv("WEIR_PLUGINS"); variable != nullptr) {
    for (std::string_view rest = variable; !rest.empty();) {
      const auto colon = std::min(rest.find(':'), rest.size());
      if (colon > 0) path.asked_for.emplace_back(rest.substr(0, colon));
      rest.remove_prefix(std::min(colon + 1, rest.size()));
    }
  }
  const std::filesystem::path beside = boost::dll::program_location().parent_path().string();
  path.usual = {beside / "plugins", beside / ".." / "lib" / "weir" / "plugins"};
  return path;
}

std::vector<Refusal> load_file(const std::filesystem::path& file, Registry& registry) {
  if (auto problem = try_load(file, registry)) return {{file, std::move(*problem)}};
  return {};
}

std::vector<Refusal> load(const SearchPath& path, Registry& registry) {
  std::vector<Refusal> refusals;
  const auto refuse = [&](Refusal refusal) { refusals.push_back(std::move(refusal)); };
  for_each_plugin(path, refuse, [&](const std::filesystem::path& file) {
    if (auto problem = try_load(file, registry)) refuse({file, std::move(*problem)});
  });
  return refusals;
}

void offer(const SearchPath& path, Registry& registry, const std::function<void(const Refusal&)>& refused) {
  for_each_plugin(path, refused, [&](const std::filesystem::path& file) {
    const auto load = [file, refused, &registry] {
      if (auto problem = try_load(file, registry)) refused({file, std::move(*problem)});
    };
    auto types = types_beside(file);
    if (types.empty()) return load();
    registry.offer({std::move(types), load});
  });
}

}  // namespace weir::plugin
