#pragma once
// The processor types that are there to be used, and the files they came from.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/abi.h"

namespace weir::plugin {

/// Keys of a processor in a flow file that belong to the flow; its spec may not use them. Sources have more of them.
const std::vector<std::string>& reserved_keys(const abi::Spec& spec);

/// What is wrong with a type's declaration of itself; nothing if all is well.
std::optional<std::string> check_spec(const abi::Spec& spec);

struct Type {
  std::string name;
  const abi::ProcessorType* type = nullptr;
  const abi::Spec* spec = nullptr;
  std::filesystem::path file;  ///< the plugin; empty if it is part of the program
};

/// Not thread-safe while types are added; then read-only. Plugins are never unloaded, so what it holds stays valid.
class Registry {
 public:
  /// Takes over all types of a plugin, or none: returns why it is refused.
  [[nodiscard]] std::optional<std::string> add(const abi::Plugin& plugin, const std::filesystem::path& file);

  const Type* find(std::string_view name) const;
  /// The name that was probably meant by one that is not there; may be empty.
  std::string nearest(std::string_view name) const;
  std::vector<std::string> names() const;
  /// By name.
  const std::map<std::string, Type, std::less<>>& types() const { return types_; }

 private:
  std::map<std::string, Type, std::less<>> types_;
};

}  // namespace weir::plugin
