#include "read_csv.h"

#include <algorithm>
#include <charconv>

#include "content_window.h"

namespace weir::csv {

namespace {

enum : std::uint32_t { kSuccess };
constexpr std::uint64_t kChunk = 1 * MiB;

TextEncoding encoding_of(std::string_view name) {
  return name == "latin-1"        ? TextEncoding::latin_1
         : name == "windows-1252" ? TextEncoding::windows_1252
                                  : TextEncoding::utf_8;
}

std::string cells(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " cell" : " cells");
}

}  // namespace

/// One FlowFile in one session.
class ReadCsv::Reading {
 public:
  Reading(ReadCsv& csv, FlowFile file, Session& session)
      : csv_(csv),
        file_(file),
        session_(session),
        window_(session, file),
        parser_(csv.dialect_),
        offset_(file.offset()) {
    key_ = session.connection();
    key_ += ':';
    key_ += std::to_string(file.sequence());
  }

  /// False if the session's budget ended before the file did.
  bool run() {
    const bool resumed = resume();
    if (!resumed) begin();
    bool ended = true;
    while (offset_ < file_.size()) {
      if ((made_ & 1023U) == 0 && session_.over_budget()) {
        ended = false;
        break;
      }
      step();
    }
    write_chunk();
    csv_.rows_metric_.add(static_cast<double>(rows_));
    csv_.bad_rows_metric_.add(static_cast<double>(bad_rows_));
    if (!ended) {
      session_.set_state(key_, std::to_string(line_) + ' ' + csv_.header_);
      session_.consume_until(file_, offset_);
      return false;
    }
    if (resumed) session_.erase_state(key_);
    if (rows_ + bad_rows_ == 0) session_.drop(file_, resumed ? "no further rows" : "no rows");
    return true;
  }

 private:
  /// Takes up what an earlier session left: the line and the header.
  bool resume() {
    if (offset_ == 0) return false;
    const auto kept = session_.state(key_);
    if (!kept) throw std::runtime_error("the state does not know how far " + key_ + " was read");
    const auto* end = std::from_chars(kept->data(), kept->data() + kept->size(), line_).ptr;
    const std::string header(end + 1, kept->data() + kept->size());
    if (csv_.settings_.header) csv_.use_header(header);
    return true;
  }

  /// What stands before the first row.
  void begin() {
    const auto start = file_.size() == 0 ? std::string_view() : window_.at(0, 3);
    if (start.starts_with("\xff\xfe") || start.starts_with("\xfe\xff"))
      throw Rejected("the content is UTF-16, which is not read; convert it to UTF-8 before");
    if (start.starts_with("\xef\xbb\xbf")) offset_ = 3;
    for (std::uint64_t i = 0; i < csv_.settings_.skip_lines && offset_ < file_.size(); ++i) skip_line();
    if (!csv_.settings_.header) return;
    while (offset_ < file_.size()) {
      const auto result = parse();
      if (result == RowParser::Result::bad)
        throw Rejected("line " + std::to_string(line_) + ", the header: " + parser_.error());
      const auto at = offset_;
      if (result == RowParser::Result::row) csv_.use_header(window_.at(at, parser_.size()).substr(0, parser_.length()));
      take();
      if (result == RowParser::Result::row) return;
    }
    throw Rejected("no header: the content has no row; with columns given, say header: false");
  }

  void step() {
    switch (parse()) {
      case RowParser::Result::row:
        ++made_;
        if (!write_row()) write_bad();
        break;
      case RowParser::Result::bad:
        error_ = parser_.error();
        write_bad();
        break;
      default:
        break;
    }
    take();
  }

  void take() {
    offset_ += parser_.size() + beyond_;
    line_ += parser_.lines();
    beyond_ = 0;
  }

  void skip_line() {
    offset_ += line_length(offset_);
    ++line_;
  }

  /// Of the line at `from`, with its end, however long.
  std::uint64_t line_length(std::uint64_t from) {
    for (auto at = from; at < file_.size();) {
      const auto piece = window_.at(at, 1);
      const auto end = piece.find('\n');
      if (end != std::string_view::npos) return at + end + 1 - from;
      at += piece.size();
    }
    return file_.size() - from;
  }

  /// The next row; what it is made of is valid until the window moves.
  RowParser::Result parse() {
    const auto max = csv_.settings_.max_row;
    for (std::uint64_t least = 1;; least = std::min(least * 2, max)) {
      auto text = window_.at(offset_, least);
      const bool complete = offset_ + text.size() == file_.size() && text.size() <= max;
      text = text.substr(0, max);
      auto result = parser_.parse(text, complete);
      if (result != RowParser::Result::more) return result;
      least = std::max<std::uint64_t>(least, text.size());
      if (text.size() < max) continue;
      const char* const why = "the row is longer than max_row";
      result = parser_.give_up(text, false, why);
      if (result == RowParser::Result::bad) return result;
      // Not even its first line ends in reach: it is passed over in pieces. The window moves on; only sizes are used.
      parser_.give_up(text, true, why);
      beyond_ = line_length(offset_ + text.size());
      return RowParser::Result::bad;
    }
  }

  /// False: a cell is not what its column says; error_ tells why.
  bool write_row() {
    const auto& row = parser_.cells();
    const auto& columns = csv_.columns_;
    if (row.size() != columns.size()) {
      error_ = cells(row.size()) + ", but " + std::to_string(columns.size()) + " columns";
      return false;
    }
    const auto from = chunk_.size();
    for (std::size_t i = 0; i < row.size(); ++i) {
      chunk_ += i == 0 ? '{' : ',';
      chunk_ += columns[i].member();
      if (!columns[i].append(chunk_, row[i], csv_.rules_, error_)) {
        chunk_.resize(from);
        return false;
      }
    }
    chunk_ += "}\n";
    ++rows_;
    ++chunk_rows_;
    if (chunk_.size() >= kChunk) {
      write_chunk();
      made_ = 0;  // looks at the budget
    }
    return true;
  }

  void write_chunk() {
    if (chunk_rows_ == 0) return;
    const auto chunk = session_.create(file_);
    session_.append(chunk, chunk_);
    session_.records(chunk, chunk_rows_);
    session_.transfer(chunk, kSuccess);
    chunk_.clear();
    chunk_rows_ = 0;
  }

  /// The row goes to failure: its bytes as they are.
  void write_bad() {
    const auto bad = session_.create(file_);
    session_.share(bad, file_, offset_, beyond_ == 0 ? parser_.length() : parser_.size() + beyond_);
    const auto line = std::to_string(line_);
    session_.set(bad, "csv.line", line);
    if (!csv_.header_.empty()) session_.set(bad, "csv.header", csv_.header_);
    session_.reject(bad, "line " + line + ": " + error_);
    ++bad_rows_;
    made_ = 0;
  }

  ReadCsv& csv_;
  FlowFile file_;
  Session& session_;
  ContentWindow window_;
  RowParser parser_;
  std::string key_;
  std::uint64_t offset_;
  std::uint64_t line_ = 1;
  std::uint64_t beyond_ = 0;  ///< bytes of a bad row's first line behind what the parser saw
  std::string chunk_;
  std::uint32_t chunk_rows_ = 0;
  std::uint64_t made_ = 0;  ///< counts rows between looks at the budget
  std::uint64_t rows_ = 0;
  std::uint64_t bad_rows_ = 0;
  std::string error_;
};

char special_character(std::string_view property, const std::string& text) {
  const auto c = static_cast<unsigned char>(text.empty() ? 0 : text[0]);
  if (text.size() != 1 || c >= 0x80 || c == 0 || c == '\n' || c == '\r')
    throw Misconfigured(std::string(property) + ": one ASCII character that ends no line is expected");
  return text[0];
}

ReadCsv::ReadCsv(ReadCsvSettings settings)
    : settings_(std::move(settings)),
      dialect_{special_character("delimiter", settings_.delimiter), special_character("quote", settings_.quote)},
      rules_{dialect_.quote, settings_.null, settings_.undeclared == "infer", encoding_of(settings_.encoding)} {
  if (dialect_.delimiter == dialect_.quote)
    throw Misconfigured("quote: another character than the delimiter is needed");
  if (!settings_.header && settings_.columns.empty())
    throw Misconfigured("columns: without a header their names have to be given");
}

void ReadCsv::start(Context& context) {
  record_ = emitted_record(context);
  rows_metric_ = context.counter("csv_rows", "Rows that became records.");
  bad_rows_metric_ = context.counter("csv_bad_rows", "Rows that went to failure.");
  columns_.clear();
  header_.clear();
  if (settings_.header) return;
  try {
    columns_ = columns_of(settings_.columns, record_);
  } catch (const Rejected& error) {
    throw Misconfigured(std::string("columns: ") + error.what());
  }
}

void ReadCsv::step(Batch batch, Session& session) {
  for (auto file : batch) {
    if (session.over_budget()) return session.consume_until(file, file.offset());
    const auto mark = session.mark();
    try {
      if (!Reading(*this, file, session).run()) return;
    } catch (const Rejected& error) {
      session.undo(mark);
      session.reject(file, error.what());
    }
  }
}

void ReadCsv::use_header(std::string_view row) {
  if (!columns_.empty() && row == header_) return;
  RowParser parser(dialect_);
  parser.parse(row, true);
  std::vector<std::string> names;
  for (const auto& cell : parser.cells()) names.push_back(cell_text(cell, dialect_.quote, rules_.encoding));
  if (!settings_.columns.empty()) {
    if (names.size() != settings_.columns.size())
      throw Rejected("the header has " + cells(names.size()) + ", but the property columns names " +
                     std::to_string(settings_.columns.size()));
    names = settings_.columns;
  }
  columns_.clear();
  columns_ = columns_of(names, record_);
  header_ = row;
}

}  // namespace weir::csv
