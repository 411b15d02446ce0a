#pragma once
// How a processor type declares itself: once. From one Spec come validation, the JSON Schema, `weir processors`, the
// reference pages, and the parsed, typed settings that the processor receives.

#include <charconv>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "weir/abi.h"
#include "weir/errors.h"
#include "weir/units.h"

namespace weir {

using abi::Encoding;
using abi::Kind;

inline abi::Text to_text(std::string_view text) {
  return {text.data(), text.size()};
}
inline std::string_view view(abi::Text text) {
  return {text.data, text.size};
}

/// A named output of a processor. Its position among the spec's relationships is its number.
struct Relationship {
  std::string_view name;
  std::string_view help;
};

enum class Unit { none, bytes, per_second };

/// What a property declares beside its name and the member that receives it.
struct PropertyOptions {
  std::string_view help;
  std::string_view example = {};
  bool required = false;
  bool secret = false;
  Unit unit = Unit::none;
  std::optional<double> min = {};
  std::optional<double> max = {};
  std::optional<double> above = {};            ///< exclusive minimum
  std::vector<std::string_view> choices = {};  ///< makes it a choice
  std::optional<Kind> kind = {};  ///< field, expression, select, templated: for text members, lists and maps of text
  Encoding encoding = Encoding::none;                 ///< of a templated property
  std::optional<std::string_view> default_text = {};  ///< where the member's own default does not say it
};

/// A value whose shape is the author's own: a scalar, a list (children without keys) or a map.
struct Any {
  std::string value;
  std::vector<std::string> keys;  ///< of the children
  std::vector<Any> children;
};

template <class S>
class Fields;

namespace detail {

template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};
template <class T>
struct is_vector : std::false_type {};
template <class T>
struct is_vector<std::vector<T>> : std::true_type {};
template <class T>
struct is_map : std::false_type {};
template <class T>
struct is_map<std::map<std::string, T>> : std::true_type {};
/// A map that keeps the author's order.
template <class T>
struct is_ordered_map : std::false_type {};
template <class T>
struct is_ordered_map<std::vector<std::pair<std::string, T>>> : std::true_type {};
template <class T>
concept has_fields = requires { T::fields(); };

template <class T>
constexpr Kind kind_of(Unit unit) {
  if constexpr (is_optional<T>::value) {
    return kind_of<typename T::value_type>(unit);
  } else if constexpr (std::is_same_v<T, bool>) {
    return Kind::boolean;
  } else if constexpr (std::is_integral_v<T>) {
    return unit == Unit::bytes ? Kind::bytes : Kind::integer;
  } else if constexpr (std::is_floating_point_v<T>) {
    return unit == Unit::per_second ? Kind::rate : Kind::number;
  } else if constexpr (std::is_same_v<T, Duration>) {
    return Kind::duration;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return Kind::text;
  } else if constexpr (is_map<T>::value || is_ordered_map<T>::value) {
    return Kind::map;
  } else if constexpr (is_vector<T>::value) {
    return Kind::list;
  } else if constexpr (std::is_same_v<T, Any>) {
    return Kind::any;
  } else {
    static_assert(has_fields<T>, "a property's type is a scalar, Any, a vector, a map or has static fields()");
    return Kind::object;
  }
}

/// The type inside optional, vector and map.
template <class T>
auto innermost() {
  if constexpr (is_optional<T>::value) {
    return innermost<typename T::value_type>();
  } else if constexpr (is_map<T>::value) {
    return innermost<typename T::mapped_type>();
  } else if constexpr (is_ordered_map<T>::value) {
    return innermost<typename T::value_type::second_type>();
  } else if constexpr (is_vector<T>::value) {
    return innermost<typename T::value_type>();
  } else {
    return std::type_identity<T>{};
  }
}

template <class T>
T parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    throw Misconfigured("'" + std::string(text) + "' is no number in the range of its property");
  return value;
}

template <class T>
void bind(T& member, const abi::Node& node);

inline void bind_any(Any& any, const abi::Node& node) {
  any.value = view(node.value());
  for (std::uint32_t i = 0; i < node.size(); ++i) {
    any.keys.emplace_back(view(node.key(i)));
    bind_any(any.children.emplace_back(), *node.child(i));
  }
}

template <class T>
void bind(T& member, const abi::Node& node) {
  const auto text = view(node.value());
  if constexpr (is_optional<T>::value) {
    bind(member.emplace(), node);
  } else if constexpr (std::is_same_v<T, bool>) {
    member = text == "true";
  } else if constexpr (std::is_integral_v<T> || std::is_floating_point_v<T>) {
    member = parse_number<T>(text);
  } else if constexpr (std::is_same_v<T, Duration>) {
    member = Duration(parse_number<std::int64_t>(text));
  } else if constexpr (std::is_same_v<T, std::string>) {
    member = text;
  } else if constexpr (is_map<T>::value) {
    member.clear();
    for (std::uint32_t i = 0; i < node.size(); ++i) bind(member[std::string(view(node.key(i)))], *node.child(i));
  } else if constexpr (is_ordered_map<T>::value) {
    member.clear();
    for (std::uint32_t i = 0; i < node.size(); ++i) {
      member.emplace_back();
      member.back().first = view(node.key(i));
      bind(member.back().second, *node.child(i));
    }
  } else if constexpr (is_vector<T>::value) {
    member.clear();
    for (std::uint32_t i = 0; i < node.size(); ++i) bind(member.emplace_back(), *node.child(i));
  } else if constexpr (std::is_same_v<T, Any>) {
    member = {};
    bind_any(member, node);
  } else {
    T::fields().bind(member, node);
  }
}

template <class T>
std::string default_of(const T& member, Unit unit) {
  if constexpr (is_optional<T>::value) {
    return member ? default_of(*member, unit) : std::string();
  } else if constexpr (std::is_same_v<T, bool>) {
    return member ? "true" : "false";
  } else if constexpr (std::is_integral_v<T>) {
    return unit == Unit::bytes ? format_bytes(static_cast<std::uint64_t>(member)) : std::to_string(member);
  } else if constexpr (std::is_floating_point_v<T>) {
    char buffer[32];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, member).ptr;
    return std::string(buffer, end) + (unit == Unit::per_second ? "/s" : "");
  } else if constexpr (std::is_same_v<T, Duration>) {
    return format_duration(member);
  } else if constexpr (std::is_same_v<T, std::string>) {
    return member;
  } else {
    return {};
  }
}

}  // namespace detail

/// The properties of a settings struct, each bound to the member that receives it. Also describes nested objects:
/// a struct with `static const weir::Fields<T>& fields()` can be a property, or stand in a vector or map.
template <class S>
class Fields {
 public:
  template <class M>
  Fields& property(std::string_view name, M S::* member, PropertyOptions options) {
    using Inner = typename decltype(detail::innermost<M>())::type;
    abi::Property p{};
    p.name = keep(name);
    p.help = keep(options.help);
    p.example = keep(options.example);
    p.kind = detail::kind_of<M>(options.unit);
    p.element = detail::kind_of<Inner>(options.unit);
    if (!options.choices.empty()) options.kind = Kind::choice;
    if (options.kind) (p.kind == Kind::list || p.kind == Kind::map ? p.element : p.kind) = *options.kind;
    p.encoding = options.encoding;
    if (options.required) p.flags |= abi::kRequired;
    if (options.secret) p.flags |= abi::kSecret;
    if (options.min) p.flags |= abi::kHasMinimum, p.minimum = *options.min;
    if (options.above) p.flags |= abi::kHasMinimum | abi::kExclusiveMinimum, p.minimum = *options.above;
    if (options.max) p.flags |= abi::kHasMaximum, p.maximum = *options.max;
    if (!options.choices.empty()) {
      auto& kept = storage_->choices.emplace_back();
      for (auto choice : options.choices) kept.push_back(keep(choice));
      p.choices = kept.data();
      p.choice_count = static_cast<std::uint32_t>(kept.size());
    }
    if constexpr (detail::has_fields<Inner>) {
      p.fields = Inner::fields().data();
      p.field_count = Inner::fields().size();
    }
    const S defaults{};
    if (!options.required)
      p.default_value = keep(options.default_text ? std::string(*options.default_text)
                                                  : detail::default_of(defaults.*member, options.unit));
    properties_.push_back(p);
    binders_.push_back([member](S& settings, const abi::Node& node) { detail::bind(settings.*member, node); });
    return *this;
  }

  /// Fills the members whose properties the node holds; the others keep their defaults.
  void bind(S& settings, const abi::Node& node) const {
    for (std::uint32_t i = 0; i < node.size(); ++i) {
      const auto key = view(node.key(i));
      for (std::size_t p = 0; p < properties_.size(); ++p) {
        if (view(properties_[p].name) == key) binders_[p](settings, *node.child(i));
      }
    }
  }

  const abi::Property* data() const { return properties_.data(); }
  std::uint32_t size() const { return static_cast<std::uint32_t>(properties_.size()); }

 protected:
  abi::Text keep(std::string_view text) { return to_text(storage_->texts.emplace_back(text)); }

 private:
  std::vector<abi::Property> properties_;
  std::vector<std::function<void(S&, const abi::Node&)>> binders_;
  /// What the properties' pointers point to; shared by copies, and never moved.
  struct Storage {
    std::deque<std::string> texts;
    std::deque<std::vector<abi::Text>> choices;
  };
  std::shared_ptr<Storage> storage_ = std::make_shared<Storage>();
};

/// A processor type's declaration. Build it once, as a namespace-scope constant beside the processor.
template <class S>
class Spec : public Fields<S> {
 public:
  using Settings = S;

  Spec(std::string_view type, std::string_view summary) {
    spec_.type = this->keep(type);
    spec_.summary = this->keep(summary);
  }
  template <class M>
  Spec& property(std::string_view name, M S::* member, PropertyOptions options) {
    Fields<S>::property(name, member, std::move(options));
    return *this;
  }
  /// Longer documentation, in Markdown.
  Spec& description(std::string_view text) { return spec_.description = this->keep(text), *this; }
  /// The YAML of one processor's properties, for the reference.
  Spec& example(std::string_view yaml) { return spec_.example = this->keep(yaml), *this; }
  Spec& relationship(Relationship r) { return add(relationships_, r); }
  /// The keys of this map property are relationships too, numbered after the declared ones in the author's order.
  Spec& relationships_from(std::string_view property) { return spec_.relationships_from = this->keep(property), *this; }
  Spec& reads(std::string_view attribute, std::string_view help) { return add(reads_, {attribute, help}); }
  /// The first that a source writes tells where its data is from: provenance can be searched by it, unless the flow
  /// says by what.
  Spec& writes(std::string_view attribute, std::string_view help) { return add(writes_, {attribute, help}); }
  /// Says what it keeps in its durable state.
  Spec& state(std::string_view what) { return spec_.state = this->keep(what), *this; }
  /// Takes no input.
  Spec& source() { return flag(abi::kSource); }
  /// Steps of one instance may overlap (the flow's `concurrency:` says how many).
  Spec& concurrent() { return flag(abi::kConcurrent); }
  /// A step may wait for the outside world: it gets a thread of its own.
  Spec& blocking() { return flag(abi::kBlocking); }
  /// `delivery: exactly_once` may be asked of it: it then gets its input only from durable epochs, in order.
  Spec& exactly_once() { return flag(abi::kExactlyOnce); }
  /// Its $(SQL) is evaluated once a FlowFile, not once a record.
  Spec& per_flowfile() { return flag(abi::kPerFlowFile); }
  /// Its SQL reads `seq`, not a record.
  Spec& generator() { return flag(abi::kGenerator); }
  /// What it passes on has the fields of what it was given: the declared record follows its connections.
  Spec& keeps_record() { return flag(abi::kKeepsRecord); }
  /// The same, but for the fields that its properties `set` (a map: field to SQL) and `remove` (a list) name.
  Spec& edits_record() { return flag(abi::kEditsRecord); }
  /// Someone outside stands still until its processor hears durable(): the epoch that a step asked for by when_durable
  /// comes within milliseconds, instead of after the usual interval. Costs all flows more epochs, so it is for the few
  /// whose far side waits for each answer.
  Spec& awaited() { return flag(abi::kAwaited); }

  const abi::Spec& get() const {
    spec_.properties = this->data();
    spec_.property_count = this->size();
    spec_.relationships = relationships_.data();
    spec_.relationship_count = static_cast<std::uint32_t>(relationships_.size());
    spec_.reads = reads_.data();
    spec_.read_count = static_cast<std::uint32_t>(reads_.size());
    spec_.writes = writes_.data();
    spec_.write_count = static_cast<std::uint32_t>(writes_.size());
    return spec_;
  }

 private:
  Spec& add(std::vector<abi::Relationship>& list, Relationship r) {
    list.push_back({this->keep(r.name), this->keep(r.help)});
    return *this;
  }
  Spec& flag(std::uint32_t bit) { return spec_.flags |= bit, *this; }

  mutable abi::Spec spec_{};
  std::vector<abi::Relationship> relationships_;
  std::vector<abi::Relationship> reads_;
  std::vector<abi::Relationship> writes_;
};

}  // namespace weir
