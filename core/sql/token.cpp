#include "sql/token.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

namespace weir::sql {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Every power of ten that a double holds exactly.
constexpr std::array<double, 23> kPowersOfTen = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

bool hex4(const char* at, const char* end, unsigned& code) {
  if (end - at < 4) return false;
  const auto [stop, error] = std::from_chars(at, at + 4, code, 16);
  return error == std::errc{} && stop == at + 4;
}

char* append_utf8(char* to, unsigned code) {
  const auto byte = [&to](unsigned value) { *to++ = static_cast<char>(value); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0U | code >> 6);
    byte(0x80U | (code & 0x3FU));
  } else if (code < 0x10000) {
    byte(0xE0U | code >> 12);
    byte(0x80U | (code >> 6 & 0x3FU));
    byte(0x80U | (code & 0x3FU));
  } else {
    byte(0xF0U | code >> 18);
    byte(0x80U | (code >> 12 & 0x3FU));
    byte(0x80U | (code >> 6 & 0x3FU));
    byte(0x80U | (code & 0x3FU));
  }
  return to;
}

/// Bytes of the valid UTF-8 sequence at `at`; 0 if there is none (RFC 3629).
std::size_t utf8_length(const char* at, const char* end) {
  const auto byte = [&](std::ptrdiff_t i) { return i < end - at ? static_cast<unsigned char>(at[i]) : 0U; };
  const auto continues = [&](std::ptrdiff_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const auto first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first < 0xE0) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first < 0xF0) {
    if (!continues(1) || !continues(2)) return 0;
    if ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) >= 0xA0)) return 0;
    return 3;
  }
  if (first >= 0xF0 && first < 0xF5) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if ((first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) >= 0x90)) return 0;
    return 4;
  }
  return 0;
}

/// Checks JSON's grammar, iteratively: a depth bomb costs a bit a level.
class Grammar {
 public:
  explicit Grammar(std::string_view text) : at_(text.data()), end_(at_ + text.size()) {}

  bool valid() {
    space();
    if (!value()) return false;
    while (!in_object_.empty()) {
      space();
      if (at_ == end_) return false;
      const char c = *at_++;
      if (c == (in_object_.back() ? '}' : ']')) {
        in_object_.pop_back();
      } else if (c == ',') {
        space();
        if (!(in_object_.back() ? member() : value())) return false;
      } else {
        return false;
      }
    }
    space();
    return at_ == end_;
  }

 private:
  void space() {
    while (at_ != end_ && is_space(*at_)) ++at_;
  }
  bool word(std::string_view w) {
    if (static_cast<std::size_t>(end_ - at_) < w.size() || std::memcmp(at_, w.data(), w.size()) != 0) return false;
    at_ += w.size();
    return true;
  }
  bool string() {
    if (at_ == end_ || *at_++ != '"') return false;
    for (; at_ != end_; ++at_) {
      const auto c = static_cast<unsigned char>(*at_);
      if (c == '"') return ++at_, true;
      if (c < 0x20) return false;
      if (c != '\\') continue;
      if (++at_ == end_) return false;
      if (*at_ == 'u') {
        unsigned code = 0;
        if (!hex4(at_ + 1, end_, code)) return false;
        at_ += 4;
      } else if (std::strchr("\"\\/bfnrt", *at_) == nullptr || *at_ == '\0') {
        return false;
      }
    }
    return false;
  }
  bool number() {
    const char* from = at_;
    while (at_ != end_ && (is_digit(*at_) || std::strchr("+-.eE", *at_) != nullptr) && *at_ != '\0') ++at_;
    std::int64_t integer = 0;
    double real = 0;
    return parse_number({from, static_cast<std::size_t>(at_ - from)}, integer, real) != Number::invalid;
  }
  bool member() {
    if (!string()) return false;
    space();
    if (at_ == end_ || *at_++ != ':') return false;
    space();
    return value();
  }
  /// A whole scalar, or a container up to and including its first element.
  bool value() {
    for (;;) {
      if (at_ == end_) return false;
      switch (*at_) {
        case '{':
        case '[': {
          const bool object = *at_++ == '{';
          if (in_object_.size() == kMaxDepth) return false;
          in_object_.push_back(object);
          space();
          if (at_ == end_) return false;
          if (*at_ == (object ? '}' : ']')) return ++at_, in_object_.pop_back(), true;
          if (!object) continue;  // the first element is a value again
          if (!string()) return false;
          space();
          if (at_ == end_ || *at_++ != ':') return false;
          space();
          continue;
        }
        case '"':
          return string();
        case 't':
          return word("true");
        case 'f':
          return word("false");
        case 'n':
          return word("null");
        default:
          return number();
      }
    }
  }

  const char* at_;
  const char* end_;
  std::vector<bool> in_object_;
};

}  // namespace

std::string_view Arena::keep(std::string_view text) {
  if (text.empty()) return {};
  char* to = allocate(text.size());
  std::memcpy(to, text.data(), text.size());
  return {to, text.size()};
}

void Arena::grow(std::size_t size) {
  const auto block = std::max(size, kBlock);
  if (blocks_.empty() && block > kBlock) {
    blocks_.push_back(std::unique_ptr<char[]>(new char[kBlock]));  // the first block is always of the common size
  }
  blocks_.push_back(std::unique_ptr<char[]>(new char[block]));
  next_ = blocks_.back().get();
  end_ = next_ + block;
}

Number parse_number(std::string_view token, std::int64_t& integer, double& real) {
  const char* at = token.data();
  const char* const end = at + token.size();
  const bool negative = at != end && *at == '-';
  if (negative) ++at;
  if (at == end || !is_digit(*at)) return Number::invalid;
  std::uint64_t mantissa = 0;
  const char* const digits = at;
  if (*at == '0') {
    ++at;
  } else {
    while (at != end && is_digit(*at)) mantissa = mantissa * 10 + static_cast<std::uint64_t>(*at++ - '0');
  }
  auto count = at - digits;
  if (at == end) {
    if (count < 19 || (count == 19 && mantissa <= static_cast<std::uint64_t>(INT64_MAX) + (negative ? 1 : 0))) {
      integer = negative ? static_cast<std::int64_t>(0 - mantissa) : static_cast<std::int64_t>(mantissa);
      real = static_cast<double>(integer);
      return Number::integer;
    }
    return std::from_chars(token.data(), end, real).ec == std::errc{} ? Number::big : Number::overflow;
  }
  std::int64_t exponent = 0;
  if (*at == '.') {
    const char* const fraction = ++at;
    while (at != end && is_digit(*at)) mantissa = mantissa * 10 + static_cast<std::uint64_t>(*at++ - '0');
    if (at == fraction) return Number::invalid;
    exponent = fraction - at;
    count += at - fraction;
  }
  if (at != end && (*at == 'e' || *at == 'E')) {
    ++at;
    const bool down = at != end && *at == '-';
    if (at != end && (*at == '-' || *at == '+')) ++at;
    if (at == end || !is_digit(*at)) return Number::invalid;
    std::int64_t power = 0;
    for (; at != end && is_digit(*at); ++at) power = std::min<std::int64_t>(power * 10 + (*at - '0'), 1'000'000);
    exponent += down ? -power : power;
  }
  if (at != end) return Number::invalid;
  // Clinger's fast path: both operands are exact doubles, so one division or multiplication rounds once.
  if (count <= 19 && mantissa <= 1ULL << 53 && exponent >= -22 && exponent <= 22) {
    const auto value = static_cast<double>(mantissa);
    const auto scale = kPowersOfTen[static_cast<std::size_t>(exponent < 0 ? -exponent : exponent)];
    real = exponent < 0 ? value / scale : value * scale;
    if (negative) real = -real;
    return Number::real;
  }
  if (std::from_chars(token.data(), end, real).ec == std::errc{}) return Number::real;
  if (mantissa != 0 && exponent > 0) return Number::overflow;
  real = negative ? -0.0 : 0.0;  // too small for a double, or a zero with an absurd exponent
  return exponent > 0 && count > 19 ? Number::overflow : Number::real;
}

bool unescape(std::string_view inside, Arena& arena, std::string_view& decoded) {
  const char* at = inside.data();
  const char* const end = at + inside.size();
  const auto* escape = static_cast<const char*>(std::memchr(at, '\\', inside.size()));
  if (escape == nullptr) return decoded = inside, true;
  char* const start = arena.allocate(inside.size());  // no escape is longer decoded
  char* to = start;
  while (escape != nullptr) {
    std::memcpy(to, at, static_cast<std::size_t>(escape - at));
    to += escape - at;
    at = escape + 1;
    if (at == end) return false;
    switch (*at++) {
      case '"':
        *to++ = '"';
        break;
      case '\\':
        *to++ = '\\';
        break;
      case '/':
        *to++ = '/';
        break;
      case 'b':
        *to++ = '\b';
        break;
      case 'f':
        *to++ = '\f';
        break;
      case 'n':
        *to++ = '\n';
        break;
      case 'r':
        *to++ = '\r';
        break;
      case 't':
        *to++ = '\t';
        break;
      case 'u': {
        unsigned code = 0;
        if (!hex4(at, end, code)) return false;
        at += 4;
        if (code >= 0xDC00 && code < 0xE000) return false;
        if (code >= 0xD800 && code < 0xDC00) {
          unsigned low = 0;
          if (end - at < 6 || at[0] != '\\' || at[1] != 'u' || !hex4(at + 2, end, low)) return false;
          if (low < 0xDC00 || low >= 0xE000) return false;
          at += 6;
          code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        }
        to = append_utf8(to, code);
        break;
      }
      default:
        return false;
    }
    escape = static_cast<const char*>(std::memchr(at, '\\', static_cast<std::size_t>(end - at)));
  }
  std::memcpy(to, at, static_cast<std::size_t>(end - at));
  to += end - at;
  decoded = {start, static_cast<std::size_t>(to - start)};
  arena.give_back(inside.size() - decoded.size());
  return true;
}

std::string excerpt(std::string_view token) {
  constexpr std::size_t kLongest = 40;
  if (token.size() <= kLongest) return std::string(token);
  auto cut = kLongest;
  while (cut > 0 && (static_cast<unsigned char>(token[cut]) & 0xC0U) == 0x80U) --cut;
  return std::string(token.substr(0, cut)) + "…";
}

void append_quoted(std::string& to, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  to += '"';
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    const char* plain = at;
    while (at != end && static_cast<unsigned char>(*at) >= 0x20 && static_cast<unsigned char>(*at) < 0x80 &&
           *at != '"' && *at != '\\') {
      ++at;
    }
    to.append(plain, at);
    if (at == end) break;
    const auto c = static_cast<unsigned char>(*at);
    if (c >= 0x80) {
      const auto length = utf8_length(at, end);
      if (length == 0) {
        to += "\xEF\xBF\xBD";
        ++at;
      } else {
        to.append(at, length);
        at += length;
      }
      continue;
    }
    ++at;
    to += '\\';
    switch (c) {
      case '"':
      case '\\':
        to += static_cast<char>(c);
        break;
      case '\n':
        to += 'n';
        break;
      case '\r':
        to += 'r';
        break;
      case '\t':
        to += 't';
        break;
      case '\b':
        to += 'b';
        break;
      case '\f':
        to += 'f';
        break;
      default:
        to += "u00";
        to += kHex[c >> 4];
        to += kHex[c & 0xFU];
    }
  }
  to += '"';
}

void append_real(std::string& to, double value) {
  std::array<char, 32> buffer{};
  const auto* const end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  const std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  to += text;
  if (text.find_first_of(".e") == std::string_view::npos) to += ".0";
}

bool is_json(std::string_view text) {
  return Grammar(text).valid();
}

}  // namespace weir::sql
