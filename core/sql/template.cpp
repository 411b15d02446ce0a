#include "sql/template.h"

#include <algorithm>

#include "sql/rewrite.h"

namespace weir::sql {

namespace {

void append_percent(std::string& to, char c) {
  constexpr char kHex[] = "0123456789ABCDEF";
  to += '%';
  to += kHex[static_cast<unsigned char>(c) >> 4];
  to += kHex[static_cast<unsigned char>(c) & 0xFU];
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Appends all characters, those in `reserved` and control characters as %XX; the first also if it is in `at_front`.
void append_escaped(std::string& to, std::string_view value, std::string_view reserved, std::string_view at_front) {
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    const bool escape = is_control(c) || reserved.find(c) != std::string_view::npos ||
                        (i == 0 && at_front.find(c) != std::string_view::npos);
    if (escape) {
      append_percent(to, c);
    } else {
      to += c;
    }
  }
}

/// The parenthesis that closes the one before `at`; quotes and comments of SQL are stepped over.
std::size_t closing(std::string_view text, std::size_t at) {
  int open = 1;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '\'' || c == '"' || c == '`') {
      at = text.find(c, at + 1);
      if (at == std::string_view::npos) return at;
    } else if (c == '-' && text.substr(at, 2) == "--") {
      at = text.find('\n', at);
      if (at == std::string_view::npos) return at;
    } else if (c == '/' && text.substr(at, 2) == "/*") {
      at = text.find("*/", at + 2);
      if (at == std::string_view::npos) return at;
      ++at;
    } else if (c == '(') {
      ++open;
    } else if (c == ')' && --open == 0) {
      return at;
    }
    ++at;
  }
  return std::string_view::npos;
}

}  // namespace

std::vector<TemplatePart> parse_template(std::string_view text) {
  std::vector<TemplatePart> parts;
  std::size_t done = 0;
  const auto add_text = [&](std::size_t end) {
    if (end > done) parts.push_back({std::string(text.substr(done, end - done)), false, done});
  };
  for (std::size_t at = text.find("$("); at != std::string_view::npos; at = text.find("$(", at)) {
    if (at > done && text[at - 1] == '$') {
      add_text(at - 1);
      done = at;
      at += 2;
      continue;
    }
    const auto end = closing(text, at + 2);
    if (end == std::string_view::npos) throw SqlProblem{"$( is not closed by a parenthesis", at};
    add_text(at);
    parts.push_back({std::string(text.substr(at + 2, end - at - 2)), true, at + 2});
    at = done = end + 1;
  }
  add_text(text.size());
  return parts;
}

const char* append_encoded(std::string& to, std::string_view value, abi::Encoding encoding) {
  switch (encoding) {
    case abi::Encoding::none:
      to += value;
      return nullptr;
    case abi::Encoding::path_segment:
      if (value.empty()) return "is empty, which no file or folder can be called";
      if (value.size() > 255) return "is longer than the 255 bytes that a file's name can have";
      append_escaped(to, value, "/\\%", ".");
      return nullptr;
    case abi::Encoding::url_segment:
      if (value.empty()) return "is empty, which no part of a URL's path can be";
      if (value.find_first_not_of('.') == std::string_view::npos)
        return "is only dots, which a URL takes for a way upwards";
      for (char c : value) {
        if (is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '~') {
          to += c;
        } else {
          append_percent(to, c);
        }
      }
      return nullptr;
    case abi::Encoding::header:
      if (std::any_of(value.begin(), value.end(), is_control)) return "has a line break or another control character";
      to += value;
      return nullptr;
    case abi::Encoding::identifier:
      if (value.empty() || is_digit(value[0]) || value.size() > 63)
        return "is no identifier: 1 to 63 letters, digits and _ are";
      if (!std::all_of(value.begin(), value.end(), [](char c) { return is_letter(c) || is_digit(c); })) {
        return "is no identifier: it may have only letters, digits and _";
      }
      to += value;
      return nullptr;
    case abi::Encoding::topic_level:
      if (value.empty()) return "is empty, which no level of a topic should be";
      append_escaped(to, value, "/+#%", "$");
      return nullptr;
  }
  return nullptr;
}

}  // namespace weir::sql
