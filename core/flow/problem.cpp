#include "flow/problem.h"

#include <fmt/core.h>

namespace weir::flow {

namespace {

std::string place(const Mark& mark) {
  if (mark.line == 0) return mark.file;
  return fmt::format("{}:{}:{}", mark.file, mark.line, mark.column);
}

std::string headline(const Problem& problem) {
  const auto where = place(problem.mark);
  return fmt::format("{}{}{}: {}", where, where.empty() ? "" : ": ",
                     problem.severity == Severity::error ? "error" : "warning", problem.message);
}

// A line that is too long for a screen is shown from a little before the column on.
constexpr int kWidth = 120;

struct Excerpt {
  std::string text;
  int column;  // of the mark, within text, from 0
};

/// The characters of a line of UTF-8, tabs as spaces, so that one character is one column.
std::vector<std::string> characters(const std::string& line) {
  std::vector<std::string> result;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const bool continues = (static_cast<unsigned char>(line[i]) & 0xC0U) == 0x80U;
    if (continues && !result.empty()) {
      result.back() += line[i];
    } else {
      const bool control = static_cast<unsigned char>(line[i]) < 0x20U || line[i] == 0x7F;
      result.emplace_back(1, control ? ' ' : line[i]);
    }
  }
  return result;
}

Excerpt excerpt(const std::string& line, int column) {
  const auto all = characters(line);
  const int size = static_cast<int>(all.size());
  const int first = column > kWidth * 2 / 3 ? column - kWidth / 3 : 0;
  Excerpt result{first > 0 ? "…" : "", column - 1 - first + (first > 0 ? 1 : 0)};
  for (int i = first; i < size && i < first + kWidth; ++i) result.text += all[static_cast<std::size_t>(i)];
  if (first + kWidth < size) result.text += "…";
  return result;
}

}  // namespace

std::string to_string(const Problem& problem) {
  auto text = headline(problem);
  if (!problem.nearest.empty()) {
    text += fmt::format("; did you mean '{}'?", problem.nearest);
  } else if (!problem.expected.empty()) {
    text += "; expected " + problem.expected;
  }
  if (problem.via.line != 0) text += fmt::format(" (through the alias at {})", place(problem.via));
  return text;
}

std::string to_text(const Problem& problem) {
  auto text = headline(problem) + "\n";
  std::string gutter = "      ";
  if (problem.mark.line != 0 && !problem.source.empty()) {
    const auto shown = excerpt(problem.source, problem.mark.column);
    const auto left = std::max(0, shown.column);
    const auto room = std::max(1, kWidth - left);
    text += fmt::format("{:5} | {}\n", problem.mark.line, shown.text);
    text += fmt::format("{}| {}^{}\n", gutter, std::string(static_cast<std::size_t>(left), ' '),
                        std::string(static_cast<std::size_t>(std::min(room, std::max(1, problem.length)) - 1), '~'));
  }
  if (!problem.nearest.empty()) text += fmt::format("{}= did you mean '{}'?\n", gutter, problem.nearest);
  if (!problem.expected.empty()) text += fmt::format("{}= expected {}\n", gutter, problem.expected);
  if (problem.via.line != 0) text += fmt::format("{}= reached through the alias at {}\n", gutter, place(problem.via));
  return text;
}

}  // namespace weir::flow
