#include "row_parser.h"

#include <algorithm>
#include <cstring>

namespace weir::csv {

RowParser::RowParser(Dialect dialect) : dialect_(dialect) {
  stops_[static_cast<unsigned char>(dialect.delimiter)] = true;
  stops_['\n'] = true;
}

RowParser::Result RowParser::parse(std::string_view text, bool complete) {
  const char* const begin = text.data();
  const char* const end_of_text = begin + text.size();
  const char* p = begin;
  cells_.clear();
  while (true) {
    const char* from = p;
    if (p != end_of_text && *p == dialect_.quote) {
      bool doubled = false;
      ++from;
      ++p;
      while (true) {
        p = p == end_of_text
                ? nullptr
                : static_cast<const char*>(std::memchr(p, dialect_.quote, static_cast<std::size_t>(end_of_text - p)));
        if (p == nullptr) return complete ? give_up(text, true, "a quoted cell is not closed") : Result::more;
        if (p + 1 == end_of_text && !complete) return Result::more;
        if (p + 1 == end_of_text || p[1] != dialect_.quote) break;
        doubled = true;
        p += 2;
      }
      cells_.push_back({{from, static_cast<std::size_t>(p - from)}, true, doubled});
      ++p;
      if (p == end_of_text) return complete ? end(begin, p, p) : Result::more;
      if (*p == '\r') {
        if (p + 1 == end_of_text) return complete ? end(begin, p, p + 1) : Result::more;
        if (p[1] == '\n') return end(begin, p, p + 2);
      }
      if (*p != dialect_.delimiter && *p != '\n')
        return give_up(text, complete, "something follows the closing quote of a cell");
    } else {
      while (p != end_of_text && !stops_[static_cast<unsigned char>(*p)]) ++p;
      if (p == end_of_text && !complete) return Result::more;
      const bool last = p == end_of_text || *p == '\n';
      const char* cell_end = last && p != from && p[-1] == '\r' ? p - 1 : p;
      cells_.push_back({{from, static_cast<std::size_t>(cell_end - from)}, false, false});
      if (last) return end(begin, cell_end, p == end_of_text ? p : p + 1);
    }
    if (*p == '\n') return end(begin, p, p + 1);
    ++p;  // the delimiter
  }
}

RowParser::Result RowParser::end(const char* begin, const char* row_end, const char* taken) {
  length_ = static_cast<std::size_t>(row_end - begin);
  size_ = static_cast<std::size_t>(taken - begin);
  lines_ = 1;
  if (cells_.size() == 1 && !cells_[0].quoted && cells_[0].text.empty()) return Result::blank;
  for (const auto& cell : cells_) {
    if (cell.quoted) lines_ += static_cast<std::uint64_t>(std::count(cell.text.begin(), cell.text.end(), '\n'));
  }
  return Result::row;
}

RowParser::Result RowParser::give_up(std::string_view text, bool complete, const char* why) {
  const auto line_end = text.find('\n');
  if (line_end == std::string_view::npos && !complete) return Result::more;
  error_ = why;
  length_ = std::min(line_end, text.size());
  size_ = std::min(length_ + 1, text.size());
  if (length_ > 0 && text[length_ - 1] == '\r') --length_;
  lines_ = 1;
  return Result::bad;
}

}  // namespace weir::csv
