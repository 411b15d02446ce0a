#include "json_text.h"

#include <algorithm>
#include <charconv>

#include "weir/json.h"

namespace weir::http {
namespace {

using weir::detail::JsonWalker;

/// The token that begins where the walker is.
std::string_view token(JsonWalker& walker) {
  const char* from = walker.position();
  walker.value();
  return {from, static_cast<std::size_t>(walker.position() - from)};
}

/// Calls visit(name inside its quotes, value) for each member; false ends it.
template <class F>
void each_member(std::string_view text, F&& visit) {
  JsonWalker walker(text);
  walker.space();
  walker.expect('{', "");
  for (walker.space(); walker.peek() == '"'; walker.space()) {
    const auto name = token(walker);
    walker.space();
    walker.expect(':', "");
    walker.space();
    if (!visit(name.substr(1, name.size() - 2), token(walker))) return;
    walker.space();
    if (walker.peek() != ',') return;
    walker.expect(',', "");
  }
}

std::string unescape(std::string_view step) {
  std::string text;
  for (std::size_t i = 0; i < step.size(); ++i) {
    const bool escape = step[i] == '~' && i + 1 < step.size();
    text += !escape ? step[i] : step[++i] == '1' ? '/' : '~';
  }
  return text;
}

std::optional<std::string_view> member(std::string_view text, const std::string& name) {
  std::optional<std::string_view> found;  // the last of several
  each_member(text, [&](std::string_view raw, std::string_view value) {
    if (raw.find('\\') == std::string_view::npos ? raw == name : decode_json_string(raw) == name) found = value;
    return true;
  });
  return found;
}

std::optional<std::string_view> element(std::string_view text, const std::string& step) {
  std::size_t wanted = 0;
  const auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), wanted);
  if (error != std::errc{} || end != step.data() + step.size()) return std::nullopt;
  if (step.size() > 1 && step[0] == '0') return std::nullopt;
  std::optional<std::string_view> found;
  std::size_t index = 0;
  json_elements(text, [&](std::string_view value) {
    if (index++ == wanted) found = value;
  });
  return found;
}

/// Some write a byte-order mark before it, which a reader may ignore (RFC 8259).
std::string_view without_mark(std::string_view text) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  if (text.starts_with(kMark)) text.remove_prefix(kMark.size());
  return text;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

}  // namespace

std::string json_error(std::string_view text) {
  JsonWalker walker(without_mark(text));
  walker.space();
  bool good = walker.value();
  walker.space();
  good = good && (walker.at_end() || walker.fail("something follows the value"));
  return good ? std::string() : std::string(walker.error) + ", at byte " + std::to_string(walker.offset());
}

std::string pointer_error(std::string_view pointer) {
  if (!pointer.empty() && pointer[0] != '/') return "a JSON Pointer begins with /";
  for (auto at = pointer.find('~'); at != std::string_view::npos; at = pointer.find('~', at + 1)) {
    if (at + 1 == pointer.size() || (pointer[at + 1] != '0' && pointer[at + 1] != '1'))
      return "in a JSON Pointer, ~ is written ~0 and / in a name ~1";
  }
  return {};
}

std::optional<std::string_view> json_at(std::string_view text, std::string_view pointer) {
  std::optional<std::string_view> at = trimmed(without_mark(text));
  while (at && !pointer.empty()) {
    pointer.remove_prefix(1);
    const auto step = unescape(pointer.substr(0, pointer.find('/')));
    pointer.remove_prefix(std::min(pointer.find('/'), pointer.size()));
    at = at->starts_with('{') ? member(*at, step) : at->starts_with('[') ? element(*at, step) : std::nullopt;
  }
  return at;
}

bool json_elements(std::string_view text, const std::function<void(std::string_view)>& visit) {
  JsonWalker walker(text);
  walker.space();
  if (walker.peek() != '[') return false;
  walker.expect('[', "");
  for (walker.space(); walker.peek() != ']'; walker.space()) {
    visit(token(walker));
    walker.space();
    if (walker.peek() != ',') break;
    walker.expect(',', "");
  }
  return true;
}

std::optional<std::string> json_scalar(std::string_view value) {
  value = trimmed(value);
  if (value.empty() || value[0] == '{' || value[0] == '[' || value == "null") return std::nullopt;
  return value[0] == '"' ? decode_json_string(value.substr(1, value.size() - 2)) : std::string(value);
}

void append_on_one_line(std::string& to, std::string_view value) {
  // A line break inside a string is escaped: those that are left stand between parts.
  while (!value.empty()) {
    const auto line = value.substr(0, value.find_first_of("\r\n"));
    value.remove_prefix(line.size());
    to += line;
    if (value.empty()) return;
    const auto next = std::min(value.find_first_not_of(" \t\r\n"), value.size());
    value.remove_prefix(next);
    to.erase(to.find_last_not_of(" \t") + 1);
  }
}

std::string json_string(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (byte < 0x20) {
      quoted += "\\u00";
      quoted += kHex[byte >> 4];
      quoted += kHex[byte & 15];
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string with_member(std::string_view object, std::string_view name, std::string_view value) {
  object = trimmed(object);
  if (const auto old = member(object, std::string(name))) {
    const auto at = static_cast<std::size_t>(old->data() - object.data());
    return std::string(object.substr(0, at)) + std::string(value) + std::string(object.substr(at + old->size()));
  }
  const auto inside = trimmed(object.substr(1, object.size() - 2));
  std::string text(object.substr(0, object.size() - 1));
  if (!inside.empty()) text += ',';
  return text + json_string(name) + ':' + std::string(value) + '}';
}

}  // namespace weir::http
