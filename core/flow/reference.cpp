#include "flow/reference.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <vector>

#include "flow/json_text.h"
#include "flow/values.h"
#include "weir/spec.h"

namespace weir::flow {

namespace {

namespace json = boost::json;

constexpr std::size_t kWidth = 96;

/// Text broken into lines of a width, each behind an indent.
std::string wrapped(std::string_view text, std::size_t indent) {
  std::string result;
  std::string line;
  const auto flush = [&] {
    if (!line.empty()) result += std::string(indent, ' ') + line + "\n";
    line.clear();
  };
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of(" \n"), text.size());
    const auto word = text.substr(0, end);
    if (!word.empty()) {
      if (!line.empty() && indent + line.size() + 1 + word.size() > kWidth) flush();
      line += (line.empty() ? "" : " ") + std::string(word);
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  flush();
  return result;
}

std::string indented(std::string_view text, std::size_t indent) {
  std::string result;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    if (end > 0) result += std::string(indent, ' ') + std::string(text.substr(0, end));
    result += "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

std::string_view encoding_name(abi::Encoding encoding) {
  switch (encoding) {
    case abi::Encoding::none:
      return "";
    case abi::Encoding::path_segment:
      return "path segment";
    case abi::Encoding::url_segment:
      return "URL segment";
    case abi::Encoding::header:
      return "header";
    case abi::Encoding::identifier:
      return "identifier";
    case abi::Encoding::topic_level:
      return "topic level";
  }
  return "";
}

/// Bounds, choices and the like, each a short phrase.
std::vector<std::string> limits(const abi::Property& p) {
  std::vector<std::string> phrases;
  const auto kind = p.kind == abi::Kind::list || p.kind == abi::Kind::map ? p.element : p.kind;
  if (kind == abi::Kind::choice) {
    phrases.push_back(expectation(p, kind));
  } else if ((p.flags & (abi::kHasMinimum | abi::kHasMaximum)) != 0) {
    const auto text = expectation(p, kind);
    const auto comma = text.rfind(", ");
    phrases.push_back(comma == std::string::npos ? text : text.substr(comma + 2));
  }
  if ((p.flags & abi::kSecret) != 0) phrases.emplace_back("secret: never shown");
  if (const auto name = encoding_name(p.encoding); !name.empty())
    phrases.push_back(fmt::format("each $(SQL) is made safe as a {}", name));
  return phrases;
}

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const auto& part : parts) text += fmt::format("{}{}", text.empty() ? "" : separator, part);
  return text;
}

std::vector<std::string> traits(const abi::Spec& spec) {
  std::vector<std::string> list;
  if ((spec.flags & abi::kSource) != 0) list.emplace_back("a source: takes no input");
  if ((spec.flags & abi::kConcurrent) != 0) list.emplace_back("`concurrency:` may be more than 1");
  if ((spec.flags & abi::kExactlyOnce) != 0) list.emplace_back("offers `delivery: exactly_once`");
  if ((spec.flags & abi::kPerFlowFile) != 0) list.emplace_back("evaluates its SQL once a FlowFile");
  if ((spec.flags & abi::kGenerator) != 0) list.emplace_back("its SQL reads `seq` (0, 1, 2, …) and may use random()");
  if ((spec.flags & abi::kKeepsRecord) != 0) list.emplace_back("the declared record passes through");
  if ((spec.flags & abi::kEditsRecord) != 0)
    list.emplace_back("the declared record passes through, but for the fields that it changes");
  return list;
}

/// The example as a whole processor: with its type, and a line end.
std::string example_of(const abi::Spec& spec) {
  std::string example(view(spec.example));
  if (!example.starts_with("type:")) example.insert(0, fmt::format("type: {}\n", view(spec.type)));
  if (!example.ends_with('\n')) example += '\n';
  return example;
}

// ------------------------------------------------------------------------------------------------------- terminal

void text_properties(const abi::Property* fields, std::uint32_t count, std::size_t indent, std::string& to) {
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto& p = fields[i];
    auto line = fmt::format("{}{}: {}", std::string(indent, ' '), view(p.name), kind_name(p));
    if ((p.flags & abi::kRequired) != 0) line += ", required";
    if (p.default_value.size != 0) line += fmt::format(", default {}", view(p.default_value));
    to += line + "\n" + wrapped(view(p.help), indent + 4);
    if (const auto extra = limits(p); !extra.empty()) to += wrapped(joined(extra, "; ") + ".", indent + 4);
    if (p.example.size != 0) to += fmt::format("{}e.g. {}\n", std::string(indent + 4, ' '), view(p.example));
    text_properties(p.fields, p.field_count, indent + 4, to);
  }
}

void text_named(std::string_view title, const abi::Relationship* list, std::uint32_t count, std::string& to) {
  if (count == 0) return;
  to += fmt::format("\n{}:\n", title);
  for (std::uint32_t i = 0; i < count; ++i)
    to += fmt::format("  {}\n{}", view(list[i].name), wrapped(view(list[i].help), 6));
}

// ------------------------------------------------------------------------------------------------------- Markdown

/// Text inside a table's cell.
std::string cell(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '|') result += '\\';
    result += c == '\n' ? ' ' : c;
  }
  return result;
}

std::string code(std::string_view text) {
  if (text.empty()) return "";
  const bool ticks = text.find('`') != std::string_view::npos;
  return ticks ? fmt::format("`` {} ``", cell(text)) : fmt::format("`{}`", cell(text));
}

std::string property_cells(const abi::Property& p) {
  auto help = cell(view(p.help));
  if (const auto extra = limits(p); !extra.empty()) help += fmt::format(" ({})", cell(joined(extra, "; ")));
  if (p.example.size != 0) help += fmt::format(" Example: {}", code(view(p.example)));
  const auto preset = (p.flags & abi::kRequired) != 0 ? std::string("**required**") : code(view(p.default_value));
  return fmt::format("{} | {} | {} |", kind_name(p), preset, help);
}

void property_rows(const abi::Property* fields, std::uint32_t count, const std::string& prefix, std::string& to) {
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto& p = fields[i];
    const auto name = prefix + std::string(view(p.name));
    to += fmt::format("| `{}` | {}\n", name, property_cells(p));
    const auto* inside = p.kind == abi::Kind::list ? "[]." : p.kind == abi::Kind::map ? ".*." : ".";
    property_rows(p.fields, p.field_count, name + inside, to);
  }
}

void named_rows(std::string_view title, const abi::Relationship* list, std::uint32_t count, std::string& to) {
  if (count == 0) return;
  to += fmt::format("\n## {}\n\n| name | |\n|---|---|\n", title);
  for (std::uint32_t i = 0; i < count; ++i)
    to += fmt::format("| `{}` | {} |\n", view(list[i].name), cell(view(list[i].help)));
}

constexpr std::string_view kGenerated =
    "<!-- Written by `weir processors --markdown docs/reference` from the processor's spec: edit the spec, not this. "
    "-->\n";

std::string page(const abi::Spec& spec) {
  auto text = fmt::format("{}# {}\n\n{}\n", kGenerated, view(spec.type), view(spec.summary));
  if (spec.description.size != 0) text += fmt::format("\n{}\n", view(spec.description));
  while (text.ends_with("\n\n")) text.pop_back();
  if (const auto list = traits(spec); !list.empty()) {
    text += "\n";
    for (const auto& item : list) text += fmt::format("- {}\n", item);
  }
  if (spec.example.size != 0) {
    text += "\n## Example\n\n```yaml\n" + example_of(spec);
    text += "```\n";
  }
  if (spec.property_count > 0) {
    text += "\n## Properties\n\n| name | type | default | |\n|---|---|---|---|\n";
    property_rows(spec.properties, spec.property_count, "", text);
  }
  named_rows("Relationships", spec.relationships, spec.relationship_count, text);
  if (spec.relationships_from.size != 0)
    text += fmt::format("{}Each key of `{}` is a relationship too.\n",
                        spec.relationship_count == 0 ? "\n## Relationships\n\n" : "\n", view(spec.relationships_from));
  named_rows("Attributes it reads", spec.reads, spec.read_count, text);
  named_rows("Attributes it writes", spec.writes, spec.write_count, text);
  if (spec.state.size != 0) text += fmt::format("\n## State\n\n{}\n", view(spec.state));
  return text;
}

// ----------------------------------------------------------------------------------------------------------- JSON

json::array named_json(const abi::Relationship* list, std::uint32_t count) {
  json::array array;
  for (std::uint32_t i = 0; i < count; ++i)
    array.push_back(json::object{{"name", view(list[i].name)}, {"help", view(list[i].help)}});
  return array;
}

json::array properties_json(const abi::Property* fields, std::uint32_t count) {
  json::array array;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto& p = fields[i];
    json::object object{{"name", view(p.name)}, {"kind", kind_name(p.kind)}, {"help", view(p.help)}};
    if (p.kind == abi::Kind::list || p.kind == abi::Kind::map) object["element"] = kind_name(p.element);
    object["required"] = (p.flags & abi::kRequired) != 0;
    if ((p.flags & abi::kSecret) != 0) object["secret"] = true;
    if (p.default_value.size != 0) object["default"] = view(p.default_value);
    if (p.example.size != 0) object["example"] = view(p.example);
    if ((p.flags & abi::kHasMinimum) != 0)
      object[(p.flags & abi::kExclusiveMinimum) != 0 ? "exclusive_minimum" : "minimum"] = p.minimum;
    if ((p.flags & abi::kHasMaximum) != 0) object["maximum"] = p.maximum;
    if (p.encoding != abi::Encoding::none) object["encoding"] = encoding_name(p.encoding);
    json::array choices;
    for (std::uint32_t c = 0; c < p.choice_count; ++c) choices.push_back(json::string(view(p.choices[c])));
    if (!choices.empty()) object["choices"] = std::move(choices);
    if (p.field_count > 0) object["fields"] = properties_json(p.fields, p.field_count);
    array.push_back(std::move(object));
  }
  return array;
}

json::object spec_json(const abi::Spec& spec) {
  const auto flag = [&](std::uint32_t bit) { return (spec.flags & bit) != 0; };
  return {{"type", view(spec.type)},
          {"summary", view(spec.summary)},
          {"description", view(spec.description)},
          {"example", spec.example.size == 0 ? std::string() : example_of(spec)},
          {"state", view(spec.state)},
          {"source", flag(abi::kSource)},
          {"concurrent", flag(abi::kConcurrent)},
          {"exactly_once", flag(abi::kExactlyOnce)},
          {"keeps_record", flag(abi::kKeepsRecord)},
          {"edits_record", flag(abi::kEditsRecord)},
          {"properties", properties_json(spec.properties, spec.property_count)},
          {"relationships", named_json(spec.relationships, spec.relationship_count)},
          {"relationships_from", view(spec.relationships_from)},
          {"reads", named_json(spec.reads, spec.read_count)},
          {"writes", named_json(spec.writes, spec.write_count)}};
}

}  // namespace

std::string reference_list(const plugin::Registry& registry) {
  std::size_t width = 0;
  for (const auto& [name, type] : registry.types()) width = std::max(width, name.size());
  std::string text;
  for (const auto& [name, type] : registry.types())
    text += fmt::format("{:{}}  {}\n", name, width, view(type.spec->summary));
  return text;
}

std::string reference_text(const abi::Spec& spec) {
  auto text = fmt::format("{}\n{}", view(spec.type), wrapped(view(spec.summary), 2));
  if (spec.description.size != 0) text += "\n" + indented(view(spec.description), 2);
  if (const auto list = traits(spec); !list.empty()) text += "\n";
  for (const auto& item : traits(spec)) text += wrapped("- " + item, 2);
  if (spec.property_count > 0) text += "\nProperties:\n";
  text_properties(spec.properties, spec.property_count, 2, text);
  text_named("Relationships", spec.relationships, spec.relationship_count, text);
  if (spec.relationships_from.size != 0) text += fmt::format("  and each key of '{}'\n", view(spec.relationships_from));
  text_named("Reads the attributes", spec.reads, spec.read_count, text);
  text_named("Writes the attributes", spec.writes, spec.write_count, text);
  if (spec.state.size != 0) text += "\nState:\n" + wrapped(view(spec.state), 2);
  if (spec.example.size != 0) text += "\nExample:\n" + indented(example_of(spec), 2);
  return text;
}

std::string reference_json(const abi::Spec& spec) {
  return to_pretty(spec_json(spec));
}

std::string reference_json(const plugin::Registry& registry) {
  json::array array;
  for (const auto& [name, type] : registry.types()) array.push_back(spec_json(*type.spec));
  return to_pretty(array);
}

std::map<std::string, std::string> reference_pages(const plugin::Registry& registry) {
  std::map<std::string, std::string> pages;
  auto index = std::string(kGenerated) + "# Processors\n\n| type | |\n|---|---|\n";
  for (const auto& [name, type] : registry.types()) {
    pages[name + ".md"] = page(*type.spec);
    index += fmt::format("| [{}]({}.md) | {} |\n", name, name, cell(view(type.spec->summary)));
  }
  pages["README.md"] = index;
  return pages;
}

}  // namespace weir::flow
