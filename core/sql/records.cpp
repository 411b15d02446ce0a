#include "sql/records.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace weir::sql {

namespace {

constexpr std::size_t kWindow = 64 * 1024;  // its text and its index stay in the second-level cache
constexpr int kSkipped = -1;
constexpr int kUndeclared = -2;

std::string_view trimmed(const char* from, const char* to) {
  while (from != to && is_space(*from)) ++from;
  while (from != to && is_space(to[-1])) --to;
  return {from, static_cast<std::size_t>(to - from)};
}

const char* find_newline(const char* from, const char* to) {
  return static_cast<const char*>(std::memchr(from, '\n', static_cast<std::size_t>(to - from)));
}

/// Whether a line that starts with this character continues the record of the line before.
bool continues_record(char c) {
  return is_space(c) || c == '}' || c == ']';
}

/// What a JSON value is that begins here, if it is no object; null: it is no JSON.
const char* kind_of(std::string_view text) {
  if (text.starts_with('"')) return "text";
  if (text.starts_with('[')) return "an array";
  const auto token = text.substr(0, text.find_first_of(" \t\r\n,:[]{}\""));
  if (token == "null") return "null";
  if (token == "true" || token == "false") return "a boolean";
  double number = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), number);
  const bool begins_well = !token.empty() && (token[0] == '-' || (token[0] >= '0' && token[0] <= '9'));
  return begins_well && error != std::errc::invalid_argument && end == token.data() + token.size() ? "a number"
                                                                                                   : nullptr;
}

}  // namespace

RecordReader::RecordReader(const std::vector<std::string>& fields, const std::vector<std::string>* known)
    : fields_(fields), strict_(known != nullptr), raw_(fields.size()) {
  if (known != nullptr) known_ = *known;
}

void RecordReader::open(std::string_view content) {
  begin_ = content.data();
  end_ = begin_ + content.size();
  if (content.starts_with("\xEF\xBB\xBF")) begin_ += 3;  // a byte order mark
  while (begin_ != end_ && is_space(*begin_)) ++begin_;
  next_ = begin_;
  careful_ = begin_;
  p_ = last_ = nullptr;
  index_ = static_cast<std::uint32_t>(-1);
  any_ = false;
  finished_ = false;
  array_ = begin_ != end_ && *begin_ == '[';
  form_ = array_ ? abi::Form::array : abi::Form::lines;
}

bool RecordReader::next() {
  if (finished_) return false;
  bad_ = false;
  ++index_;
  names_.reset();
  if (begin_ == end_) {
    form_ = abi::Form::object;
    finished_ = true;
    return fail({begin_, 0}, "the content is empty: there is no record in it");
  }
  return array_ ? next_in_array() : next_in_lines();
}

bool RecordReader::fail(std::string_view bytes, std::string message) {
  bad_ = true;
  json_ = bytes;
  error_ = std::move(message);
  return true;
}

/// The end of the record that starts at `from` if it turns out to be broken: its line, and the lines that go on in
/// the manner of an indented record.
const char* RecordReader::group_end(const char* from) const {
  for (const char* newline = find_newline(from, end_); newline != nullptr; newline = find_newline(newline + 1, end_)) {
    if (newline + 1 == end_ || !continues_record(newline[1])) return newline + 1;
  }
  return end_;
}

/// Indexes a window from `from` on. False: it is broken as a whole; error_ says how.
bool RecordReader::load(const char* from, std::size_t size) {
  const auto* problem = structure_.index({from, size});
  base_ = from;
  next_ = from + size;
  p_ = structure_.begin();
  last_ = structure_.end();
  if (problem == nullptr) return true;
  error_ = std::string("the record ") + problem;
  return false;
}

bool RecordReader::next_in_lines() {
  for (;;) {
    if (p_ == last_) {
      if (next_ == end_) return finished_ = true, false;
      const char* const from = next_;
      const char* to = end_;
      if (from < careful_) {
        to = group_end(from);
      } else if (static_cast<std::size_t>(end_ - from) > kWindow) {
        to = static_cast<const char*>(memrchr(from, '\n', kWindow));
        while (to != nullptr && continues_record(to[1])) {
          to = static_cast<const char*>(memrchr(from, '\n', static_cast<std::size_t>(to - from)));
        }
        to = to == nullptr ? group_end(from) : to + 1;
      }
      if (!load(from, static_cast<std::size_t>(to - from))) {
        p_ = last_ = nullptr;
        if (group_end(from) >= to) {
          if (from == begin_ && to == end_ && end_[-1] != '\n') form_ = abi::Form::object;
          return fail(trimmed(from, to), error_);
        }
        careful_ = to;
        next_ = from;
      }
      continue;
    }
    const char* const from = at(p_);
    auto p = p_;
    const auto result = walk(p);
    if (result == Walk::incomplete && next_ != end_) {
      // The record goes on behind the window: take a window that starts with it, twice as large.
      const auto size = std::max<std::size_t>(2 * static_cast<std::size_t>(next_ - from), kWindow);
      const auto rest = static_cast<std::size_t>(end_ - from);
      const char* to = size >= rest ? end_ : find_newline(from + size, end_);
      to = to == nullptr ? end_ : std::min(to + 1, end_);
      if (load(from, static_cast<std::size_t>(to - from))) continue;
      careful_ = to;  // broken somewhere: find out by lines where
      next_ = group_end(from);
      p_ = last_ = nullptr;
      return fail(trimmed(from, next_), error_);
    }
    if (result == Walk::done) {
      json_ = {from, static_cast<std::size_t>(at(p - 1) + 1 - from)};
      p_ = p;
      if (from == begin_ && json_.data() + json_.size() == end_) form_ = abi::Form::object;
      return true;
    }
    if (result == Walk::incomplete) error_ = "the record is cut off";
    const char* const stop = group_end(from);
    while (p_ != last_ && at(p_) < stop) ++p_;
    if (stop > next_) next_ = stop;
    if (from == begin_ && stop == end_ && end_[-1] != '\n') form_ = abi::Form::object;
    return fail(trimmed(from, stop), error_);
  }
}

bool RecordReader::next_in_array() {
  const auto rest = [this](const char* from) {
    finished_ = true;
    return trimmed(from, end_);
  };
  if (p_ == nullptr) {
    if (!load(begin_, static_cast<std::size_t>(end_ - begin_))) return fail(rest(begin_), error_);
    ++p_;
    if (p_ == last_) return fail(rest(begin_), "the array is cut off");
    if (*at(p_) == ']') {
      if (p_ + 1 == last_) return finished_ = true, false;
      return fail(rest(at(p_ + 1)), "there is more behind the array's end");
    }
  } else {
    // At the comma or bracket behind an element.
    if (p_ == last_) return fail(rest(end_), "the array is cut off");
    if (*at(p_) == ']') {
      if (p_ + 1 == last_) return finished_ = true, false;
      return fail(rest(at(p_ + 1)), "there is more behind the array's end");
    }
    if (*at(p_) != ',') return fail(rest(at(p_)), "a comma is missing between the array's elements");
    if (++p_ == last_) return fail(rest(end_), "the array is cut off");
  }
  const char* const from = at(p_);
  auto p = p_;
  const auto result = *from == '{' ? walk(p) : skip(p);
  if (result == Walk::done) {
    json_ = trimmed(from, p == last_ ? end_ : at(p));
    p_ = p;
    if (*from == '{') return true;
    const auto* const kind = kind_of(json_);
    if (kind == nullptr) return fail(rest(from), "there is no JSON value where an element of the array should be");
    return fail(json_, std::string("the record is ") + kind + ", not an object");
  }
  if (result == Walk::incomplete) error_ = "the array is cut off";
  return fail(rest(from), error_);
}

/// Goes over one value without looking into it.
RecordReader::Walk RecordReader::skip(Position& p) {
  const char first = *at(p);
  if (first != '{' && first != '[') {
    if (first == '}' || first == ']' || first == ',' || first == ':') {
      error_ = std::string("'") + first + "' stands where a value should be";
      return Walk::broken;
    }
    ++p;
    return Walk::done;
  }
  // One bit a level says whether it is an object, in words of 64 levels. A value may not follow a value: that is what
  // keeps a record that lost its end from swallowing the lines behind it.
  std::array<std::uint64_t, kMaxDepth / 64> objects{};
  std::size_t depth = 0;
  bool after_value = false;
  for (; p != last_; ++p) {
    const char c = *at(p);
    switch (c) {
      case '{':
      case '[':
        if (after_value) return error_ = "a comma is missing between two values", Walk::broken;
        if (++depth == kMaxDepth) return error_ = "the record is nested deeper than 1024 levels", Walk::broken;
        if (c == '{') {
          objects[depth / 64] |= 1ULL << depth % 64;
        } else {
          objects[depth / 64] &= ~(1ULL << depth % 64);
        }
        break;
      case '}':
      case ']': {
        const bool object = (objects[depth / 64] >> depth % 64 & 1U) != 0;
        if (object != (c == '}')) return error_ = "the record's brackets do not match", Walk::broken;
        after_value = true;
        if (--depth == 0) return ++p, Walk::done;
        break;
      }
      case ',':
      case ':':
        after_value = false;
        break;
      default:
        if (after_value) return error_ = "a comma is missing between two values", Walk::broken;
        after_value = true;
    }
  }
  return Walk::incomplete;
}

/// Goes over one object and notes the tokens of its members.
RecordReader::Walk RecordReader::walk(Position& p) {
  std::fill(raw_.begin(), raw_.end(), std::string_view());
  if (*at(p) != '{') {
    const auto* const kind = kind_of({at(p), end_});
    error_ = kind != nullptr ? std::string("the record is ") + kind + ", not an object" : "the record is not JSON";
    return Walk::broken;
  }
  if (++p == last_) return Walk::incomplete;
  if (*at(p) == '}') return ++p, Walk::done;
  for (std::size_t member = 0;; ++member) {
    // Behind the last position stand the text's size and more: p[1] and p[2] can be read, not used.
    if (*at(p) != '"') return error_ = "a member's name is missing", Walk::broken;
    if (last_ - p < 3) {
      if (last_ - p == 2 && *at(p + 1) != ':') return error_ = "a colon is missing behind a name", Walk::broken;
      return Walk::incomplete;
    }
    const char* const colon = at(p + 1);
    if (*colon != ':') return error_ = "a colon is missing behind a name", Walk::broken;
    auto& guess = guesses_[member % guesses_.size()];
    const int slot = guess.right(at(p) + 1) ? guess.slot : find(guess, at(p), colon);
    if (slot == kUndeclared) return Walk::broken;
    p += 2;
    const char* const value = at(p);
    const char c = *value;
    const char* stop = nullptr;
    if (c == '{' || c == '[') {
      if (const auto result = skip(p); result != Walk::done) return result;
      stop = at(p - 1) + 1;
      if (p == last_) return Walk::incomplete;
    } else {
      if (c == ',' || c == '}' || c == ']' || c == ':') return error_ = "a member has no value", Walk::broken;
      if (++p == last_) return Walk::incomplete;
      stop = at(p);
      while (is_space(stop[-1])) --stop;
    }
    if (slot >= 0) raw_[static_cast<std::size_t>(slot)] = {value, static_cast<std::size_t>(stop - value)};
    const char after = *at(p);
    ++p;
    if (after == '}') return Walk::done;
    if (after != ',') return error_ = "a comma is missing between two members", Walk::broken;
    if (p == last_) return Walk::incomplete;
  }
}

/// The slot of the member whose name starts at `quote`.
int RecordReader::find(Guess& guess, const char* quote, const char* colon) {
  const char* end = colon;
  while (is_space(end[-1])) --end;
  --end;  // the closing quote
  const std::string_view inside(quote + 1, static_cast<std::size_t>(end - quote - 1));
  std::string_view name;
  if (end <= quote || *end != '"' || !unescape(inside, names_, name)) {
    // Not a name at all; walk() finds out when it is one that matters, and nobody asked for this one.
    return kSkipped;
  }
  const int slot = look_up(name);
  if (slot == kUndeclared) {
    error_ = "field '" + excerpt(name) + "' is not declared, and undeclared fields are refused (extra: fail)";
    return slot;
  }
  if (inside.size() < sizeof guess.word && name.data() == inside.data()) {
    std::memset(guess.word, 0, sizeof guess.word);
    std::memset(guess.mask, 0, sizeof guess.mask);
    std::memcpy(guess.word, inside.data(), inside.size() + 1);
    std::memset(guess.mask, 0xFF, inside.size() + 1);
    guess.slot = slot;
  }
  return slot;
}

int RecordReader::look_up(std::string_view name) const {
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    if (fields_[i] == name) return static_cast<int>(i);
  }
  if (strict_ && std::find(known_.begin(), known_.end(), name) == known_.end()) return kUndeclared;
  return kSkipped;
}

}  // namespace weir::sql
