#pragma once
// JSON tokens: the raw text of one value, and what it means.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::sql {

/// Text that lives until reset(): the decoded strings of one record.
class Arena {
 public:
  char* allocate(std::size_t size) {
    if (size > static_cast<std::size_t>(end_ - next_)) grow(size);
    return std::exchange(next_, next_ + size);
  }
  /// Gives `size` bytes of the last allocation back.
  void give_back(std::size_t size) { next_ -= size; }
  std::string_view keep(std::string_view text);
  void reset() {
    if (blocks_.size() > 1) blocks_.erase(blocks_.begin() + 1, blocks_.end()), end_ = blocks_[0].get() + kBlock;
    next_ = blocks_.empty() ? nullptr : blocks_[0].get();
  }

 private:
  static constexpr std::size_t kBlock = 16 * 1024;
  void grow(std::size_t size);
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* next_ = nullptr;
  char* end_ = nullptr;
};

enum class Number {
  integer,   ///< fits 64 bits; both results are set
  big,       ///< an integer beyond 64 bits; `real` is the nearest double
  real,      ///< has a fraction or an exponent
  overflow,  ///< beyond the range of a double
  invalid,   ///< no JSON number
};

/// Reads a JSON number, exactly rounded. The whole token has to be one.
Number parse_number(std::string_view token, std::int64_t& integer, double& real);

/// Decodes the inside of a JSON string whose UTF-8 is known to be valid. Without escapes the result is `inside`
/// itself. False: an escape that JSON does not have, or half of a surrogate pair.
bool unescape(std::string_view inside, Arena& arena, std::string_view& decoded);

/// The start of `token`, cut to a length that fits into an error message.
std::string excerpt(std::string_view token);

/// Appends `text` as a JSON string. What is not UTF-8 becomes U+FFFD.
void append_quoted(std::string& to, std::string_view text);

/// Appends the shortest decimal that reads back as `value`, always with a fraction or an exponent. Finite values only.
void append_real(std::string& to, double value);

/// Whether `text` is exactly one JSON value (surrounded by white space at most), no deeper than kMaxDepth. Checks
/// everything but UTF-8.
bool is_json(std::string_view text);

/// How deep records may nest.
inline constexpr std::size_t kMaxDepth = 1024;

inline bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

}  // namespace weir::sql
