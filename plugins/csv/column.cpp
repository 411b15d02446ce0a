#include "column.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "weir/errors.h"
#include "weir/json.h"

namespace weir::csv {

namespace {

bool is_json(std::string_view text) {
  detail::JsonWalker walker(text);
  walker.space();
  if (!walker.value()) return false;
  walker.space();
  return walker.at_end();
}

bool is_json_number(std::string_view text) {
  if (text.empty() || (text[0] != '-' && (text[0] < '0' || text[0] > '9'))) return false;
  detail::JsonWalker walker(text);
  return walker.value() && walker.at_end();
}

std::string_view trim(std::string_view text) {
  const auto from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    return word.size() == text.size() && std::equal(word.begin(), word.end(), text.begin(), [](char a, char b) {
             return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b | 0x20) : b);
           });
  });
}

/// Whether it is a number that doubles can hold, rounded or not.
bool in_range(std::string_view number, double& value) {
  const auto error = std::from_chars(number.data(), number.data() + number.size(), value).ec;
  if (error == std::errc()) return true;
  value = 0;  // too large, or too small to be told from zero: the exponent says which
  const auto exponent = number.find_first_of("eE");
  return exponent != std::string_view::npos && number.substr(exponent + 1).starts_with('-');
}

}  // namespace

std::string lenient_number(std::string_view text) {
  text = trim(text);
  std::string number;
  if (text.starts_with('-')) number += '-';
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto zeros = std::min(text.find_first_not_of('0'), digits);
  const auto whole = text.substr(zeros, digits - zeros);
  auto rest = text.substr(digits);
  number += whole.empty() ? "0" : whole;
  if (rest.starts_with('.')) {
    const auto fraction_end = std::min(rest.find_first_not_of("0123456789", 1), rest.size());
    if (fraction_end == 1 && digits == 0) return {};
    if (fraction_end > 1) number += rest.substr(0, fraction_end);
    rest.remove_prefix(fraction_end);
  } else if (digits == 0) {
    return {};
  }
  number += rest;
  double value = 0;
  return is_json_number(number) && in_range(number, value) ? number : std::string();
}

Column::Column(std::string name, const EmittedField* declared)
    : name_(std::move(name)), type_(type_of(declared)), required_(declared != nullptr && declared->required) {
  append_json_string(member_, name_);
  member_ += ':';
  if (declared != nullptr) type_name_ = declared->type;
}

Column::Type Column::type_of(const EmittedField* declared) {
  if (declared == nullptr) return Type::any;
  const auto& type = declared->type;
  if (type == "time") return declared->format.starts_with("unix_") ? Type::unix_time : Type::time;
  return type == "text"      ? Type::text
         : type == "integer" ? Type::integer
         : type == "number"  ? Type::number
         : type == "boolean" ? Type::boolean
         : type == "json"    ? Type::json
                             : Type::any;
}

bool Column::append(std::string& to, const Cell& cell, const CellRules& rules, std::string& error) const {
  if (!cell.quoted && cell.text == rules.null_text) {
    if (required_) {
      error = name_ + " is required, but empty";
      return false;
    }
    to += "null";
    return true;
  }
  std::string decoded;
  auto text = cell.text;
  if (cell.doubled || rules.encoding != TextEncoding::utf_8)
    text = decoded = cell_text(cell, rules.quote, rules.encoding);
  switch (type_) {
    case Type::any:
      if (rules.infer && !cell.quoted && (text == "true" || text == "false" || is_json_number(text))) {
        double value = 0;
        if (text[0] == 't' || text[0] == 'f' || in_range(text, value)) {
          to += text;
          return true;
        }
      }
      break;
    case Type::text:
    case Type::time:
      break;
    default:
      if (append_typed(to, text)) return true;
      error = name_ + ": " + excerpt(text) + " is no " + (type_ == Type::unix_time ? "Unix time" : type_name_);
      return false;
  }
  if (!is_utf8(text)) {
    error = name_ + ": the text is not UTF-8 (see the property encoding)";
    return false;
  }
  append_json_string(to, text);
  return true;
}

bool Column::append_typed(std::string& to, std::string_view text) const {
  if (type_ == Type::json) {
    if (!is_json(text)) return false;
    for (const char c : text) {
      if (c != '\n' && c != '\r') to += c;  // outside of strings, where they can only stand, they mean nothing
    }
    return true;
  }
  if (type_ == Type::boolean) {
    text = trim(text);
    const bool yes = is_one_of(text, {"true", "t", "yes", "y", "1"});
    if (!yes && !is_one_of(text, {"false", "f", "no", "n", "0"})) return false;
    to += yes ? "true" : "false";
    return true;
  }
  const auto number = lenient_number(text);
  if (number.empty()) return false;
  if (type_ == Type::integer && number.find_first_of(".eE") != std::string::npos) {
    double value = 0;
    if (!in_range(number, value) || value != std::trunc(value)) return false;
  }
  to += number;
  return true;
}

std::vector<Column> columns_of(const std::vector<std::string>& names, const std::optional<EmittedRecord>& record) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto place = "column " + std::to_string(i + 1);
    if (names[i].empty()) throw Rejected(place + " of the header has no name; the property columns can give it one");
    if (!is_utf8(names[i])) throw Rejected(place + " of the header is not UTF-8 (see the property encoding)");
    for (std::size_t j = 0; j < i; ++j) {
      if (names[j] == names[i])
        throw Rejected("columns " + std::to_string(j + 1) + " and " + std::to_string(i + 1) + " are both called '" +
                       names[i] + "'; the property columns can rename them");
    }
  }
  const auto listed = [](const auto& list, auto&& name) {
    std::string text;
    for (const auto& item : list) text += (text.empty() ? "" : ", ") + name(item);
    return text;
  };
  std::vector<Column> columns;
  for (const auto& name : names) {
    const EmittedField* declared = nullptr;
    if (record) {
      const auto at = std::find_if(record->fields.begin(), record->fields.end(),
                                   [&](const EmittedField& field) { return field.name == name; });
      if (at != record->fields.end()) declared = &*at;
      if (declared == nullptr && !record->extra_allowed)
        throw Rejected("the column '" + name + "' is not declared in the record " + record->name +
                       " (extra: fail); it has " + listed(record->fields, [](const auto& f) { return f.name; }));
    }
    columns.emplace_back(name, declared);
  }
  for (const auto& field : record ? record->fields : std::vector<EmittedField>()) {
    if (field.required && std::find(names.begin(), names.end(), field.name) == names.end())
      throw Rejected("there is no column '" + field.name + "', which the record " + record->name +
                     " requires; there are " + listed(names, [](const auto& n) { return n; }));
  }
  return columns;
}

}  // namespace weir::csv
