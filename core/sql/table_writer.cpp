#include "sql/table_writer.h"

#include <stdexcept>

#include "sql/expression.h"

namespace weir::sql {

TableWriter::TableWriter(sqlite3* db, std::string table, std::string place)
    : db_(db), table_(std::move(table)), place_(std::move(place)) {}

void TableWriter::fail(const std::string& message) const {
  throw std::runtime_error(place_ + ": " + message);
}

void TableWriter::fail() const {
  fail(sqlite3_errmsg(db_));
}

void TableWriter::create(const std::vector<std::string>& columns) {
  if (columns.empty()) fail("it has no columns");
  std::string names;
  std::string values;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].empty()) fail("column " + std::to_string(i + 1) + " has no name");
    for (std::size_t j = 0; j < i; ++j) {
      if (equal_ignoring_case(columns[i], columns[j])) fail("column '" + columns[i] + "' comes twice");
    }
    names += (i == 0 ? "" : ",") + quoted_name(columns[i]);
    values += i == 0 ? "?" : ",?";
  }
  const auto sql = "CREATE TABLE " + quoted_name(table_) + "(" + names + ")";
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) fail();
  sqlite3_stmt* statement = nullptr;
  const auto insert = "INSERT INTO " + quoted_name(table_) + " VALUES(" + values + ")";
  if (sqlite3_prepare_v2(db_, insert.c_str(), -1, &statement, nullptr) != SQLITE_OK) fail();
  row_.reset(statement);
  columns_ = columns;
}

void TableWriter::bind(std::size_t column, const Value& value) {
  const int index = static_cast<int>(column) + 1;
  switch (value.type) {
    case ValueType::null:
      sqlite3_bind_null(row_.get(), index);
      break;
    case ValueType::integer:
      sqlite3_bind_int64(row_.get(), index, value.integer);
      break;
    case ValueType::real:
      sqlite3_bind_double(row_.get(), index, value.real);
      break;
    default:
      sqlite3_bind_text64(row_.get(), index, value.text.data == nullptr ? "" : value.text.data, value.text.size,
                          SQLITE_TRANSIENT, SQLITE_UTF8);
  }
}

void TableWriter::bind(std::size_t column, const sqlite3_value* value) {
  sqlite3_bind_value(row_.get(), static_cast<int>(column) + 1, value);
}

void TableWriter::insert() {
  const int result = sqlite3_step(row_.get());
  if (result != SQLITE_DONE) fail();
  sqlite3_reset(row_.get());
}

void TableWriter::insert_records(std::string_view content) {
  std::vector<FieldReader> fields;
  for (const auto& column : columns_) fields.emplace_back(column, nullptr);
  RecordReader reader(columns_);
  reader.open(content);
  while (reader.next()) {
    const auto place = [&] { return "record " + std::to_string(reader.index() + 1) + ": "; };
    if (reader.bad()) fail(place() + reader.error());
    arena_.reset();
    for (std::size_t i = 0; i < fields.size(); ++i) {
      Value value{};
      std::string error;
      if (!fields[i].read(reader.raw(i), arena_, value, error)) fail(place() + error);
      bind(i, value);
    }
    insert();
  }
}

void TableWriter::index(const std::string& column) {
  const auto sql = "CREATE INDEX " + quoted_name("weir_index_" + column) + " ON " + quoted_name(table_) + "(" +
                   quoted_name(column) + ")";
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) fail();
}

}  // namespace weir::sql
