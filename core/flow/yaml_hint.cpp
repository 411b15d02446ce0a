#include "flow/yaml_hint.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace weir::flow {

namespace {

constexpr auto kNone = std::string_view::npos;
constexpr std::size_t kNear = 10;  ///< lines above in which the cause is looked for; further up it would be a guess

/// A line as far as YAML reads it: without its comment, with the brackets of its flow maps and lists counted.
struct Line {
  std::size_t number = 0;  ///< from 1
  std::string_view text;
  bool open_quote = false;    ///< a quote is opened and not closed
  int opened = 0;             ///< more brackets are opened than closed
  bool substitution = false;  ///< ${ or $( outside of quotes, inside of brackets
  bool cut = false;           ///< a comment begins inside of brackets

  std::size_t indentation() const { return std::min(text.find_first_not_of(' '), text.size()); }
  std::string_view trimmed() const {
    const auto first = text.find_first_not_of(" \t\r");
    return first == kNone ? std::string_view() : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
  }
};

Line read_line(std::string_view text, std::size_t number) {
  Line line{.number = number, .text = text};
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const char before = i == 0 ? ' ' : text[i - 1];
    if (quote != 0) {
      if (quote == '"' && c == '\\') {
        ++i;
      } else if (c == quote) {
        quote = 0;
      }
    } else if ((c == '"' || c == '\'') && (before == ' ' || before == '{' || before == '[' || before == ',')) {
      quote = c;
    } else if (c == '#' && before == ' ') {
      line.cut = line.opened > 0;
      line.text = text.substr(0, i);
      break;
    } else if (c == '$' && i + 1 < text.size() && (text[i + 1] == '{' || text[i + 1] == '(')) {
      line.substitution = line.substitution || line.opened > 0;
      if (text[i + 1] == '{') i = std::min(text.find('}', i), text.size() - 1);
    } else if (c == '{' || c == '[') {
      ++line.opened;
    } else if (c == '}' || c == ']') {
      --line.opened;
    }
  }
  line.open_quote = quote != 0;
  return line;
}

std::vector<Line> lines_up_to(const Source& source, std::size_t offset) {
  std::vector<Line> lines;
  const std::string_view text = source.text();
  for (std::size_t at = 0; at <= offset && at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    auto line = read_line(text.substr(at, end - at), lines.size() + 1);
    lines.push_back(line);
    at = end + 1;
  }
  std::erase_if(lines, [](const Line& line) { return line.trimmed().empty(); });
  if (lines.size() > kNear) lines.erase(lines.begin(), lines.end() - kNear);
  return lines;
}

/// A flow map or list, or a quoted text, runs on to where it cannot.
std::string unclosed(const std::vector<Line>& lines) {
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    if (line->substitution)
      return fmt::format(R"~(quotes around $… in line {}: inside of {{ }} and [ ] write "${{name}}" and "$(sql)")~",
                         line->number);
    if (line->open_quote) return fmt::format("the quote that is opened in line {} to be closed there", line->number);
    if (line->cut)
      return fmt::format("quotes around text that holds ' #' in line {}: there it begins a comment", line->number);
    if (line->opened > 0) return fmt::format("what is opened in line {} to be closed", line->number);
  }
  return {};
}

/// A `:` where no name may end.
std::string misplaced_colon(const std::vector<Line>& lines) {
  const auto& line = lines.back();
  if (const auto first = line.text.find(": "); first != kNone && line.text.find(": ", first + 2) != kNone)
    return "quotes around a value that holds ': '";
  if (lines.size() < 2) return {};
  const auto& above = lines[lines.size() - 2];
  const auto name = above.trimmed();
  if (const auto colon = name.find(':'); name.find(": ") == kNone && colon != kNone && colon + 1 < name.size() &&
                                         name.substr(0, colon).find_first_of(" '\"{[") == kNone)
    return fmt::format("a space after '{}' in line {}", name.substr(0, colon + 1), above.number);
  if (name.find(':') == kNone && !name.starts_with('-'))
    return fmt::format("'{}:' in line {}: a name ends with a colon", name, above.number);
  if (line.indentation() > above.indentation() && !name.ends_with(':'))
    return fmt::format("the indentation of line {}, whose value is complete", above.number);
  return {};
}

}  // namespace

std::string yaml_hint(const Source& source, std::size_t offset, std::string_view message) {
  const auto shown = source.line_at(offset);
  if (const auto first = shown.find_first_not_of(' '); first != kNone && shown[first] == '\t')
    return "spaces: YAML does not allow tabs as indentation";
  const auto lines = lines_up_to(source, offset);
  if (lines.empty()) return {};
  if (message.find("flow not found") != kNone || message.find("EOF") != kNone || message.find("flow end") != kNone)
    return unclosed(lines);
  if (message == "illegal map value") return misplaced_colon(lines);
  return {};
}

}  // namespace weir::flow
