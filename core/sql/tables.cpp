#include "sql/tables.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "sql/expression.h"
#include "sql/output.h"
#include "sql/table_writer.h"
#include "sql/value.h"

namespace weir::sql {

namespace {

std::string place_of(const TableSource& source) {
  return "reference table '" + source.name + "', " + source.path;
}

[[noreturn]] void fail(const TableSource& source, const std::string& message) {
  throw std::runtime_error(place_of(source) + ": " + message);
}

std::string read_file(const TableSource& source) {
  std::ifstream in(source.path, std::ios::binary);
  if (!in) fail(source, std::string("cannot be opened: ") + std::strerror(errno));
  std::ostringstream content;
  content << in.rdbuf();
  return std::move(content).str();
}

struct Cell {
  std::string text;
  bool quoted = false;
};

/// RFC 4180, with any of LF and CRLF.
class Csv {
 public:
  Csv(std::string_view text, const TableSource& source) : text_(text), source_(source) {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
  }
  std::size_t line() const { return line_; }

  /// The next row that is not an empty line; false at the end.
  bool next(std::vector<Cell>& row) {
    row.clear();
    while (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r')) {
      if (text_[at_++] == '\n') ++next_line_;
    }
    if (at_ >= text_.size()) return false;
    line_ = next_line_;
    do {
      cell(row.emplace_back());
    } while (at_ < text_.size() && text_[at_] == ',' && (++at_, true));
    if (at_ < text_.size() && text_[at_] == '\r') ++at_;
    if (at_ < text_.size() && text_[at_] != '\n') {
      fail(source_, "line " + std::to_string(line_) + ": something follows a closing quote");
    }
    return true;
  }

 private:
  void cell(Cell& cell) {
    if (at_ >= text_.size() || text_[at_] != '"') {
      const auto end = std::min(text_.find_first_of(",\r\n", at_), text_.size());
      cell.text = text_.substr(at_, end - at_);
      at_ = end;
      return;
    }
    cell.quoted = true;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\n') ++next_line_;
      if (text_[at_] == '"' && (at_ + 1 >= text_.size() || text_[at_ + 1] != '"')) return void(++at_);
      if (text_[at_] == '"') ++at_;
      cell.text += text_[at_];
    }
    fail(source_, "line " + std::to_string(line_) + ": a quoted cell does not end");
  }

  std::string_view text_;
  const TableSource& source_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t next_line_ = 1;
};

Number number_of(const std::string& text, Value& value) {
  const auto number = parse_number(text, value.integer, value.real);
  value.type = number == Number::integer ? ValueType::integer : ValueType::real;
  return number;
}

void load_csv(sqlite3* db, const TableSource& source) {
  const auto text = read_file(source);
  Csv csv(text, source);
  std::vector<Cell> row;
  if (!csv.next(row)) fail(source, "it is empty; a first line with the columns' names is expected");
  std::vector<std::string> columns;
  for (auto& cell : row) columns.push_back(std::move(cell.text));
  std::vector<std::vector<Cell>> rows;
  std::vector<bool> numeric(columns.size(), true);
  while (csv.next(row)) {
    if (row.size() != columns.size()) {
      fail(source, "line " + std::to_string(csv.line()) + ": " + std::to_string(row.size()) + " cells, but " +
                       std::to_string(columns.size()) + " columns");
    }
    for (std::size_t i = 0; i < row.size(); ++i) {
      Value value{};
      if (row[i].text.empty()) continue;
      const auto number = number_of(row[i].text, value);
      if (row[i].quoted || (number != Number::integer && number != Number::real)) numeric[i] = false;
    }
    rows.push_back(row);
  }
  TableWriter table(db, source.name, place_of(source));
  table.create(columns);
  for (const auto& cells : rows) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      auto value = text_value(cells[i].text);
      if (cells[i].text.empty() && !cells[i].quoted) value = null_value();
      if (numeric[i] && !cells[i].text.empty()) number_of(cells[i].text, value);
      table.bind(i, value);
    }
    table.insert();
  }
}

void load_json(sqlite3* db, const TableSource& source) {
  auto text = read_file(source);
  const auto size = text.size();
  text.resize(size + 64);  // what RecordReader may read behind the end
  const std::string_view content(text.data(), size);
  std::vector<std::string> columns;
  RecordReader reader({});
  reader.open(content);
  while (reader.next()) {
    if (reader.bad()) fail(source, "record " + std::to_string(reader.index() + 1) + ": " + reader.error());
    for (const auto& member : members_of(reader.json())) {
      if (std::find(columns.begin(), columns.end(), member.name) == columns.end()) columns.push_back(member.name);
    }
  }
  TableWriter table(db, source.name, place_of(source));
  table.create(columns);
  table.insert_records(content);
}

void load_sqlite(sqlite3* db, const TableSource& source) {
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open_v2(source.path.c_str(), &raw, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nullptr);
  const std::unique_ptr<sqlite3, int (*)(sqlite3*)> other(raw, sqlite3_close);
  if (opened != SQLITE_OK) fail(source, raw == nullptr ? "out of memory" : sqlite3_errmsg(raw));
  sqlite3_busy_timeout(raw, 5000);
  const auto& table = source.table.empty() ? source.name : source.table;
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(raw, ("SELECT * FROM " + quoted_name(table)).c_str(), -1, &statement, nullptr) != SQLITE_OK)
    fail(source, sqlite3_errmsg(raw));
  const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> rows(statement, sqlite3_finalize);
  std::vector<std::string> columns;
  for (int i = 0; i < sqlite3_column_count(rows.get()); ++i) columns.emplace_back(sqlite3_column_name(rows.get(), i));
  TableWriter copy(db, source.name, place_of(source));
  copy.create(columns);
  int result = 0;
  while ((result = sqlite3_step(rows.get())) == SQLITE_ROW) {
    for (std::size_t i = 0; i < columns.size(); ++i)
      copy.bind(i, sqlite3_column_value(rows.get(), static_cast<int>(i)));
    copy.insert();
  }
  if (result != SQLITE_DONE) fail(source, sqlite3_errmsg(raw));
}

}  // namespace

FileState file_state(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    throw std::runtime_error("reference table " + path + ": " + std::strerror(errno));
  }
  return {status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec, status.st_size, status.st_ino};
}

void load_table(sqlite3* db, const TableSource& source) {
  sqlite3_exec(db, "BEGIN", nullptr, nullptr, nullptr);
  if (source.format == "csv") {
    load_csv(db, source);
  } else if (source.format == "json") {
    load_json(db, source);
  } else if (source.format == "sqlite") {
    load_sqlite(db, source);
  } else {
    fail(source, "format '" + source.format + "' is none of csv, json and sqlite");
  }
  sqlite3_exec(db, "COMMIT", nullptr, nullptr, nullptr);
}

}  // namespace weir::sql
