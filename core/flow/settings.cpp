#include "flow/settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "flow/values.h"
#include "plugin/nearest.h"
#include "plugin/registry.h"
#include "weir/spec.h"
#include "weir/units.h"

namespace weir::flow {

namespace {

bool is_sql(abi::Kind kind) {
  return kind == abi::Kind::field || kind == abi::Kind::expression || kind == abi::Kind::select ||
         kind == abi::Kind::templated;
}

const abi::Property* find(const abi::Property* fields, std::uint32_t count, std::string_view name) {
  const auto end = fields + count;
  const auto found = std::find_if(fields, end, [&](const auto& property) { return view(property.name) == name; });
  return found == end ? nullptr : found;
}

std::vector<std::string> names(const abi::Property* fields, std::uint32_t count) {
  std::vector<std::string> names;
  for (std::uint32_t i = 0; i < count; ++i) names.emplace_back(view(fields[i].name));
  return names;
}

std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 12;
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kMost; ++i)
    text += fmt::format("{}{}", i == 0 ? "" : i + 1 == names.size() ? " or " : ", ", names[i]);
  return names.size() > kMost ? text + ", …" : text;
}

std::string join(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
}

bool has_choice(const abi::Property& property, std::string_view name) {
  return std::any_of(property.choices, property.choices + property.choice_count,
                     [&](const abi::Text& choice) { return view(choice) == name; });
}

/// How a value of this kind would be written, for messages about one of another shape.
std::string shape(const abi::Property& property, abi::Kind kind) {
  if (kind == abi::Kind::list)
    return fmt::format("a list, such as [{}]", property.example.size == 0 ? "a, b" : view(property.example));
  if (kind == abi::Kind::map || kind == abi::Kind::object) {
    const auto fields = names(property.fields, property.field_count);
    return fields.empty() || kind == abi::Kind::map ? "a map" : "a map with " + listed(fields);
  }
  return expectation(property, kind);
}

/// What is computed for each FlowFile and is to be no part of an address, a path or a header is content, an attribute,
/// or what a message or a line of the log has in it.
bool becomes_data(const abi::Property& property, abi::Kind kind) {
  return kind == abi::Kind::templated && property.encoding == abi::Encoding::none &&
         (property.flags & abi::kSecret) == 0;
}

}  // namespace

SettingsNode::SettingsNode(const boost::property_tree::ptree& tree) : tree_(tree) {
  for (const auto& [key, child] : tree) {
    keys_.push_back(&key);
    children_.emplace_back(child);
  }
}

SettingsNode::SettingsNode(const boost::property_tree::ptree& tree, bool exactly_once) : SettingsNode(tree) {
  static const std::string key = "delivery";
  static const boost::property_tree::ptree value("exactly_once");
  if (!exactly_once) return;
  keys_.push_back(&key);
  children_.emplace_back(value);
}

abi::Text SettingsNode::key(std::uint32_t index) const {
  return {keys_[index]->data(), keys_[index]->size()};
}

const abi::Node* SettingsNode::child(std::uint32_t index) const {
  return &children_[index];
}

boost::property_tree::ptree SettingsReader::read(const abi::Spec& spec, const Node& processor, const Node& at) const {
  return object(spec.properties, spec.property_count, processor, at, std::string(view(spec.type)), "",
                plugin::reserved_keys(spec));
}

void SettingsReader::check_required(const abi::Property* fields, std::uint32_t count, const Node& node, const Node& at,
                                    const std::string& owner) const {
  const auto known = names(fields, count);
  // A key that was probably meant to be this property is reported as what it is: a slip, not two errors.
  const auto mistyped = [&](std::string_view name) {
    return std::any_of(node.members.begin(), node.members.end(), [&](const auto& member) {
      return find(fields, count, member.key.text) == nullptr && nearest(member.key.text, known) == name;
    });
  };
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto name = view(fields[i].name);
    if ((fields[i].flags & abi::kRequired) == 0 || node.find(name) != nullptr || mistyped(name)) continue;
    const auto example = view(fields[i].example);
    report_.error(at, fmt::format("{} needs '{}'", owner, name),
                  fmt::format("'{}': {}{}", name, kind_name(fields[i]),
                              example.empty() ? "" : fmt::format(", such as {}", example)));
  }
}

boost::property_tree::ptree SettingsReader::object(const abi::Property* fields, std::uint32_t count, const Node& node,
                                                   const Node& at, const std::string& owner, const std::string& path,
                                                   std::span<const std::string> reserved) const {
  Tree tree;
  for (const auto& [key, child] : node.members) {
    if (std::find(reserved.begin(), reserved.end(), key.text) != reserved.end()) continue;
    const auto* property = find(fields, count, key.text);
    if (property == nullptr) {
      auto known = names(fields, count);
      const auto expected = known.empty() ? "no properties at all" : listed(known);
      known.insert(known.end(), reserved.begin(), reserved.end());
      report_.error(key, fmt::format("{} has no property '{}'", owner, key.text), expected, nearest(key.text, known));
      continue;
    }
    tree.push_back({key.text, value(*property, property->kind, child, join(path, key.text))});
  }
  check_required(fields, count, node, at, owner);
  return tree;
}

boost::property_tree::ptree SettingsReader::value(const abi::Property& property, abi::Kind kind, const Node& node,
                                                  const std::string& path) const {
  const auto wrong_shape = [&] {
    auto expected = shape(property, kind);
    if ((kind == abi::Kind::text || kind == abi::Kind::templated) && (node.is_map() || node.is_list()))
      expected += "; to YAML, what begins with { or [ is none: put quotes around it";
    report_.error(
        node, node.is_null() ? fmt::format("'{}' has no value", path) : fmt::format("'{}' is {}", path, describe(node)),
        std::move(expected));
    return Tree();
  };
  Tree tree;
  switch (kind) {
    case abi::Kind::list:
      if (!node.is_list()) return wrong_shape();
      for (const auto& item : node.items) {
        const auto number = static_cast<std::size_t>(&item - node.items.data());
        tree.push_back({"", value(property, property.element, item, fmt::format("{}[{}]", path, number))});
      }
      return tree;
    case abi::Kind::map:
      if (!node.is_map()) return wrong_shape();
      for (const auto& [key, child] : node.members)
        tree.push_back({key.text, value(property, property.element, child, join(path, key.text))});
      return tree;
    case abi::Kind::object:
      if (!node.is_map()) return wrong_shape();
      return object(property.fields, property.field_count, node, node, fmt::format("'{}'", path), path, {});
    case abi::Kind::any:
      return any(node);
    default:
      if (node.is_null() && has_choice(property, "null")) {  // which YAML reads as nothing, unless it is quoted
        tree.data() = "null";
        return tree;
      }
      if (!node.is_scalar()) return wrong_shape();
      tree.data() = is_sql(kind) ? statement(property, kind, node, path) : scalar(property, kind, node, path);
      return tree;
  }
}

std::string SettingsReader::scalar(const abi::Property& property, abi::Kind kind, const Node& node,
                                   const std::string& path) const {
  const auto text = parameters_.text(node);
  if (!text) return {};
  auto result = read_value(property, kind, text->value);
  if (result.problem.empty()) return std::move(result.canonical);
  // A secret, or a secret property, is named by what the author wrote.
  const bool hidden = text->secret || ((property.flags & abi::kSecret) != 0 && text->substituted);
  Node shown;
  shown.type = Node::Type::scalar;
  shown.text = hidden ? node.text : text->value;
  auto message = (property.flags & abi::kSecret) != 0 && !text->substituted
                     ? fmt::format("the value of '{}' {}", path, result.problem)
                     : fmt::format("'{}': {} {}", path, describe(shown), result.problem);
  if (text->substituted && !hidden) message += fmt::format(" (from {})", describe(node));
  report_.error(node, std::move(message), std::move(result.expected), text->secret ? "" : std::move(result.nearest));
  return {};
}

std::string SettingsReader::statement(const abi::Property& property, abi::Kind kind, const Node& node,
                                      const std::string& path) const {
  auto sql = kind == abi::Kind::templated ? parameters_.templated(node) : parameters_.sql(node);
  if (!sql) return {};
  if (kind != abi::Kind::templated && sql->value.find_first_not_of(" \t\r\n") == std::string::npos) {
    report_.error(node, fmt::format("'{}' is empty", path), expectation(property, kind));
    return {};
  }
  if (sql->secret && becomes_data(property, kind)) {
    report_.warning_inside(node, *sql->secret,
                           fmt::format("the secret in '{}' becomes part of the data, where nothing masks it", path),
                           "secrets where a far side asks for them, such as a password or an HTTP header");
  }
  auto value = sql->value;
  uses_.push_back({&node, std::move(*sql), kind, property.encoding, path});
  return value;
}

boost::property_tree::ptree SettingsReader::any(const Node& node) const {
  Tree tree;
  if (node.is_scalar()) {
    if (const auto text = parameters_.text(node)) tree.data() = text->value;
  }
  for (const auto& item : node.items) tree.push_back({"", any(item)});
  for (const auto& [key, child] : node.members) tree.push_back({key.text, any(child)});
  return tree;
}

namespace {

/// Of what was cut to its begin, as far as that is one of a secret's.
void mask_cut(std::string& text, const std::string& secret) {
  constexpr std::string_view kCut = "…";
  constexpr std::size_t kLeast = 4;  ///< less than that may well be something else
  for (auto cut = text.find(kCut); cut != std::string::npos; cut = text.find(kCut, cut + kCut.size())) {
    for (auto size = std::min(secret.size() - 1, cut); size >= kLeast; --size) {
      if (text.compare(cut - size, size, secret, 0, size) != 0) continue;
      text.replace(cut - size, size, "***");
      cut -= size - 3;
      break;
    }
  }
}

}  // namespace

std::string masked(std::string text, const std::vector<std::string>& secrets) {
  for (const auto& secret : secrets) {
    if (secret.empty()) continue;
    for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += 3)
      text.replace(at, secret.size(), "***");
    mask_cut(text, secret);
  }
  return text;
}

namespace {

using Tree = boost::property_tree::ptree;

Tree masked_fields(const Tree& tree, const abi::Property* fields, std::uint32_t count,
                   const std::vector<std::string>& secrets);

/// Durations and sizes are kept in nanoseconds and bytes, and shown as an author writes them.
std::string shown(const std::string& value, abi::Kind kind) {
  if (kind != abi::Kind::duration && kind != abi::Kind::bytes) return value;
  std::int64_t number = 0;
  const auto* const end = value.data() + value.size();
  const auto parsed = std::from_chars(value.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end || number < 0) return value;
  return kind == abi::Kind::duration ? format_duration(Duration(number))
                                     : format_bytes(static_cast<std::uint64_t>(number));
}

/// Without the password of `scheme://user:password@host`, which should not stand there, but may.
std::string without_password(std::string text) {
  const auto scheme = text.find("://");
  if (scheme == std::string::npos) return text;
  const auto begin = scheme + 3;
  const auto authority = std::string_view(text).substr(begin, text.find_first_of("/?#", begin) - begin);
  const auto at = authority.rfind('@'), colon = authority.find(':');
  if (at == std::string_view::npos || colon >= at) return text;
  return text.replace(begin + colon + 1, at - colon - 1, "***");
}

/// `property` is null where the spec says nothing of this value.
Tree masked_value(const Tree& tree, const abi::Property* property, const std::vector<std::string>& secrets) {
  if (property != nullptr && (property->flags & abi::kSecret) != 0) return Tree("***");
  const bool has_fields = property != nullptr && property->field_count > 0;
  if (has_fields && property->kind == abi::Kind::object)
    return masked_fields(tree, property->fields, property->field_count, secrets);
  const auto kind = property == nullptr ? abi::Kind::any : property->kind;
  Tree result(without_password(masked(shown(tree.data(), kind), secrets)));
  for (const auto& [key, child] : tree) {
    auto member = has_fields ? masked_fields(child, property->fields, property->field_count, secrets)
                             : masked_value(child, nullptr, secrets);
    if (property != nullptr && !has_fields && child.empty()) member.data() = shown(member.data(), property->element);
    result.push_back({key, std::move(member)});
  }
  return result;
}

Tree masked_fields(const Tree& tree, const abi::Property* fields, std::uint32_t count,
                   const std::vector<std::string>& secrets) {
  Tree result(masked(tree.data(), secrets));
  for (const auto& [key, child] : tree) result.push_back({key, masked_value(child, find(fields, count, key), secrets)});
  return result;
}

}  // namespace

boost::property_tree::ptree masked(const boost::property_tree::ptree& settings, const abi::Spec& spec,
                                   const std::vector<std::string>& secrets) {
  return masked_fields(settings, spec.properties, spec.property_count, secrets);
}

}  // namespace weir::flow
