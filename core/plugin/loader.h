#pragma once
// Finding plugins and letting them in. A plugin's ABI version is in the name of its entry, which is read from the file
// before anything in it runs; what does not fit is refused with a message, and the rest is loaded.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "plugin/registry.h"

namespace weir::plugin {

/// A file that was not loaded.
struct Refusal {
  std::filesystem::path file;
  std::string message;  ///< what was found and what is needed
};

/// "plugins/x.so: …"
std::string to_string(const Refusal& refusal);

/// Where plugins are looked for, in this order: `asked_for` (of the command line), the folders in the environment's
/// WEIR_PLUGINS (colons between them), `plugins` beside the executable, `../lib/weir/plugins` from there.
struct SearchPath {
  std::vector<std::filesystem::path> asked_for;  ///< one that does not exist is a Refusal
  std::vector<std::filesystem::path> usual;      ///< one that does not exist is passed over
};
SearchPath search_path(const std::vector<std::string>& options);

/// Loads every plugin found: the files named, and each `*.so` in the folders. Of files with one name the first found
/// is taken, as with programs on PATH. Loaded files stay for the life of the process.
std::vector<Refusal> load(const SearchPath& path, Registry& registry);

/// The same, but a plugin beside which a list of its types lies (mqtt.types beside mqtt.so, a name a line, and the
/// schemes of databases whose tables it reads: the build writes it, see weir_add_plugin) is only offered, and loaded
/// when a flow names one of them. `refused` is called now or then.
void offer(const SearchPath& path, Registry& registry, const std::function<void(const Refusal&)>& refused);

/// Loads one file; returns why it is refused, or nothing.
std::vector<Refusal> load_file(const std::filesystem::path& file, Registry& registry);

}  // namespace weir::plugin
