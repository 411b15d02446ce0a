#include "path_template.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace weir::file {

namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

bool reads_record(std::string_view word, bool called) {
  std::string lower(word);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (called) return lower == "field" || lower == "has";
  constexpr std::array<std::string_view, 17> kKeywords = {"and",  "or",   "not",     "null", "is",     "in",
                                                          "like", "case", "when",    "then", "else",   "end",
                                                          "as",   "text", "integer", "real", "between"};
  return std::find(kKeywords.begin(), kKeywords.end(), lower) == kKeywords.end();
}

/// Moves `at` behind the expression's closing parenthesis; true if it reads a field.
bool expression_reads_record(std::string_view text, std::size_t& at) {
  bool reads = false;
  for (int depth = 1; at < text.size() && depth > 0;) {
    const char c = text[at];
    if (c == '\'') {  // '' inside is read as two strings, which comes to the same
      at = std::min(text.find('\'', at + 1), text.size() - 1) + 1;
    } else if (c == '"' || c == '`' || c == '[') {
      reads = true;
      at = std::min(text.find(c == '[' ? ']' : c, at + 1), text.size() - 1) + 1;
    } else if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
      while (at < text.size() && (is_word(text[at]) || text[at] == '.')) ++at;
    } else if (c == ':') {  // a parameter
      for (++at; at < text.size() && is_word(text[at]);) ++at;
    } else if (is_word(c)) {
      const auto begin = at;
      while (at < text.size() && is_word(text[at])) ++at;
      const auto next = text.find_first_not_of(" \t\r\n", at);
      reads = reads_record(text.substr(begin, at - begin), next < text.size() && text[next] == '(') || reads;
    } else {
      depth += c == '(' ? 1 : c == ')' ? -1 : 0;
      ++at;
    }
  }
  return reads;
}

}  // namespace

PathTemplate inspect(std::string_view text) {
  PathTemplate result;
  auto at = text.find("$(");
  result.fixed = std::min(at, text.size());
  while (at != std::string_view::npos) {
    result.computed = true;
    at += 2;
    result.per_record = expression_reads_record(text, at) || result.per_record;
    at = text.find("$(", at);
  }
  return result;
}

}  // namespace weir::file
