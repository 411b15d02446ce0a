#include "sql/output.h"

#include <stdexcept>

#include "sql/token.h"

namespace weir::sql {

namespace {

/// The end of the string whose opening quote is at `at`.
std::size_t string_end(std::string_view text, std::size_t at) {
  for (++at; text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return at + 1;
}

/// The end of the value at `at`, in text that is known to be JSON.
std::size_t value_end(std::string_view text, std::size_t at) {
  if (text[at] == '"') return string_end(text, at);
  int depth = 0;
  while (at < text.size()) {
    switch (text[at]) {
      case '"':
        at = string_end(text, at);
        continue;
      case '{':
      case '[':
        ++depth;
        break;
      case '}':
      case ']':
        if (depth == 0) return at;
        if (--depth == 0) return at + 1;
        break;
      case ',':
      case ' ':
      case '\n':
      case '\r':
      case '\t':
        if (depth == 0) return at;
        break;
      default:
        break;
    }
    ++at;
  }
  return at;
}

/// Calls visit(key, value) for each member of an object that is known to be JSON.
template <class F>
void each_member(std::string_view object, F&& visit) {
  std::size_t at = object.find('{') + 1;
  const auto space = [&] {
    while (is_space(object[at])) ++at;
  };
  space();
  while (object[at] != '}') {
    const auto key = at;
    at = string_end(object, at);
    const auto key_end = at;
    space();
    ++at;  // the colon
    space();
    const auto value = at;
    at = value_end(object, at);
    visit(object.substr(key, key_end - key), object.substr(value, at - value));
    space();
    if (object[at] != ',') return;
    ++at;
    space();
  }
}

void check(std::string_view object) {
  const auto first = object.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || object[first] != '{' || !is_json(object)) {
    throw std::runtime_error("the record is not valid JSON");
  }
}

std::string_view decoded(std::string_view key, Arena& arena) {
  std::string_view name;
  if (!unescape(key.substr(1, key.size() - 2), arena, name)) throw std::runtime_error("a member's name is not valid");
  return name;
}

}  // namespace

std::vector<Member> members_of(std::string_view object) {
  check(object);
  std::vector<Member> members;
  Arena arena;
  each_member(object, [&](std::string_view key, std::string_view value) {
    members.push_back({std::string(decoded(key, arena)), key, value});
  });
  return members;
}

void append_edited(std::string& to, std::string_view object, const std::vector<Edit>& edits) {
  check(object);
  struct Place {
    std::string_view key;
    std::string_view value;
    const Edit* edit = nullptr;
  };
  thread_local std::vector<Place> places;
  thread_local Arena arena;
  places.clear();
  arena.reset();
  bool removal = false;
  std::vector<bool> placed(edits.size(), false);
  each_member(object, [&](std::string_view key, std::string_view value) { places.push_back({key, value, nullptr}); });
  for (auto place = places.rbegin(); place != places.rend(); ++place) {
    const auto name = decoded(place->key, arena);
    for (std::size_t i = 0; i < edits.size(); ++i) {
      if (edits[i].name != name || (placed[i] && !edits[i].remove)) continue;
      place->edit = &edits[i];
      placed[i] = true;
      removal = removal || edits[i].remove;
    }
  }
  const char* done = object.data();
  const char* const end = object.data() + object.size();
  bool any = false;  // a member has been written
  if (!removal) {
    for (const auto& place : places) {
      any = true;
      if (place.edit == nullptr) continue;
      to.append(done, place.value.data());
      to += place.edit->value;
      done = place.value.data() + place.value.size();
    }
  } else {
    // A removed member goes with the comma and the space before the next one; the last with those before it.
    const char* behind = done + object.find('{') + 1;
    to.append(done, behind);
    done = behind;
    for (std::size_t i = 0; i < places.size(); ++i) {
      const auto& place = places[i];
      const char* const from = i == 0 ? place.key.data() : done;
      const char* const stop = place.value.data() + place.value.size();
      if (place.edit != nullptr && place.edit->remove) {
        done = stop;
        continue;
      }
      if (i == 0 || any) {
        to.append(i == 0 ? done : from, place.key.data());
      } else {
        to.append(behind, places[0].key.data());  // it comes first now: the space that stood before the first
      }
      if (place.edit != nullptr) {
        to.append(place.key.data(), place.value.data());
        to += place.edit->value;
      } else {
        to.append(place.key.data(), stop);
      }
      any = true;
      done = stop;
    }
  }
  std::string added;
  for (std::size_t i = 0; i < edits.size(); ++i) {
    if (placed[i] || edits[i].remove) continue;
    if (any) added += ',';
    append_quoted(added, edits[i].name);
    added += ':';
    added += edits[i].value;
    any = true;
  }
  if (added.empty()) {
    to.append(done, end);
    return;
  }
  // New members follow the last one; the white space before the bracket stays before the bracket.
  const char* last =
      places.empty() ? object.data() + object.find('{') + 1 : places.back().value.data() + places.back().value.size();
  if (done < last) to.append(done, last);
  to += added;
  to.append(last, end);
}

}  // namespace weir::sql
