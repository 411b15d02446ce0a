#pragma once
// The processor types that are there to be used, and the files they came from.

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/abi.h"

namespace weir::abi {
class TableReader;
}

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

/// How a list of types names the scheme of a database whose tables the plugin reads: "postgresql://".
std::string offer_of_scheme(std::string_view scheme);

/// A plugin that says which types it has before it is loaded: a flow pays only for the plugins that it uses.
struct Offer {
  std::vector<std::string> types;  ///< and schemes, as offer_of_scheme() spells them
  std::function<void()> load;      ///< lets it in, or tells whoever wants to know why it is refused
};

/// Not thread-safe: flows are read by one thread. Plugins are never unloaded, so what it gave stays valid.
class Registry {
 public:
  /// Takes over all types of a plugin, or none: returns why it is refused.
  [[nodiscard]] std::optional<std::string> add(const abi::Plugin& plugin, const std::filesystem::path& file);
  /// Takes over what reads reference tables of databases; of a scheme that is known already, nothing.
  void add(const abi::TableReader& reader);
  /// Loads it when one of its types is looked for; at once, and after the other, if another has such a type.
  void offer(Offer offer);

  /// Loads the plugin that offers the type. What a plugin says of itself may be wrong: before a type is said not to be
  /// there, all that is offered is loaded.
  const Type* find(std::string_view name);
  /// What reads tables of databases with this scheme; null: no plugin does.
  const abi::TableReader* table_reader(std::string_view scheme);
  /// The name that was probably meant by one that is not there; may be empty.
  std::string nearest(std::string_view name) const;
  /// Of all types, loaded or offered.
  std::vector<std::string> names() const;
  /// Those that are loaded, by name.
  const std::map<std::string, Type, std::less<>>& types() const { return types_; }
  /// The schemes of the table readers that are loaded.
  std::vector<std::string> schemes() const;

 private:
  void load_offer_of(std::string_view type);

  std::map<std::string, Type, std::less<>> types_;
  std::map<std::string, const abi::TableReader*, std::less<>> readers_;  ///< by scheme
  std::vector<Offer> offers_;                                            ///< not loaded yet
};

}  // namespace weir::plugin
