#pragma once
// The structure of JSON text: simdjson's first stage, which finds every bracket, colon, comma and start of a scalar,
// and checks UTF-8, in one pass of vector instructions.

#include <cstdint>
#include <memory>
#include <string_view>

namespace weir::sql {

/// Positions of the structural characters of one piece of text. Reuses its memory from one piece to the next.
class Structure {
 public:
  Structure();
  ~Structure();
  Structure(Structure&&) noexcept;
  Structure& operator=(Structure&&) noexcept;

  /// Indexes `text` (below 4 GiB). Returns null, or what is wrong with the text as a whole.
  const char* index(std::string_view text);

  /// Offsets into the text, ascending; behind the last stand two more that equal the text's size.
  const std::uint32_t* begin() const { return begin_; }
  const std::uint32_t* end() const { return end_; }

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
  const std::uint32_t* begin_ = nullptr;
  const std::uint32_t* end_ = nullptr;
  std::size_t capacity_ = 0;
};

}  // namespace weir::sql
