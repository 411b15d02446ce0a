#include "json_scanner.h"

#include <algorithm>

#include "line_cutter.h"
#include "weir/errors.h"

namespace weir::file {

namespace {

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

}  // namespace

ArrayScanner::Step ArrayScanner::next(std::string_view block, std::size_t from) {
  for (auto at = from; at < block.size(); ++at) {
    if (state_ == State::value) return in_value(block, at);
    const char c = block[at];
    if (is_space(c)) continue;
    switch (state_) {
      case State::start:
        if (c != '[') return broken("is no JSON array: it does not begin with '['", at);
        state_ = State::first;
        break;
      case State::after:
        if (c == ',') {
          state_ = State::element;
          break;
        }
        if (c != ']') return broken("is broken: ',' or ']' must follow an element", at);
        state_ = State::closed;
        return {Event::closed, at + 1};
      case State::first:
        if (c == ']') {
          state_ = State::closed;
          return {Event::closed, at + 1};
        }
        [[fallthrough]];
      case State::element:
        if (c == ',' || c == ']' || c == '}' || c == ':') return broken("is broken: an element is missing", at);
        state_ = State::value;
        depth_ = 0;
        in_string_ = escaped_ = false;
        scalar_ = c != '{' && c != '[' && c != '"';
        return {Event::begin, at};
      case State::closed:
        return broken("has bytes after the end of its array", at);
      case State::value:
        break;
    }
  }
  return {Event::more, block.size()};
}

ArrayScanner::Step ArrayScanner::in_value(std::string_view block, std::size_t at) {
  for (; at < block.size(); ++at) {
    const char c = block[at];
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
        if (depth_ == 0) {
          state_ = State::after;
          return {Event::end, at + 1};
        }
      }
      continue;
    }
    switch (c) {
      case '"':
        if (depth_ == 0 && scalar_) return broken("is broken: a string begins inside a number or literal", at);
        in_string_ = true;
        break;
      case '{':
      case '[':
        if (depth_ == 0 && scalar_) return broken("is broken: a bracket opens inside a number or literal", at);
        if (depth_ == kDeepest) return broken("is nested deeper than 1,024 brackets", at);
        is_object_[depth_++] = c == '{';
        break;
      case '}':
      case ']':
        if (depth_ == 0) {  // only behind a scalar; its own array's end is seen again by next()
          state_ = State::after;
          return {Event::end, at};
        }
        if (is_object_[--depth_] != (c == '}')) return broken("is broken: a bracket closes that was not opened", at);
        if (depth_ == 0) {
          state_ = State::after;
          return {Event::end, at + 1};
        }
        break;
      default:
        if (depth_ == 0 && (c == ',' || is_space(c))) {
          state_ = State::after;
          return {Event::end, at};
        }
    }
  }
  return {Event::more, block.size()};
}

void append_as_line(std::string& to, std::string_view record) {
  const auto is_end = [](char c) { return c == '\n' || c == '\r'; };
  while (!record.empty()) {
    const auto end = std::find_if(record.begin(), record.end(), is_end);
    to.append(record.data(), static_cast<std::size_t>(end - record.begin()));
    record.remove_prefix(static_cast<std::size_t>(end - record.begin()));
    while (!record.empty() && is_space(record.front())) record.remove_prefix(1);
  }
  to += '\n';
}

void append_records(std::string& to, std::string_view content, ContentForm form) {
  if (form == ContentForm::object) return append_as_line(to, content);
  ArrayScanner scanner;
  std::size_t at = 0;
  std::size_t begin = 0;
  while (true) {
    const auto step = scanner.next(content, at);
    at = step.position;
    if (step.event == ArrayScanner::Event::begin) begin = at;
    if (step.event == ArrayScanner::Event::end) append_as_line(to, content.substr(begin, at - begin));
    if (step.event == ArrayScanner::Event::broken)
      throw Rejected(std::string("the content ") + scanner.what() + ", at byte " + std::to_string(at));
    if (step.event == ArrayScanner::Event::more) break;
  }
  if (!scanner.closed()) throw Rejected("the content ends inside its array");
}

ContentForm form_of(std::string_view content) {
  while (!content.empty() && is_space(content.front())) content.remove_prefix(1);
  if (content.empty()) return ContentForm::empty;
  const auto trimmed = [](std::string_view line) {
    while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
    while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
    return line;
  };
  if (content.front() == '[') {
    // One array, or lines that are arrays: the first line then ends with its bracket and something follows.
    const auto line = first_line(content);
    const auto rest = trimmed(content.substr(line.size()));
    const bool line_is_whole = trimmed(line).back() == ']' && !rest.empty() && rest.front() == '[';
    return line_is_whole ? ContentForm::lines : ContentForm::array;
  }
  if (content.front() != '{') return ContentForm::lines;
  for (auto rest = content; !rest.empty();) {
    const auto whole = first_line(rest);
    const auto line = trimmed(whole);
    rest.remove_prefix(whole.size());
    if (!line.empty() && (line.front() != '{' || line.back() != '}')) return ContentForm::object;
  }
  return ContentForm::lines;
}

}  // namespace weir::file
