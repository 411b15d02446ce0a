#include "plugin/registry.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "plugin/nearest.h"
#include "weir/spec.h"
#include "weir/table_reader.h"

namespace weir::plugin {

namespace {

// More than any sane plugin declares: a count beyond it is a pointer that went astray.
constexpr std::uint32_t kMost = 10'000;
constexpr int kDeepest = 8;

bool name_like(std::string_view name, std::string_view also) {
  return !name.empty() && name.size() <= 100 && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           also.find(c) != std::string_view::npos;
  });
}

std::optional<std::string> check_property(const abi::Property& p, const std::string& where, int depth);

std::optional<std::string> check_properties(const abi::Property* properties, std::uint32_t count,
                                            const std::string& where, int depth) {
  if (count > kMost || (count > 0 && properties == nullptr))
    return fmt::format("{} has a broken list of properties", where);
  if (depth > kDeepest) return fmt::format("{} nests its properties more than {} levels deep", where, kDeepest);
  std::set<std::string_view> names;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto name = view(properties[i].name);
    if (!name_like(name, "_.-")) return fmt::format("{} has a property with the name '{}'", where, name);
    if (!names.insert(name).second) return fmt::format("{} declares the property '{}' twice", where, name);
    if (auto problem = check_property(properties[i], fmt::format("the property '{}' of {}", name, where), depth))
      return problem;
  }
  return std::nullopt;
}

std::optional<std::string> check_property(const abi::Property& p, const std::string& where, int depth) {
  const auto last = static_cast<std::uint32_t>(abi::Kind::any);
  if (static_cast<std::uint32_t>(p.kind) > last) return fmt::format("{} is of an unknown kind", where);
  const bool collection = p.kind == abi::Kind::list || p.kind == abi::Kind::map;
  if (collection &&
      (static_cast<std::uint32_t>(p.element) > last || p.element == abi::Kind::list || p.element == abi::Kind::map))
    return fmt::format("{} holds elements of an unknown kind", where);
  const auto kind = collection ? p.element : p.kind;
  if (kind == abi::Kind::choice && (p.choice_count == 0 || p.choice_count > kMost || p.choices == nullptr))
    return fmt::format("{} is a choice without choices", where);
  if (kind == abi::Kind::object && p.field_count == 0) return fmt::format("{} is an object without fields", where);
  const std::uint32_t both = abi::kHasMinimum | abi::kHasMaximum;
  if ((p.flags & both) == both && p.minimum > p.maximum)
    return fmt::format("{} has a minimum above its maximum", where);
  if (static_cast<std::uint32_t>(p.encoding) > static_cast<std::uint32_t>(abi::Encoding::topic_level))
    return fmt::format("{} has an unknown encoding", where);
  return check_properties(p.fields, p.field_count, where, depth + 1);
}

std::optional<std::string> check_relationships(const abi::Spec& spec, const std::string& where) {
  if (spec.relationship_count > kMost || (spec.relationship_count > 0 && spec.relationships == nullptr))
    return fmt::format("{} has a broken list of relationships", where);
  std::set<std::string_view> names;
  for (std::uint32_t i = 0; i < spec.relationship_count; ++i) {
    const auto name = view(spec.relationships[i].name);
    // A slash would make connection ids (flow/from/relationship/to) ambiguous.
    if (!name_like(name, "_-.")) return fmt::format("{} has a relationship with the name '{}'", where, name);
    if (!names.insert(name).second) return fmt::format("{} declares the relationship '{}' twice", where, name);
  }
  const auto from = view(spec.relationships_from);
  if (from.empty()) return std::nullopt;
  for (std::uint32_t i = 0; i < spec.property_count; ++i) {
    if (view(spec.properties[i].name) == from && spec.properties[i].kind == abi::Kind::map) return std::nullopt;
  }
  return fmt::format("{} takes relationships from '{}', which is no map property of it", where, from);
}

}  // namespace

const std::vector<std::string>& reserved_keys(const abi::Spec& spec) {
  static const std::vector<std::string> keys{"type",     "to",          "drop",    "retry",        "queue",
                                             "schedule", "concurrency", "enabled", "record",       "delivery",
                                             "order",    "description", "labels",  "renamed_from", "use"};
  static const auto of_sources = [] {
    auto all = keys;
    all.emplace_back("retain");
    return all;
  }();
  return (spec.flags & abi::kSource) != 0 ? of_sources : keys;
}

std::optional<std::string> check_spec(const abi::Spec& spec) {
  const auto type = view(spec.type);
  if (!name_like(type, "_")) return fmt::format("a type's name is '{}'; letters and digits are needed", type);
  const auto where = std::string(type);
  if (auto problem = check_properties(spec.properties, spec.property_count, where, 0)) return problem;
  for (std::uint32_t i = 0; i < spec.property_count; ++i) {
    const auto name = view(spec.properties[i].name);
    const auto& reserved = reserved_keys(spec);
    if (std::find(reserved.begin(), reserved.end(), name) != reserved.end())
      return fmt::format("{} declares the property '{}', a key that belongs to the flow; it needs another name", where,
                         name);
  }
  return check_relationships(spec, where);
}

std::optional<std::string> Registry::add(const abi::Plugin& plugin, const std::filesystem::path& file) {
  const auto count = plugin.type_count();
  if (count == 0 || count > kMost) return fmt::format("provides {} processor types; at least one is needed", count);
  std::map<std::string, Type, std::less<>> fresh;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto* type = plugin.type(i);
    const auto* spec = type == nullptr ? nullptr : type->spec();
    if (spec == nullptr) return fmt::format("declares {} types, and nothing for number {}", count, i + 1);
    if (auto problem = check_spec(*spec)) return problem;
    const std::string name(view(spec->type));
    if (const auto known = types_.find(name); known != types_.end())
      return fmt::format("provides the type {}, which {} provides already; one of them has to go", name,
                         known->second.file.empty() ? "Weir itself" : known->second.file.string());
    if (!fresh.emplace(name, Type{name, type, spec, file}).second)
      return fmt::format("provides the type {} twice", name);
  }
  types_.merge(fresh);
  return std::nullopt;
}

void Registry::offer(Offer offer) {
  bool contested = false;
  for (const auto& type : offer.types) {
    load_offer_of(type);
    contested |= types_.contains(type);
  }
  if (contested) return offer.load();
  offers_.push_back(std::move(offer));
}

void Registry::load_offer_of(std::string_view type) {
  const auto offered = std::find_if(offers_.begin(), offers_.end(), [&](const Offer& offer) {
    return std::find(offer.types.begin(), offer.types.end(), type) != offer.types.end();
  });
  if (offered == offers_.end()) return;
  const auto offer = std::move(*offered);
  offers_.erase(offered);
  offer.load();
}

const Type* Registry::find(std::string_view name) {
  if (!types_.contains(name)) load_offer_of(name);
  while (!types_.contains(name) && !offers_.empty()) load_offer_of(offers_.front().types.front());
  const auto found = types_.find(name);
  return found == types_.end() ? nullptr : &found->second;
}

std::string offer_of_scheme(std::string_view scheme) {
  return std::string(scheme) + "://";
}

void Registry::add(const abi::TableReader& reader) {
  for (std::uint32_t i = 0; i < std::min(reader.scheme_count(), kMost); ++i)
    readers_.emplace(view(reader.scheme(i)), &reader);
}

const abi::TableReader* Registry::table_reader(std::string_view scheme) {
  if (!readers_.contains(scheme)) load_offer_of(offer_of_scheme(scheme));
  while (!readers_.contains(scheme) && !offers_.empty()) load_offer_of(offers_.front().types.front());
  const auto found = readers_.find(scheme);
  return found == readers_.end() ? nullptr : found->second;
}

std::vector<std::string> Registry::schemes() const {
  std::vector<std::string> schemes;
  for (const auto& [scheme, reader] : readers_) schemes.push_back(scheme);
  return schemes;
}

std::string Registry::nearest(std::string_view name) const {
  return weir::nearest(name, names());
}

std::vector<std::string> Registry::names() const {
  std::vector<std::string> names;
  for (const auto& [name, type] : types_) names.push_back(name);
  for (const auto& offer : offers_) {
    std::copy_if(offer.types.begin(), offer.types.end(), std::back_inserter(names),
                 [](const auto& type) { return !type.ends_with("://"); });
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace weir::plugin
