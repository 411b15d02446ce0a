#pragma once
// Rows of CSV (RFC 4180), one at a time, out of text that may not be all there yet.
//
// As the RFC says: cells are parted by the delimiter; one in quotes may hold delimiters, line ends and doubled quotes;
// spaces belong to their cell. Beyond it: rows end with LF or CRLF, and a quote inside a cell that does not begin with
// one is an ordinary character (5" pipe).

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace weir::csv {

struct Cell {
  std::string_view text;  ///< between its quotes, where it has them
  bool quoted = false;
  bool doubled = false;  ///< quotes in it stand twice
};

struct Dialect {
  char delimiter = ',';
  char quote = '"';
};

class RowParser {
 public:
  explicit RowParser(Dialect dialect);

  enum class Result {
    row,    ///< cells() are its cells
    blank,  ///< a line without anything
    bad,    ///< error() says why. Only its first line is taken: what follows may be sound
    more,   ///< the row goes on behind the end of the text
  };

  /// Reads the row that `text`, which is not empty, begins with. `complete`: nothing comes behind the text.
  Result parse(std::string_view text, bool complete);
  /// Gives a row up that did not end: its first line is bad. `more`: not even that ends in the text.
  Result give_up(std::string_view text, bool complete, const char* why);

  const std::vector<Cell>& cells() const { return cells_; }
  /// Bytes taken, with the line's end.
  std::size_t size() const { return size_; }
  /// Bytes of the row without its line's end.
  std::size_t length() const { return length_; }
  /// Lines taken.
  std::uint64_t lines() const { return lines_; }
  const char* error() const { return error_; }

 private:
  Result end(const char* begin, const char* row_end, const char* taken);

  const Dialect dialect_;
  std::array<bool, 256> stops_{};  ///< ends a cell without quotes
  std::vector<Cell> cells_;
  std::size_t size_ = 0;
  std::size_t length_ = 0;
  std::uint64_t lines_ = 0;
  const char* error_ = nullptr;
};

}  // namespace weir::csv
