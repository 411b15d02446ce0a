#include "flow/parameters.h"

#include <fmt/core.h>

#include <fstream>

#include "flow/sql_text.h"
#include "flow/values.h"
#include "plugin/nearest.h"

namespace weir::flow {

namespace {

bool letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool digit(char c) {
  return c >= '0' && c <= '9';
}

/// A name that is safe as an environment variable, a file's name and an SQL binding.
bool valid_name(std::string_view name, std::string_view also = {}) {
  if (name.empty() || !(letter(name[0]))) return false;
  for (const char c : name) {
    if (!letter(c) && !digit(c) && also.find(c) == std::string_view::npos) return false;
  }
  return true;
}

Parameters::Type type_by_look(std::string_view text) {
  if (looks_like_number(text)) return Parameters::Type::number;
  if (text == "true" || text == "false") return Parameters::Type::boolean;
  return Parameters::Type::text;
}

std::string render(Parameters::Type type, const std::string& value) {
  switch (type) {
    case Parameters::Type::number:
      return value;
    case Parameters::Type::boolean:
      return value == "true" ? "1" : "0";
    case Parameters::Type::null:
      return "NULL";
    case Parameters::Type::text:
      break;
  }
  return sql_literal(value);
}

const std::vector<std::string> kParameterKeys{"default", "type", "description"};
const std::vector<std::string> kParameterTypes{"text", "number", "boolean"};

}  // namespace

std::size_t SqlText::origin(std::size_t offset) const {
  std::size_t result = offset;
  for (const auto& [at, from] : origins) {
    if (at > offset) break;
    result = from + (offset - at);
  }
  return result;
}

std::vector<std::string> Parameters::names() const {
  std::vector<std::string> names;
  for (const auto& [name, declared] : declared_) names.push_back(name);
  return names;
}

void Parameters::declare(const Node& parameters) {
  if (!parameters.is_map()) {
    report_.error(parameters, fmt::format("'parameters' is {}", describe(parameters)),
                  "a map such as {limit: {default: 20}}");
    return;
  }
  for (const auto& member : parameters.members) declare_one(member);
}

void Parameters::declare_one(const Member& member) {
  const auto& [key, value] = member;
  if (!valid_name(key.text)) {
    report_.error(key, fmt::format("'{}' is no name for a parameter", key.text), "letters, digits and _");
    return;
  }
  Declared parameter;
  parameter.name = key;
  if (!value.is_map() && !value.is_null()) {
    report_.error(value, fmt::format("the parameter '{}' is {}", key.text, describe(value)),
                  value.is_scalar() ? fmt::format("{{default: {}}}", value.text) : "a map such as {default: 20}");
    declared_[key.text] = parameter;
    return;
  }
  std::optional<Type> type;
  for (const auto& [option, setting] : value.members) {
    if (option.text == "type") {
      if (setting.text == "text" || setting.text == "number" || setting.text == "boolean") {
        type = setting.text == "text" ? Type::text : setting.text == "number" ? Type::number : Type::boolean;
      } else {
        report_.error(setting, fmt::format("{} is no type of a parameter", describe(setting)),
                      "text, number or boolean", nearest(setting.text, kParameterTypes));
      }
    } else if (option.text != "default" && option.text != "description") {
      report_.error(option, fmt::format("a parameter has no option '{}'", option.text), "default, type or description",
                    nearest(option.text, kParameterKeys));
    }
  }
  const auto given = surroundings_.parameters.find(key.text);
  const auto* preset = value.find("default");
  // A quoted default says that it is text, one in plain YAML is what it looks like; one from outside has no quotes.
  if (!type && preset != nullptr && preset->is_scalar() && preset->text.find("${") == std::string::npos)
    type = preset->plain ? type_by_look(preset->text) : Type::text;
  if (given != surroundings_.parameters.end()) {
    parameter.text = {given->second, false, true};
    parameter.known = true;
  } else if (preset != nullptr && preset->is_null()) {
    parameter.known = true;
    type = Type::null;
  } else if (preset != nullptr && preset->is_scalar()) {
    if (auto text = expand(*preset, false)) {
      parameter.text = std::move(*text);
      parameter.known = true;
    }
  } else if (preset != nullptr) {
    report_.error(*preset, fmt::format("the default of '{}' is {}", key.text, describe(*preset)), "text or a number");
  } else {
    report_.error(key, fmt::format("the parameter '{}' has no value", key.text),
                  fmt::format("--param {}=VALUE, or a default in the flow", key.text));
  }
  if (parameter.known) {
    const auto look = type_by_look(parameter.text.value);
    parameter.type = type.value_or(look);
    if ((parameter.type == Type::number || parameter.type == Type::boolean) && look != parameter.type) {
      const auto shown = parameter.text.secret ? std::string("its value") : fmt::format("'{}'", parameter.text.value);
      report_.error(key,
                    fmt::format("{} for the parameter '{}' is no {}", shown, key.text,
                                parameter.type == Type::number ? "number" : "boolean"),
                    parameter.type == Type::number ? "a number" : "true or false");
      parameter.type = Type::text;
    }
  }
  declared_[key.text] = parameter;
}

std::optional<Parameters::Reference> Parameters::reference(const Node& scalar, std::size_t at) const {
  const auto end = scalar.text.find('}', at);
  if (end == std::string::npos) {
    report_.error_inside(scalar, at, "this '${' is never closed", "${name}, or $${ for the characters ${");
    return std::nullopt;
  }
  return Reference{scalar.text.substr(at + 2, end - at - 2), end + 1};
}

std::optional<Text> Parameters::environment(const Node& scalar, std::size_t at, const std::string& rest) const {
  const auto split = rest.find(":-");
  const auto name = rest.substr(0, split);
  if (!valid_name(name)) {
    report_.error_inside(scalar, at, fmt::format("'{}' is no name of an environment variable", name),
                         "${env:NAME} or ${env:NAME:-default}");
    return std::nullopt;
  }
  const auto value = surroundings_.environment ? surroundings_.environment(name) : std::nullopt;
  // As in a shell, :- also stands in for a variable that is set and empty.
  if (split != std::string::npos && (!value || value->empty())) return Text{rest.substr(split + 2), false, true};
  if (value) return Text{*value, false, true};
  report_.error_inside(scalar, at, fmt::format("the environment variable {} is not set", name),
                       fmt::format("it to be set, or a default: ${{env:{}:-default}}", name));
  return std::nullopt;
}

std::optional<Text> Parameters::secret(const Node& scalar, std::size_t at, const std::string& name) const {
  // The name becomes part of a path: one segment, never upwards.
  if (!valid_name(name, "-.")) {
    report_.error_inside(scalar, at, fmt::format("'{}' is no name of a secret", name), "letters, digits, _, - and .");
    return std::nullopt;
  }
  auto value = surroundings_.environment ? surroundings_.environment(name) : std::nullopt;
  if (!value && !surroundings_.secrets_folder.empty()) {
    std::error_code error;
    const auto path = surroundings_.secrets_folder / name;
    std::ifstream in(path, std::ios::binary);
    if (in && std::filesystem::is_regular_file(path, error)) {
      value.emplace(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
      while (!value->empty() && (value->back() == '\n' || value->back() == '\r')) value->pop_back();
    }
  }
  if (!value) {
    const auto folder = surroundings_.secrets_folder.empty()
                            ? std::string()
                            : fmt::format(", or a file {}", (surroundings_.secrets_folder / name).string());
    report_.error_inside(scalar, at, fmt::format("the secret {} is not known", name),
                         fmt::format("an environment variable {}{}", name, folder));
    return std::nullopt;
  }
  if (value->find('\0') != std::string::npos) {
    report_.error_inside(scalar, at, fmt::format("the secret {} holds a NUL byte", name), "text");
    return std::nullopt;
  }
  if (!value->empty()) secrets_.insert(*value);
  return Text{std::move(*value), true, true};
}

std::optional<Text> Parameters::resolve(const Node& scalar, std::size_t at, const std::string& inside,
                                        bool parameters_allowed) const {
  if (inside.starts_with("env:")) return environment(scalar, at, inside.substr(4));
  if (inside.starts_with("secret:")) return secret(scalar, at, inside.substr(7));
  if (!parameters_allowed) {
    report_.error_inside(scalar, at, fmt::format("a parameter's default cannot use '${{{}}}'", inside),
                         "text, ${env:NAME} or ${secret:NAME}");
    return std::nullopt;
  }
  const auto found = declared_.find(inside);
  if (found == declared_.end()) {
    if (const auto colon = inside.find(':'); colon != std::string::npos) {
      report_.error_inside(scalar, at, fmt::format("'${{{}}}' is unknown", inside),
                           "${parameter}, ${env:NAME:-default} or ${secret:NAME}");
    } else {
      report_.error_inside(scalar, at, fmt::format("there is no parameter '{}'", inside),
                           declared_.empty() ? "a parameter declared under 'parameters:'" : "a declared parameter",
                           nearest(inside, names()));
    }
    return std::nullopt;
  }
  found->second.used = true;
  if (!found->second.known) {
    ++missed_;
    return std::nullopt;
  }
  auto text = found->second.text;
  text.substituted = true;
  return text;
}

std::optional<Text> Parameters::expand(const Node& scalar, bool parameters_allowed) const {
  Text result;
  bool good = true;
  const auto& text = scalar.text;
  for (std::size_t i = 0; i < text.size();) {
    if (text.compare(i, 3, "$${") == 0) {
      result.value += "${";
      result.substituted = true;
      i += 3;
    } else if (text.compare(i, 2, "${") == 0) {
      const auto found = reference(scalar, i);
      if (!found) return std::nullopt;
      if (const auto part = resolve(scalar, i, found->inside, parameters_allowed)) {
        result.value += part->value;
        result.secret |= part->secret;
        result.substituted = true;
      } else {
        good = false;
      }
      i = found->end;
    } else {
      result.value += text[i++];
    }
  }
  return good ? std::optional(std::move(result)) : std::nullopt;
}

std::optional<Text> Parameters::text(const Node& scalar) const {
  return expand(scalar, true);
}

/// A reference in SQL, as the literal that it stands for.
std::optional<std::string> Parameters::literal(const Node& scalar, std::size_t at, const std::string& inside) const {
  const auto part = resolve(scalar, at, inside, true);
  if (!part) return std::nullopt;
  if (part->secret) {
    report_.error_inside(scalar, at, "a secret cannot stand in SQL: statements are shown and logged",
                         "the secret in a property of its own");
    return std::nullopt;
  }
  const auto found = declared_.find(inside);
  const auto type = found == declared_.end() ? type_by_look(part->value) : found->second.type;
  return render(type, part->value);
}

bool Parameters::append_code(const Node& scalar, std::size_t begin, std::size_t end, SqlText& to) const {
  const auto& text = scalar.text;
  bool good = true;
  for (std::size_t i = begin; i < end;) {
    std::string inside;
    std::size_t after = i;
    if (text.compare(i, 2, "${") == 0) {
      const auto found = reference(scalar, i);
      if (!found) return false;
      inside = found->inside;
      after = found->end;
    } else if (text[i] == ':' && i + 1 < end && letter(text[i + 1])) {
      for (after = i + 1; after < end && (letter(text[after]) || digit(text[after]));) ++after;
      inside = text.substr(i + 1, after - i - 1);
    }
    if (after == i) {
      to.value += text[i++];
      continue;
    }
    if (const auto value = literal(scalar, i, inside)) {
      to.origins.emplace_back(to.value.size(), i);
      to.value += *value;
      to.origins.emplace_back(to.value.size(), after);
    } else {
      good = false;
    }
    i = after;
  }
  return good;
}

bool Parameters::refuse_references(const Node& scalar, std::size_t begin, std::size_t end) const {
  const auto at = scalar.text.find("${", begin);
  if (at == std::string::npos || at >= end) return true;
  const auto close = std::min(scalar.text.find('}', at), end);
  const auto inside = scalar.text.substr(at + 2, close - at - 2);
  const auto fix = valid_name(inside)
                       ? fmt::format("':{}' outside of the quotes ('…' || :{} joins text)", inside, inside)
                       : "a parameter, as :name outside of the quotes";
  report_.error_inside(scalar, at, "inside SQL a parameter is a value, not text, and cannot stand within quotes", fix);
  return false;
}

bool Parameters::append_sql(const Node& scalar, std::size_t begin, std::size_t end, SqlText& to) const {
  const std::string_view sql = std::string_view(scalar.text).substr(begin, end - begin);
  bool good = true;
  for (const auto& token : sql_tokens(sql)) {
    const auto from = begin + token.begin;
    const auto until = begin + token.end;
    to.origins.emplace_back(to.value.size(), from);
    if (token.part == SqlPart::code) {
      good &= append_code(scalar, from, until, to);
    } else {
      if (token.part != SqlPart::comment) good &= refuse_references(scalar, from, until);
      to.value += scalar.text.substr(from, until - from);
    }
  }
  return good;
}

std::optional<SqlText> Parameters::sql(const Node& scalar) const {
  SqlText result;
  if (!append_sql(scalar, 0, scalar.text.size(), result)) return std::nullopt;
  return result;
}

std::optional<SqlText> Parameters::templated(const Node& scalar) const {
  SqlText result;
  bool good = true;
  const auto& text = scalar.text;
  for (std::size_t i = 0; i < text.size();) {
    if (text.compare(i, 3, "$${") == 0) {
      result.value += "${";
      i += 3;
      result.origins.emplace_back(result.value.size(), i);
    } else if (text.compare(i, 3, "$$(") == 0) {
      result.value += "$$(";  // the template's own escape of $(
      i += 3;
    } else if (text.compare(i, 2, "${") == 0) {
      const auto found = reference(scalar, i);
      if (!found) return std::nullopt;
      const auto part = resolve(scalar, i, found->inside, true);
      if (part) {
        if (part->secret && !result.secret) result.secret = i;
        // What comes from outside is text and never becomes SQL.
        for (const char c : part->value) {
          if (c == '(' && result.value.ends_with('$')) result.value.insert(result.value.size() - 1, "$");
          result.value += c;
        }
      }
      good &= part.has_value();
      i = found->end;
      result.origins.emplace_back(result.value.size(), i);
    } else if (text.compare(i, 2, "$(") == 0) {
      const auto end = end_of_expression(text, i + 2);
      if (end == std::string::npos) {
        report_.error_inside(scalar, i, "this '$(' is never closed", "$(SQL), or $$( for the characters $(");
        return std::nullopt;
      }
      result.value += "$(";
      result.origins.emplace_back(result.value.size(), i + 2);
      good &= append_sql(scalar, i + 2, end - 1, result);
      result.value += ")";
      i = end;
      result.origins.emplace_back(result.value.size(), i);
    } else {
      result.value += text[i++];
    }
  }
  return good ? std::optional(std::move(result)) : std::nullopt;
}

void Parameters::warn_of_unused() const {
  for (const auto& [name, parameter] : declared_) {
    if (!parameter.used) report_.warning(parameter.name, fmt::format("the parameter '{}' is never used", name));
  }
}

}  // namespace weir::flow
