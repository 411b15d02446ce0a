#include "json_scanner.h"

#include <bit>
#include <cstring>

namespace weir::json {

namespace {

constexpr std::uint64_t kMaxName = 1024 * 1024;

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// A byte's high bit is set where it ends a run of plain ASCII inside a string: quote, backslash, control or not ASCII.
/// (SWAR: only the lowest set bit is exact, and only it is used.)
std::uint64_t special_bytes(std::uint64_t word) {
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  constexpr std::uint64_t kHigh = 0x8080808080808080U;
  const auto zero_bytes = [](std::uint64_t x) { return (x - kOnes) & ~x & kHigh; };
  return zero_bytes(word ^ (kOnes * '"')) | zero_bytes(word ^ (kOnes * '\\')) |
         ((word - kOnes * 0x20) & ~word & kHigh) | (word & kHigh);
}

}  // namespace

void JsonScanner::resume(std::uint64_t offset, std::string_view containers) {
  offset_ = offset;
  containers_ = containers;
  state_ = containers_.empty() ? State::document : State::comma_or_close;
}

std::uint64_t JsonScanner::read(std::string_view piece) {
  const char* at = piece.data();
  const char* const end = at + piece.size();
  const auto piece_offset = offset_;
  bool go_on = true;
  while (at != end && go_on) {
    offset_ = piece_offset + static_cast<std::uint64_t>(at - piece.data());
    const char c = *at;
    switch (state_) {
      case State::string:
        at = string(at, end);
        if (at == end) break;
        offset_ = piece_offset + static_cast<std::uint64_t>(at - piece.data());
        ++at;
        if (state_ == State::string) go_on = end_string();
        break;
      case State::escape:
        escape(c), ++at;
        break;
      case State::unicode:
        unicode(c), ++at;
        break;
      case State::surrogate:
      case State::surrogate_u:
        if (c != (state_ == State::surrogate ? '\\' : 'u'))
          unexpected(c, "the second half of a surrogate pair (\\uDC00 to \\uDFFF)");
        state_ = state_ == State::surrogate ? State::surrogate_u : State::unicode;
        digits_ = 0, code_unit_ = 0, ++at;
        break;
      case State::minus:
      case State::zero:
      case State::integer:
      case State::point:
      case State::fraction:
      case State::exponent:
      case State::exponent_sign:
      case State::exponent_digits:
        if (number(c)) {
          ++at;
        } else {
          go_on = end_value(offset_);  // c belongs to what follows
        }
        break;
      case State::literal:
        if (c != literal_.front()) unexpected(c, "true, false or null");
        literal_.remove_prefix(1), ++at;
        if (literal_.empty()) go_on = end_value(offset_ + 1);
        break;
      default:
        ++at;
        if (is_space(c)) break;
        if (state_ == State::value || state_ == State::document) {
          begin_value(c);
        } else if (state_ == State::value_or_close) {
          if (c == ']') {
            go_on = close(c);
          } else {
            begin_value(c);
          }
        } else if (state_ == State::comma_or_close) {
          if (c == ',') {
            state_ = containers_.back() == '{' ? State::name : State::value;
          } else if (c == '}' || c == ']') {
            go_on = close(c);
          } else {
            unexpected(c, containers_.back() == '{' ? "',' or '}'" : "',' or ']'");
          }
        } else if (state_ == State::colon) {
          if (c != ':') unexpected(c, "':'");
          state_ = State::value;
        } else if (c == '"') {
          is_name_ = true, keep_name_ = reported();
          name_.clear();
          state_ = State::string;
        } else if (c == '}' && state_ == State::name_or_close) {
          go_on = close(c);
        } else {
          unexpected(c, state_ == State::name ? "a name in quotes" : "a name in quotes or '}'");
        }
    }
  }
  offset_ = piece_offset + static_cast<std::uint64_t>(at - piece.data());
  return static_cast<std::uint64_t>(at - piece.data());
}

bool JsonScanner::finish() {
  const bool whole_number = state_ == State::zero || state_ == State::integer || state_ == State::fraction ||
                            state_ == State::exponent_digits;
  bool go_on = true;
  if (whole_number && containers_.empty()) go_on = end_value(offset_);
  if (state_ != State::document) fail("the text ends inside of a value");
  return go_on;
}

void JsonScanner::begin_value(char c) {
  const auto scalar = [&](ValueKind kind, State state) {
    if (reported()) events_.begin(depth(), kind, offset_);
    state_ = state;
  };
  switch (c) {
    case '{':
      return open(c, ValueKind::object);
    case '[':
      return open(c, ValueKind::array);
    case '"':
      is_name_ = false, keep_name_ = false;
      return scalar(ValueKind::string, State::string);
    case '-':
      return scalar(ValueKind::number, State::minus);
    case '0':
      return scalar(ValueKind::number, State::zero);
    case 't':
      literal_ = "rue";
      return scalar(ValueKind::boolean, State::literal);
    case 'f':
      literal_ = "alse";
      return scalar(ValueKind::boolean, State::literal);
    case 'n':
      literal_ = "ull";
      return scalar(ValueKind::null, State::literal);
    default:
      if (!is_digit(c)) unexpected(c, "a value");
      scalar(ValueKind::number, State::integer);
  }
}

void JsonScanner::open(char bracket, ValueKind kind) {
  if (containers_.size() >= kMaxDepth) fail("nested deeper than " + std::to_string(kMaxDepth) + " levels");
  if (reported()) events_.begin(depth(), kind, offset_);
  containers_ += bracket;
  state_ = bracket == '{' ? State::name_or_close : State::value_or_close;
}

bool JsonScanner::close(char bracket) {
  const char expected = containers_.back() == '{' ? '}' : ']';
  if (bracket != expected) unexpected(bracket, std::string("'") + expected + "'");
  containers_.pop_back();
  return end_value(offset_ + 1);
}

bool JsonScanner::end_value(std::uint64_t offset) {
  state_ = containers_.empty() ? State::document : State::comma_or_close;
  if (containers_.empty()) ++documents_;
  return reported() ? events_.end(depth(), offset) : true;
}

bool JsonScanner::end_string() {
  if (!is_name_) return end_value(offset_ + 1);
  state_ = State::colon;
  if (keep_name_) events_.name(depth(), name_);
  return true;
}

/// Up to the closing quote or a backslash (then the state is `escape`), or the end of the piece.
const char* JsonScanner::string(const char* at, const char* end) {
  const char* const start = at;
  while (at != end) {
    if (continuation_ == 0) {
      while (end - at >= 8) {
        std::uint64_t word;
        std::memcpy(&word, at, 8);
        if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
        const auto special = special_bytes(word);
        at += special == 0 ? 8 : std::countr_zero(special) / 8;
        if (special != 0) break;
      }
      while (at != end && static_cast<unsigned char>(*at) >= 0x20 && static_cast<unsigned char>(*at) < 0x80 &&
             *at != '"' && *at != '\\')
        ++at;
      if (at == end) break;
      if (*at == '"' || *at == '\\') break;
    }
    const auto byte = static_cast<unsigned char>(*at);
    if (byte < 0x20) {
      offset_ += static_cast<std::uint64_t>(at - start);
      fail("a control character inside of a string");
    }
    const auto before = offset_;
    offset_ += static_cast<std::uint64_t>(at - start);
    utf8(byte);
    offset_ = before;
    ++at;
  }
  if (keep_name_ && is_name_) {
    if (name_.size() + static_cast<std::size_t>(at - start) > kMaxName) fail("a name of more than 1 MiB");
    name_.append(start, at);
  }
  if (at != end && *at == '\\') state_ = State::escape;
  return at;
}

void JsonScanner::utf8(unsigned char c) {
  if (continuation_ > 0) {
    if (c < lowest_ || c > highest_) fail("invalid UTF-8");
    lowest_ = 0x80, highest_ = 0xbf;
    --continuation_;
    return;
  }
  // Unicode 15, table 3-7: no overlong forms, no surrogates, nothing beyond U+10FFFF.
  if (c < 0xc2 || c > 0xf4) fail("invalid UTF-8");
  continuation_ = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
  lowest_ = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
  highest_ = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
}

void JsonScanner::escape(char c) {
  constexpr std::string_view kEscapes = "\"\\/bfnrt";
  constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  state_ = State::string;
  if (c == 'u') {
    state_ = State::unicode;
    digits_ = 0, code_unit_ = 0, high_surrogate_ = 0;
    return;
  }
  const auto which = kEscapes.find(c);
  if (which == std::string_view::npos) unexpected(c, "one of \" \\ / b f n r t u after a backslash");
  if (keep_name_ && is_name_) name_ += kMeanings[which];
}

void JsonScanner::unicode(char c) {
  const int digit = is_digit(c)            ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
  if (digit < 0) unexpected(c, "four hexadecimal digits after \\u");
  code_unit_ = code_unit_ * 16 + static_cast<std::uint32_t>(digit);
  if (++digits_ < 4) return;
  const bool high = code_unit_ >= 0xd800 && code_unit_ <= 0xdbff;
  const bool low = code_unit_ >= 0xdc00 && code_unit_ <= 0xdfff;
  if (low != (high_surrogate_ != 0)) fail("half a surrogate pair in \\u escapes");
  if (high) {
    high_surrogate_ = code_unit_;
    state_ = State::surrogate;
    return;
  }
  append_code_point(low ? 0x10000 + ((high_surrogate_ - 0xd800) << 10) + (code_unit_ - 0xdc00) : code_unit_);
  high_surrogate_ = 0;
  state_ = State::string;
}

void JsonScanner::append_code_point(std::uint32_t code_point) {
  if (!keep_name_ || !is_name_) return;
  const auto byte = [&](std::uint32_t value) { name_ += static_cast<char>(value); };
  if (code_point < 0x80) {
    byte(code_point);
  } else if (code_point < 0x800) {
    byte(0xc0 | code_point >> 6), byte(0x80 | (code_point & 0x3f));
  } else if (code_point < 0x10000) {
    byte(0xe0 | code_point >> 12), byte(0x80 | (code_point >> 6 & 0x3f)), byte(0x80 | (code_point & 0x3f));
  } else {
    byte(0xf0 | code_point >> 18), byte(0x80 | (code_point >> 12 & 0x3f)), byte(0x80 | (code_point >> 6 & 0x3f)),
        byte(0x80 | (code_point & 0x3f));
  }
}

/// True if c belongs to the number; false if the number is complete before it.
bool JsonScanner::number(char c) {
  const bool digit = is_digit(c);
  const bool exponent = c == 'e' || c == 'E';
  switch (state_) {
    case State::minus:
      if (!digit) unexpected(c, "a digit");
      return state_ = c == '0' ? State::zero : State::integer, true;
    case State::zero:
    case State::integer:
      if (digit && state_ == State::integer) return true;
      if (digit) unexpected(c, "no digit after a leading 0");
      if (c == '.') return state_ = State::point, true;
      if (exponent) return state_ = State::exponent, true;
      return false;
    case State::point:
      if (!digit) unexpected(c, "a digit");
      return state_ = State::fraction, true;
    case State::fraction:
      if (exponent) return state_ = State::exponent, true;
      return digit;
    case State::exponent:
      if (c == '+' || c == '-') return state_ = State::exponent_sign, true;
      [[fallthrough]];
    case State::exponent_sign:
      if (!digit) unexpected(c, "a digit");
      return state_ = State::exponent_digits, true;
    default:
      return digit;
  }
}

void JsonScanner::fail(std::string_view what) const {
  throw InvalidJson("no JSON: " + std::string(what) + ", at byte " + std::to_string(offset_));
}

void JsonScanner::unexpected(char c, std::string_view expected) const {
  std::string found = "'" + std::string(1, c) + "'";
  const auto byte = static_cast<unsigned char>(c);
  if (byte < 0x20 || byte > 0x7e) {
    constexpr char kHex[] = "0123456789abcdef";
    found = std::string("the byte 0x") + kHex[byte >> 4] + kHex[byte & 15];
  }
  fail("expected " + std::string(expected) + ", not " + found);
}

}  // namespace weir::json
