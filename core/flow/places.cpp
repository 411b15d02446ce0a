// Where problems stand: reporting them with their line, and finding a byte of a decoded scalar in the source again.
#include <algorithm>
#include <cstddef>

#include "flow/yaml.h"

namespace weir::flow {

namespace {

bool blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int count_characters(std::string_view text) {
  return static_cast<int>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

/// How many characters to underline: the scalar as it stands on its first line.
int underline(std::string_view line, std::string_view from, const Node* node) {
  if (from.empty()) return 1;
  if (from[0] == '"' || from[0] == '\'') {
    const auto end = from.find(from[0], 1);
    const auto newline = from.find('\n');
    if (end != std::string_view::npos && end < newline) return count_characters(from.substr(0, end + 1));
    return count_characters(from.substr(0, std::min(newline, line.size())));
  }
  if (node != nullptr && node->is_scalar() && node->plain && from.starts_with(node->text))
    return std::max(1, count_characters(node->text));
  if (node == nullptr || !node->is_scalar()) {
    // A key, or whatever stands here up to the next separator.
    const auto end = std::min(from.find_first_of(" \t\r\n:,"), from.size());
    return std::max(1, count_characters(from.substr(0, end)));
  }
  return 1;
}

/// Bytes of the source that one escape sequence of a double-quoted scalar takes, the backslash included.
std::size_t escape_size(std::string_view from) {
  if (from.size() < 2) return 1;
  switch (from[1]) {
    case 'x':
      return 4;
    case 'u':
      return 6;
    case 'U':
      return 10;
    default:
      return 2;
  }
}

std::size_t character_bytes(std::string_view text, std::size_t i) {
  std::size_t size = 1;
  while (i + size < text.size() && (static_cast<unsigned char>(text[i + size]) & 0xC0U) == 0x80U) ++size;
  return size;
}

/// A block scalar's first line of text, past `|` or `>` and its indicators.
std::size_t block_start(std::string_view source, std::size_t begin) {
  const auto end = source.find('\n', begin);
  return end == std::string_view::npos ? source.size() : end + 1;
}

/// Past an escaped line end, and the next line's indentation, if they stand here: in the value they are nothing.
std::size_t past_line_escape(std::string_view source, std::size_t s) {
  const bool here = s + 1 < source.size() && source[s] == '\\' && (source[s + 1] == '\n' || source[s + 1] == '\r');
  return here ? std::min(source.find_first_not_of(" \t\r\n", s + 1), source.size()) : s;
}

/// Walks source and value side by side until `offset` bytes of the value are passed.
std::size_t align(std::string_view source, std::size_t s, std::string_view value, std::size_t offset, char quote) {
  std::size_t v = 0;
  while (v < offset && s < source.size()) {
    if (quote == '"' && source[s] == '\\') {
      if (const auto after = past_line_escape(source, s); after != s) {
        s = after;
        continue;
      }
      s += escape_size(source.substr(s));
      v += character_bytes(value, v);
    } else if (quote == '\'' && source.substr(s).starts_with("''")) {
      s += 2;
      ++v;
    } else if (source[s] == value[v] && source[s] != '\n') {
      ++s;
      ++v;
    } else if (blank(source[s]) || blank(value[v])) {
      // Indentation, or a line end that was folded: white space on both sides stands for one another.
      const auto before = v;
      while (v < offset && blank(value[v])) ++v;
      if (v == offset && before != v && !blank(value[v])) {
        while (s < source.size() && blank(source[s])) ++s;
        return s;
      }
      while (s < source.size() && blank(source[s])) ++s;
    } else {
      return s;  // source and value do not match: as near as it gets
    }
  }
  if (quote == '"' && v == offset) s = past_line_escape(source, s);
  while (quote == 0 && s < source.size() && blank(source[s]) && v < value.size() && !blank(value[v])) ++s;
  return s;
}

}  // namespace

std::size_t source_offset(const Source& source, const Node& scalar, std::size_t offset) {
  const std::string_view text = source.text();
  if (!scalar.is_scalar() || scalar.begin >= text.size()) return scalar.begin;
  const char first = text[scalar.begin];
  offset = std::min(offset, scalar.text.size());
  if (!scalar.plain && (first == '|' || first == '>')) {
    auto start = block_start(text, scalar.begin);
    if (!scalar.text.empty() && !blank(scalar.text[0]))
      start = std::min(text.find_first_not_of(" \t\r\n", start), text.size());
    return align(text, start, scalar.text, offset, 0);
  }
  if (!scalar.plain && (first == '"' || first == '\''))
    return align(text, scalar.begin + 1, scalar.text, offset, first);
  return align(text, scalar.begin, scalar.text, offset, 0);
}

Problem& Reporter::add(Severity severity, std::size_t begin, std::size_t via, std::string message,
                       std::string expected) const {
  Problem problem;
  problem.severity = severity;
  problem.mark = source_.mark(begin);
  problem.message = std::move(message);
  problem.expected = std::move(expected);
  problem.source = source_.line_at(begin);
  if (via != Node::kNowhere) problem.via = source_.mark(via);
  return problems_.emplace_back(std::move(problem));
}

void Reporter::error(const Node& at, std::string message, std::string expected, std::string nearest) const {
  auto& problem = add(Severity::error, at.begin, at.via, std::move(message), std::move(expected));
  problem.length = underline(problem.source,
                             std::string_view(source_.text()).substr(std::min(at.begin, source_.text().size())), &at);
  problem.nearest = std::move(nearest);
}

void Reporter::warning(const Node& at, std::string message, std::string expected, std::string nearest) const {
  error(at, std::move(message), std::move(expected), std::move(nearest));
  problems_.back().severity = Severity::warning;
}

void Reporter::error_inside(const Node& scalar, std::size_t offset, std::string message, std::string expected,
                            std::string nearest) const {
  const auto at = source_offset(source_, scalar, offset);
  add(Severity::error, at, scalar.via, std::move(message), std::move(expected)).nearest = std::move(nearest);
}

void Reporter::warning_inside(const Node& scalar, std::size_t offset, std::string message, std::string expected) const {
  error_inside(scalar, offset, std::move(message), std::move(expected));
  problems_.back().severity = Severity::warning;
}

void Reporter::error_at(std::size_t offset, std::string message, std::string expected) const {
  add(Severity::error, offset, Node::kNowhere, std::move(message), std::move(expected));
}

}  // namespace weir::flow
