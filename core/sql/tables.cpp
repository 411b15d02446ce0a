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
#include "sql/records.h"
#include "sql/value.h"

namespace weir::sql {

namespace {

[[noreturn]] void fail(const TableSource& source, const std::string& message) {
  throw std::runtime_error("reference table '" + source.name + "', " + source.path + ": " + message);
}

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Prepared = std::unique_ptr<sqlite3_stmt, Finalize>;

Prepared prepare(sqlite3* db, const std::string& sql, const TableSource& source) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) fail(source, sqlite3_errmsg(db));
  return Prepared(statement);
}

void execute(sqlite3* db, const std::string& sql, const TableSource& source) {
  if (sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) fail(source, sqlite3_errmsg(db));
}

/// Creates the table and returns the statement that inserts a row.
Prepared create(sqlite3* db, const TableSource& source, const std::vector<std::string>& columns) {
  if (columns.empty()) fail(source, "it has no columns");
  std::string names;
  std::string values;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].empty()) fail(source, "column " + std::to_string(i + 1) + " has no name");
    for (std::size_t j = 0; j < i; ++j) {
      if (equal_ignoring_case(columns[i], columns[j])) fail(source, "column '" + columns[i] + "' comes twice");
    }
    names += (i == 0 ? "" : ",") + quoted_name(columns[i]);
    values += i == 0 ? "?" : ",?";
  }
  execute(db, "CREATE TABLE " + quoted_name(source.name) + "(" + names + ")", source);
  return prepare(db, "INSERT INTO " + quoted_name(source.name) + " VALUES(" + values + ")", source);
}

void insert(sqlite3* db, sqlite3_stmt* row, const TableSource& source) {
  if (sqlite3_step(row) != SQLITE_DONE) fail(source, sqlite3_errmsg(db));
  sqlite3_reset(row);
}

void bind(sqlite3_stmt* row, int index, const Value& value) {
  switch (value.type) {
    case ValueType::null:
      sqlite3_bind_null(row, index);
      break;
    case ValueType::integer:
      sqlite3_bind_int64(row, index, value.integer);
      break;
    case ValueType::real:
      sqlite3_bind_double(row, index, value.real);
      break;
    default:
      sqlite3_bind_text64(row, index, value.text.data == nullptr ? "" : value.text.data, value.text.size,
                          SQLITE_TRANSIENT, SQLITE_UTF8);
  }
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
  const auto statement = create(db, source, columns);
  for (const auto& cells : rows) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      auto value = text_value(cells[i].text);
      if (cells[i].text.empty() && !cells[i].quoted) value = null_value();
      if (numeric[i] && !cells[i].text.empty()) number_of(cells[i].text, value);
      bind(statement.get(), static_cast<int>(i) + 1, value);
    }
    insert(db, statement.get(), source);
  }
}

void load_json(sqlite3* db, const TableSource& source) {
  auto text = read_file(source);
  const auto size = text.size();
  text.resize(size + 64);  // what RecordReader may read behind the end
  const std::string_view content(text.data(), size);
  std::vector<std::string> columns;
  Arena arena;
  for (int pass = 0; pass < 2; ++pass) {
    std::vector<FieldReader> fields;
    for (const auto& column : columns) fields.emplace_back(column, nullptr);
    const auto statement = pass == 0 ? nullptr : create(db, source, columns);
    RecordReader reader(columns);
    reader.open(content);
    while (reader.next()) {
      const auto place = "record " + std::to_string(reader.index() + 1) + ": ";
      if (reader.bad()) fail(source, place + reader.error());
      if (pass == 0) {
        for (const auto& member : members_of(reader.json())) {
          if (std::find(columns.begin(), columns.end(), member.name) == columns.end()) columns.push_back(member.name);
        }
        continue;
      }
      arena.reset();
      for (std::size_t i = 0; i < fields.size(); ++i) {
        Value value{};
        std::string error;
        if (!fields[i].read(reader.raw(i), arena, value, error)) fail(source, place + error);
        bind(statement.get(), static_cast<int>(i) + 1, value);
      }
      insert(db, statement.get(), source);
    }
  }
}

void load_sqlite(sqlite3* db, const TableSource& source) {
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open_v2(source.path.c_str(), &raw, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nullptr);
  const std::unique_ptr<sqlite3, int (*)(sqlite3*)> other(raw, sqlite3_close);
  if (opened != SQLITE_OK) fail(source, raw == nullptr ? "out of memory" : sqlite3_errmsg(raw));
  sqlite3_busy_timeout(raw, 5000);
  const auto& table = source.table.empty() ? source.name : source.table;
  const auto rows = prepare(raw, "SELECT * FROM " + quoted_name(table), source);
  std::vector<std::string> columns;
  for (int i = 0; i < sqlite3_column_count(rows.get()); ++i) columns.emplace_back(sqlite3_column_name(rows.get(), i));
  const auto statement = create(db, source, columns);
  int result = 0;
  while ((result = sqlite3_step(rows.get())) == SQLITE_ROW) {
    for (int i = 0; i < static_cast<int>(columns.size()); ++i) {
      sqlite3_bind_value(statement.get(), i + 1, sqlite3_column_value(rows.get(), i));
    }
    insert(db, statement.get(), source);
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
  execute(db, "BEGIN", source);
  if (source.format == "csv") {
    load_csv(db, source);
  } else if (source.format == "json") {
    load_json(db, source);
  } else if (source.format == "sqlite") {
    load_sqlite(db, source);
  } else {
    fail(source, "format '" + source.format + "' is none of csv, json and sqlite");
  }
  execute(db, "COMMIT", source);
}

}  // namespace weir::sql
