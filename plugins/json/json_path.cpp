#include "json_path.h"

#include <algorithm>
#include <charconv>

#include "weir/errors.h"

namespace weir::json {

namespace {

class PathReader {
 public:
  explicit PathReader(std::string_view text) : text_(text) {}

  std::vector<PathStep> pointer() {
    std::vector<PathStep> steps;
    while (!done()) {
      if (next() != '/') fail("a JSON Pointer begins with '/', a JSONPath with '$'", 1);
      std::string token;
      while (!done() && peek() != '/') {
        const char c = next();
        if (c != '~') {
          token += c;
          continue;
        }
        if (done() || (peek() != '0' && peek() != '1')) fail("after '~' comes 0 (for ~) or 1 (for /)");
        token += next() == '0' ? '~' : '/';
      }
      PathStep step;
      const bool canonical = !token.empty() && (token == "0" || token[0] != '0');
      if (canonical && std::all_of(token.begin(), token.end(), is_digit)) step.index = number(token);
      step.name = std::move(token);
      steps.push_back(std::move(step));
    }
    return steps;
  }

  std::vector<PathStep> jsonpath() {
    std::vector<PathStep> steps;
    next();
    while (!done()) {
      const char c = next();
      if (c == '.') {
        steps.push_back(after_dot());
      } else if (c == '[') {
        steps.push_back(bracket());
        if (done() || next() != ']') fail("expected ']'", done() ? 0 : 1);
      } else {
        fail("expected '.' or '['", 1);
      }
    }
    return steps;
  }

 private:
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  static bool is_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' || is_digit(c) ||
           static_cast<unsigned char>(c) >= 0x80;
  }

  PathStep after_dot() {
    PathStep step;
    if (!done() && peek() == '.') fail("'..' is not supported: name every step, or use [*] for all of one level");
    if (!done() && peek() == '*') {
      next();
      step.any = true;
      return step;
    }
    std::string name;
    while (!done() && is_name(peek())) name += next();
    if (name.empty()) fail("expected a name (other characters than letters, digits, _ and - go in ['…'])");
    step.name = std::move(name);
    return step;
  }

  PathStep bracket() {
    PathStep step;
    if (done()) fail("expected *, an index or a name in quotes");
    const char c = peek();
    if (c == '*') {
      next();
      step.any = true;
    } else if (c == '\'' || c == '"') {
      step.name = quoted();
    } else if (is_digit(c)) {
      const auto begin = at_;
      while (!done() && is_digit(peek())) next();
      step.index = number(text_.substr(begin, at_ - begin));
      if (!done() && (peek() == ':' || peek() == ','))
        fail("slices and unions are not supported: use [*] or one index");
    } else if (c == '?') {
      fail("filters are not supported: split, and put a Filter behind");
    } else if (c == '-') {
      fail("indexes count from the start, 0 being the first");
    } else if (c == ':') {
      fail("slices and unions are not supported: use [*] or one index");
    } else {
      fail("expected *, an index or a name in quotes");
    }
    return step;
  }

  std::string quoted() {
    std::string name;
    const char quote = next();
    while (true) {
      if (done()) fail("the name's closing quote is missing");
      char c = next();
      if (c == quote) return name;
      if (c == '\\') {
        if (done()) fail("the name's closing quote is missing");
        c = next();
      }
      name += c;
    }
  }

  std::uint64_t number(std::string_view digits) {
    std::uint64_t value = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ec != std::errc{})
      fail("the index is too large");
    return value;
  }

  bool done() const { return at_ == text_.size(); }
  char peek() const { return text_[at_]; }
  char next() { return text_[at_++]; }
  /// `back`: how many characters ago the trouble began.
  [[noreturn]] void fail(const std::string& what, std::size_t back = 0) const {
    throw Misconfigured("path '" + std::string(text_) + "', column " + std::to_string(at_ - back + 1) + ": " + what);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

bool JsonPath::definite() const {
  return std::none_of(steps.begin(), steps.end(), [](const PathStep& step) { return step.any; });
}

std::string JsonPath::upto(std::size_t count) const {
  std::string path = "$";
  for (std::size_t i = 0; i < count; ++i) {
    const auto& step = steps[i];
    if (step.any) {
      path += "[*]";
    } else if (step.index) {
      path += "[" + std::to_string(*step.index) + "]";
    } else {
      path += "['" + *step.name + "']";
    }
  }
  return path;
}

JsonPath parse_path(std::string_view text) {
  PathReader reader(text);
  JsonPath path;
  path.text = text;
  path.steps = text.starts_with('$') ? reader.jsonpath() : reader.pointer();
  if (path.steps.size() >= 1000) throw Misconfigured("path: more than 1000 steps");
  return path;
}

}  // namespace weir::json
