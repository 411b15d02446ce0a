#pragma once
// Reads a record strictly: every byte of it is checked, and the tokens of the fields asked for are found on the way.
//
//   JsonObject object({"sensor_id", "temperature"});
//   if (!object.read(json)) reject(object.error());
//   object.raw(1);  // 80.10
//
// What is checked: RFC 8259 and UTF-8. Header-only, because plugins share it and link to nothing of Weir's.

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

namespace detail {

/// Walks over JSON text. Every function returns false, with `error` set, where the text is not what it should be.
class JsonWalker {
 public:
  static constexpr int kMaxDepth = 1024;

  explicit JsonWalker(std::string_view text) : begin_(text.data()), p_(text.data()), end_(text.data() + text.size()) {}

  const char* error = nullptr;
  const char* position() const { return p_; }
  std::size_t offset() const { return static_cast<std::size_t>(p_ - begin_); }
  bool at_end() const { return p_ == end_; }
  char peek() const { return p_ == end_ ? '\0' : *p_; }

  bool fail(const char* why) {
    if (error == nullptr) error = why;
    return false;
  }
  void space() {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\r' || *p_ == '\t')) ++p_;
  }
  bool expect(char c, const char* why) {
    if (p_ == end_ || *p_ != c) return fail(why);
    ++p_;
    return true;
  }

  bool value(int depth = 0) {
    if (p_ == end_) return fail("the text ends where a value should be");
    switch (*p_) {
      case '"':
        return string();
      case '{':
        return object(depth);
      case '[':
        return array(depth);
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

  /// At a quote. Ends behind the closing one.
  bool string() {
    ++p_;
    while (true) {
      while (end_ - p_ >= 8) {  // eight plain characters at once
        std::uint64_t word = 0;
        std::memcpy(&word, p_, 8);
        if (special(word)) break;
        p_ += 8;
      }
      if (p_ == end_) return fail("a string is not closed");
      const auto c = static_cast<unsigned char>(*p_);
      if (c == '"') return ++p_, true;
      if (c < 0x20) return fail("a control character in a string is not escaped");
      if (c == '\\') {
        if (!escape()) return false;
      } else if (c < 0x80) {
        ++p_;
      } else if (!utf8()) {
        return false;
      }
    }
  }

 private:
  /// Whether one of eight characters is a quote, a backslash, a control character or not ASCII.
  static bool special(std::uint64_t word) {
    constexpr std::uint64_t kOnes = 0x0101010101010101U;
    constexpr std::uint64_t kHigh = 0x8080808080808080U;
    const auto zero = [](std::uint64_t x) { return (x - kOnes) & ~x & kHigh; };
    return ((word & kHigh) | zero(word ^ (kOnes * '"')) | zero(word ^ (kOnes * '\\')) |
            ((word - kOnes * 0x20) & ~word & kHigh)) != 0;
  }
  static bool digit(char c) { return c >= '0' && c <= '9'; }

  bool word(std::string_view expected) {
    if (static_cast<std::size_t>(end_ - p_) < expected.size() || std::string_view(p_, expected.size()) != expected)
      return fail("neither a value nor true, false or null");
    p_ += expected.size();
    return true;
  }

  bool number() {
    const char* from = p_;
    if (p_ != end_ && *p_ == '-') ++p_;
    if (p_ == end_ || !digit(*p_)) return p_ = from, fail("no value");
    if (*p_ == '0') {
      ++p_;
      if (p_ != end_ && digit(*p_)) return fail("a number begins with a needless 0");
    } else {
      digits();
    }
    if (p_ != end_ && *p_ == '.') {
      ++p_;
      if (!digits()) return fail("a number has no digit after its point");
    }
    if (p_ != end_ && (*p_ == 'e' || *p_ == 'E')) {
      ++p_;
      if (p_ != end_ && (*p_ == '+' || *p_ == '-')) ++p_;
      if (!digits()) return fail("a number has no digit in its exponent");
    }
    return true;
  }
  bool digits() {
    const char* from = p_;
    while (p_ != end_ && digit(*p_)) ++p_;
    return p_ != from;
  }

  int hex4(const char* from) const {
    if (end_ - from < 4) return -1;
    int result = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = from[i];
      const int value = digit(c)               ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (value < 0) return -1;
      result = result * 16 + value;
    }
    return result;
  }

  bool escape() {
    if (end_ - p_ < 2) return fail("a string is not closed");
    const char c = p_[1];
    if (c != 'u') {
      if (std::strchr("\"\\/bfnrt", c) == nullptr || c == '\0') return fail("an escape that JSON does not have");
      p_ += 2;
      return true;
    }
    const int first = hex4(p_ + 2);
    if (first < 0) return fail("\\u without four hexadecimal digits");
    if (first >= 0xdc00 && first <= 0xdfff) return fail("half of a surrogate pair");
    p_ += 6;
    if (first < 0xd800 || first > 0xdbff) return true;
    if (end_ - p_ < 6 || p_[0] != '\\' || p_[1] != 'u') return fail("half of a surrogate pair");
    const int second = hex4(p_ + 2);
    if (second < 0xdc00 || second > 0xdfff) return fail("half of a surrogate pair");
    p_ += 6;
    return true;
  }

  /// One character beyond ASCII: the ranges of The Unicode Standard, table 3-7.
  bool utf8() {
    const auto byte = [this](int i) { return p_ + i < end_ ? static_cast<unsigned char>(p_[i]) : 0U; };
    const auto next = [&](int i) { return (byte(i) & 0xc0U) == 0x80U; };
    const unsigned a = byte(0);
    const unsigned b = byte(1);
    int size = 0;
    if (a >= 0xc2 && a <= 0xdf && next(1)) size = 2;
    if (a >= 0xe0 && a <= 0xef && next(1) && next(2) && !(a == 0xe0 && b < 0xa0) && !(a == 0xed && b > 0x9f)) size = 3;
    if (a >= 0xf0 && a <= 0xf4 && next(1) && next(2) && next(3) && !(a == 0xf0 && b < 0x90) && !(a == 0xf4 && b > 0x8f))
      size = 4;
    if (size == 0) return fail("the text is not UTF-8");
    p_ += size;
    return true;
  }

  bool object(int depth) {
    if (depth >= kMaxDepth) return fail("nested deeper than 1024 levels");
    ++p_;
    space();
    if (peek() == '}') return ++p_, true;
    while (true) {
      if (peek() != '"') return fail("a member's name is missing");
      if (!string()) return false;
      space();
      if (!expect(':', "no colon behind a member's name")) return false;
      space();
      if (!value(depth + 1)) return false;
      space();
      if (peek() == '}') return ++p_, true;
      if (!expect(',', "neither a comma nor a closing brace behind a member")) return false;
      space();
    }
  }

  bool array(int depth) {
    if (depth >= kMaxDepth) return fail("nested deeper than 1024 levels");
    ++p_;
    space();
    if (peek() == ']') return ++p_, true;
    while (true) {
      if (!value(depth + 1)) return false;
      space();
      if (peek() == ']') return ++p_, true;
      if (!expect(',', "neither a comma nor a closing bracket behind an element")) return false;
      space();
    }
  }

  const char* begin_;
  const char* p_;
  const char* end_;
};

}  // namespace detail

/// Decodes a JSON string that was checked, without its quotes.
inline std::string decode_json_string(std::string_view inside) {
  std::string text;
  const auto hex = [&](std::size_t at) {
    unsigned value = 0;
    for (const char c : inside.substr(at, 4))
      value = value * 16 + static_cast<unsigned>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    return value;
  };
  for (std::size_t i = 0; i < inside.size(); ++i) {
    if (inside[i] != '\\') {
      text += inside[i];
      continue;
    }
    const char c = inside[++i];
    if (c != 'u') {
      constexpr std::string_view kLetters = "bfnrt";
      const auto at = kLetters.find(c);
      text += at == std::string_view::npos ? c : "\b\f\n\r\t"[at];
      continue;
    }
    auto code = hex(i + 1);
    i += 4;
    if (code >= 0xd800 && code <= 0xdbff) {
      code = 0x10000 + ((code - 0xd800) << 10) + (hex(i + 3) - 0xdc00);
      i += 6;
    }
    const auto put = [&text](unsigned value) { text += static_cast<char>(value); };
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xc0 | code >> 6), put(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
      put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
    } else {
      put(0xf0 | code >> 18), put(0x80 | (code >> 12 & 0x3f)), put(0x80 | (code >> 6 & 0x3f)),
          put(0x80 | (code & 0x3f));
    }
  }
  return text;
}

/// One record after another. Not thread-safe.
class JsonObject {
 public:
  static constexpr std::size_t kUnknown = ~std::size_t{0};

  /// The fields whose tokens are wanted.
  explicit JsonObject(std::vector<std::string> names = {}) : names_(std::move(names)), raw_(names_.size()) {}

  /// Reads one object, with nothing but white space around it. False: it is none; error() says why and where.
  bool read(std::string_view text) {
    for (auto& raw : raw_) raw = {};
    unknown_ = {};
    members_ = 0;
    detail::JsonWalker walker(text);
    if (walk(walker)) return true;
    error_ = std::string(walker.error) + ", at byte " + std::to_string(walker.offset());
    return false;
  }
  const std::string& error() const { return error_; }

  /// The token of names[slot], without space around it; empty if it is missing. The last of several wins.
  std::string_view raw(std::size_t slot) const { return raw_[slot]; }
  /// The first member that is not among the names, as it stands inside its quotes; nothing if there is none.
  std::string_view unknown() const { return unknown_; }
  std::size_t members() const { return members_; }
  const std::vector<std::string>& names() const { return names_; }

  /// The names of all members of an object that was checked, in their order, each once.
  static std::vector<std::string> names_of(std::string_view text) {
    std::vector<std::string> names;
    detail::JsonWalker walker(text);
    JsonObject none;
    none.collect_ = &names;
    none.walk(walker);
    return names;
  }

 private:
  bool walk(detail::JsonWalker& walker) {
    walker.space();
    if (!walker.expect('{', "a record is a JSON object")) return false;
    walker.space();
    if (walker.peek() == '}') {
      walker.expect('}', "");
    } else {
      while (true) {
        if (walker.peek() != '"') return walker.fail("a member's name is missing");
        const char* quote = walker.position();
        if (!walker.string()) return false;
        const std::string_view name(quote + 1, static_cast<std::size_t>(walker.position() - quote) - 2);
        walker.space();
        if (!walker.expect(':', "no colon behind a member's name")) return false;
        walker.space();
        const char* from = walker.position();
        if (!walker.value(1)) return false;
        member(name, {from, static_cast<std::size_t>(walker.position() - from)});
        walker.space();
        if (walker.peek() == '}') {
          walker.expect('}', "");
          break;
        }
        if (!walker.expect(',', "neither a comma nor a closing brace behind a member")) return false;
        walker.space();
      }
    }
    walker.space();
    return walker.at_end() || walker.fail("something follows the record");
  }

  void member(std::string_view name, std::string_view token) {
    const auto n = members_++;
    if (collect_ != nullptr) {
      auto text = decode_json_string(name);
      for (const auto& known : *collect_) {
        if (known == text) return;
      }
      collect_->push_back(std::move(text));
      return;
    }
    // Records of one origin have their members in the same order: what the n-th was last time is tried first.
    if (n >= guesses_.size()) guesses_.resize(n + 1, kUnknown);
    auto slot = guesses_[n];
    if (slot == kUnknown || names_[slot] != name) {
      slot = find(name);
      guesses_[n] = slot;
    }
    if (slot != kUnknown) {
      raw_[slot] = token;
    } else if (unknown_.data() == nullptr) {
      unknown_ = name;
    }
  }

  std::size_t find(std::string_view name) const {
    if (name.find('\\') != std::string_view::npos) {
      const auto decoded = decode_json_string(name);
      return find_decoded(decoded);
    }
    return find_decoded(name);
  }
  std::size_t find_decoded(std::string_view name) const {
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (names_[i] == name) return i;
    }
    return kUnknown;
  }

  std::vector<std::string> names_;
  std::vector<std::string_view> raw_;
  std::vector<std::size_t> guesses_;
  std::vector<std::string>* collect_ = nullptr;
  std::string_view unknown_;
  std::size_t members_ = 0;
  std::string error_;
};

}  // namespace weir
