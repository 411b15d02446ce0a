#include "flow/values.h"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "plugin/nearest.h"
#include "weir/spec.h"

namespace weir::flow {

namespace {

struct UnitSize {
  std::string_view name;
  std::int64_t size;
};

constexpr std::array<UnitSize, 5> kDurations{{{"ms", 1'000'000},
                                              {"s", 1'000'000'000},
                                              {"m", 60'000'000'000},
                                              {"h", 3'600'000'000'000},
                                              {"d", 86'400'000'000'000}}};
constexpr std::array<UnitSize, 5> kSizes{
    {{"B", 1}, {"kB", 1000}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}};
constexpr std::array<UnitSize, 3> kRates{{{"/s", 1}, {"/m", 60}, {"/h", 3600}}};

template <class T>
std::optional<T> whole(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> real(std::string_view text) {
  const auto value = whole<double>(text);
  if (!value || !std::isfinite(*value)) return std::nullopt;
  return value;
}

/// Splits "1.5MiB" into digits and unit.
std::pair<std::string_view, std::string_view> split_unit(std::string_view text) {
  const auto end = std::min(text.find_first_not_of("0123456789."), text.size());
  auto unit = text.substr(end);
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  return {text.substr(0, end), unit};
}

/// A count of the unit's base (nanoseconds, bytes): whole, and without rounding where the digits are whole.
template <std::size_t N>
std::optional<std::int64_t> scaled(std::string_view text, const std::array<UnitSize, N>& units) {
  const auto [digits, unit] = split_unit(text);
  if (unit.empty() && digits == "0") return 0;
  for (const auto& [name, size] : units) {
    if (unit != name) continue;
    if (const auto count = whole<std::int64_t>(digits)) {
      if (*count > std::numeric_limits<std::int64_t>::max() / size) return std::nullopt;
      return *count * size;
    }
    const auto count = real(digits);
    if (!count || *count * static_cast<double>(size) >= 9.2e18) return std::nullopt;
    const double base = *count * static_cast<double>(size);
    if (std::abs(base - std::round(base)) > 1e-6 * std::max(1.0, base)) return std::nullopt;
    return static_cast<std::int64_t>(std::llround(base));
  }
  return std::nullopt;
}

std::optional<double> parse_rate(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return text == "0" ? std::optional(0.0) : std::nullopt;
  auto digits = text.substr(0, slash);
  while (digits.ends_with(' ')) digits.remove_suffix(1);
  const auto count = real(digits);
  for (const auto& [name, size] : kRates) {
    if (count && *count >= 0 && text.substr(slash) == name) return *count / static_cast<double>(size);
  }
  return std::nullopt;
}

std::string shortest(double value) {
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  return {buffer.data(), end};
}

/// A bound as an author would write it.
std::string bound_text(abi::Kind kind, double bound) {
  if (kind == abi::Kind::duration) return format_duration(Duration(static_cast<std::int64_t>(bound)));
  if (kind == abi::Kind::bytes && bound >= 0) return format_bytes(static_cast<std::uint64_t>(bound));
  if (kind == abi::Kind::rate) return shortest(bound) + "/s";
  if (kind == abi::Kind::integer && std::abs(bound) < 9e15) return std::to_string(static_cast<std::int64_t>(bound));
  return shortest(bound);
}

std::string range_text(const abi::Property& p, abi::Kind kind) {
  const bool low = (p.flags & abi::kHasMinimum) != 0;
  const bool high = (p.flags & abi::kHasMaximum) != 0;
  const bool exclusive = (p.flags & abi::kExclusiveMinimum) != 0;
  if (low && high && !exclusive)
    return fmt::format("{} to {}", bound_text(kind, p.minimum), bound_text(kind, p.maximum));
  std::string text;
  if (low) text = fmt::format("{} {}", exclusive ? "more than" : "at least", bound_text(kind, p.minimum));
  if (high) text += fmt::format("{}at most {}", low ? " and " : "", bound_text(kind, p.maximum));
  return text;
}

bool numeric(abi::Kind kind) {
  return kind == abi::Kind::integer || kind == abi::Kind::number || kind == abi::Kind::duration ||
         kind == abi::Kind::bytes || kind == abi::Kind::rate;
}

std::vector<std::string> choices_of(const abi::Property& property) {
  std::vector<std::string> choices;
  for (std::uint32_t i = 0; i < property.choice_count; ++i) choices.emplace_back(view(property.choices[i]));
  return choices;
}

/// Why a text with a unit is none: the unit is missing, is written otherwise here, or is none at all.
std::string unit_problem(std::string_view text, std::string_view noun, const std::vector<std::string>& units) {
  const auto [digits, unit] = split_unit(text);
  if (!real(digits)) return fmt::format("is no {}", noun);
  if (unit.empty()) return fmt::format("is a {} without its unit", noun);
  for (const auto& name : units) {
    if (name == unit) return fmt::format("is no whole {} or too large", noun);
  }
  return fmt::format("has no unit that a {} can have", noun);
}

std::string near_unit(std::string_view text) {
  const auto [digits, unit] = split_unit(text);
  constexpr std::array<std::pair<std::string_view, std::string_view>, 21> kOften{
      {{"sec", "s"},    {"secs", "s"},    {"second", "s"}, {"seconds", "s"}, {"min", "m"},  {"mins", "m"},
       {"minute", "m"}, {"minutes", "m"}, {"hour", "h"},   {"hours", "h"},   {"day", "d"},  {"days", "d"},
       {"MB", "MiB"},   {"GB", "GiB"},    {"KB", "KiB"},   {"kb", "kB"},     {"mb", "MiB"}, {"gb", "GiB"},
       {"b", "B"},      {"k", "KiB"},     {"M", "MiB"}}};
  for (const auto& [wrong, right] : kOften) {
    if (unit == wrong) return fmt::format("{}{}", digits, right);
  }
  return {};
}

Value number_value(const abi::Property& property, abi::Kind kind, std::string canonical, double number) {
  Value value{std::move(canonical), {}, {}, {}};
  const bool below =
      (property.flags & abi::kHasMinimum) != 0 &&
      ((property.flags & abi::kExclusiveMinimum) != 0 ? number <= property.minimum : number < property.minimum);
  const bool above = (property.flags & abi::kHasMaximum) != 0 && number > property.maximum;
  if (below || above) {
    value.problem = below ? "is too small" : "is too large";
    value.expected = range_text(property, kind);
  }
  return value;
}

Value failure(const abi::Property& property, abi::Kind kind, std::string problem, std::string nearest = {}) {
  return {{}, std::move(problem), expectation(property, kind), std::move(nearest)};
}

Value read_boolean(const abi::Property& property, std::string_view text) {
  if (text == "true" || text == "false") return {std::string(text), {}, {}, {}};
  for (const auto yes : {"yes", "Yes", "on", "On", "True", "TRUE", "1", "y"}) {
    if (text == yes) return failure(property, abi::Kind::boolean, "is no boolean", "true");
  }
  for (const auto no : {"no", "No", "off", "Off", "False", "FALSE", "0", "n"}) {
    if (text == no) return failure(property, abi::Kind::boolean, "is no boolean", "false");
  }
  return failure(property, abi::Kind::boolean, "is no boolean");
}

Value read_integer(const abi::Property& property, std::string_view text) {
  if (const auto value = whole<std::int64_t>(text))
    return number_value(property, abi::Kind::integer, std::to_string(*value), static_cast<double>(*value));
  if (const auto value = whole<std::uint64_t>(text))
    return number_value(property, abi::Kind::integer, std::to_string(*value), static_cast<double>(*value));
  return failure(property, abi::Kind::integer, "is no integer");
}

Value read_choice(const abi::Property& property, std::string_view text) {
  const auto choices = choices_of(property);
  for (const auto& choice : choices) {
    if (choice == text) return {choice, {}, {}, {}};
  }
  return failure(property, abi::Kind::choice, "is none of the choices", nearest(text, choices));
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  const auto value = scaled(text, kDurations);
  if (!value) return std::nullopt;
  return Duration(*value);
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  const auto value = scaled(text, kSizes);
  if (!value) return std::nullopt;
  return static_cast<std::uint64_t>(*value);
}

bool looks_like_number(std::string_view text) {
  const auto digits = text.substr(text.starts_with('-') ? 1 : 0);
  if (digits.empty() || digits[0] < '0' || digits[0] > '9') return false;
  if (digits.size() > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9') return false;
  return !digits.ends_with('.') && real(text).has_value();
}

Value read_value(const abi::Property& property, abi::Kind kind, std::string_view text) {
  switch (kind) {
    case abi::Kind::boolean:
      return read_boolean(property, text);
    case abi::Kind::integer:
      return read_integer(property, text);
    case abi::Kind::number: {
      const auto value = real(text);
      if (!value) return failure(property, kind, "is no number");
      return number_value(property, kind, std::string(text.substr(text.starts_with('+') ? 1 : 0)), *value);
    }
    case abi::Kind::duration: {
      const auto value = parse_duration(text);
      if (!value)
        return failure(property, kind, unit_problem(text, "duration", {"ms", "s", "m", "h", "d"}), near_unit(text));
      return number_value(property, kind, std::to_string(value->count()), static_cast<double>(value->count()));
    }
    case abi::Kind::bytes: {
      const auto value = parse_bytes(text);
      if (!value)
        return failure(property, kind, unit_problem(text, "size", {"B", "kB", "KiB", "MiB", "GiB"}), near_unit(text));
      return number_value(property, kind, std::to_string(*value), static_cast<double>(*value));
    }
    case abi::Kind::rate: {
      const auto value = parse_rate(text);
      if (!value)
        return failure(property, kind, real(text) ? "is a rate without its unit" : "is no rate",
                       real(text) ? fmt::format("{}/s", text) : "");
      return number_value(property, kind, shortest(*value), *value);
    }
    case abi::Kind::choice:
      return read_choice(property, text);
    default:
      return {std::string(text), {}, {}, {}};
  }
}

std::string_view kind_name(abi::Kind kind) {
  switch (kind) {
    case abi::Kind::text:
      return "text";
    case abi::Kind::boolean:
      return "boolean";
    case abi::Kind::integer:
      return "integer";
    case abi::Kind::number:
      return "number";
    case abi::Kind::duration:
      return "duration";
    case abi::Kind::bytes:
      return "size";
    case abi::Kind::rate:
      return "rate";
    case abi::Kind::choice:
      return "choice";
    case abi::Kind::field:
      return "field or SQL expression";
    case abi::Kind::expression:
      return "SQL expression";
    case abi::Kind::select:
      return "SQL SELECT";
    case abi::Kind::templated:
      return "text with $(SQL)";
    case abi::Kind::list:
      return "list";
    case abi::Kind::map:
      return "map";
    case abi::Kind::object:
      return "object";
    case abi::Kind::any:
      return "any value";
  }
  return "unknown kind";
}

std::string kind_name(const abi::Property& property) {
  if (property.kind == abi::Kind::list || property.kind == abi::Kind::map)
    return fmt::format("{} of {}", kind_name(property.kind), kind_name(property.element));
  return std::string(kind_name(property.kind));
}

std::string_view pattern(abi::Kind kind) {
  switch (kind) {
    case abi::Kind::duration:
      return R"(^(0|[0-9]+(\.[0-9]+)? ?(ms|s|m|h|d))$)";
    case abi::Kind::bytes:
      return R"(^(0|[0-9]+(\.[0-9]+)? ?(B|kB|KiB|MiB|GiB))$)";
    case abi::Kind::rate:
      return R"(^(0|[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)? ?/(s|m|h))$)";
    default:
      return {};
  }
}

std::string expectation(const abi::Property& property, abi::Kind kind) {
  std::string text;
  switch (kind) {
    case abi::Kind::boolean:
      return "true or false";
    case abi::Kind::integer:
      text = "a whole number";
      break;
    case abi::Kind::number:
      text = "a number";
      break;
    case abi::Kind::duration:
      text = "a number with its unit (ms, s, m, h or d), such as 30s";
      break;
    case abi::Kind::bytes:
      text = "a number with its unit (B, kB, KiB, MiB or GiB), such as 64MiB";
      break;
    case abi::Kind::rate:
      text = "a number per second (/s), minute (/m) or hour (/h), such as 5/s";
      break;
    case abi::Kind::choice: {
      const auto choices = choices_of(property);
      for (std::size_t i = 0; i < choices.size(); ++i)
        text += fmt::format("{}{}", i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ", choices[i]);
      return text;
    }
    default:
      text = kind_name(kind);
      text = (text.find_first_of("aeiouS") == 0 ? "an " : "a ") + text;
      if (kind == abi::Kind::text || kind == abi::Kind::any || kind == abi::Kind::templated) text = kind_name(kind);
      break;
  }
  if (numeric(kind) && (property.flags & (abi::kHasMinimum | abi::kHasMaximum)) != 0)
    text += ", " + range_text(property, kind);
  return text;
}

}  // namespace weir::flow
