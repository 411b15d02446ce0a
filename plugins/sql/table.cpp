#include "table.h"

#include <algorithm>
#include <cmath>

#include "weir/spec.h"

namespace weir::sqlite {

Affinity affinity_of(std::string_view declared_type) {
  std::string type(declared_type);
  std::transform(type.begin(), type.end(), type.begin(), [](char c) { return c >= 'a' && c <= 'z' ? c - 32 : c; });
  const auto has = [&](const char* part) { return type.find(part) != std::string::npos; };
  if (has("INT")) return Affinity::integer;
  if (has("CHAR") || has("CLOB") || has("TEXT")) return Affinity::text;
  if (type.empty() || has("BLOB")) return Affinity::blob;
  if (has("REAL") || has("FLOA") || has("DOUB")) return Affinity::real;
  return Affinity::numeric;
}

std::optional<std::vector<Column>> describe(Database& database, const std::string& table) {
  // Hidden columns are generated ones, which cannot be written.
  Statement statement(database,
                      "SELECT name, type, \"notnull\", pk FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid");
  statement.bind(1, std::string_view(table));
  std::vector<Column> columns;
  while (statement.step())
    columns.push_back({std::string(statement.text(0)), std::string(statement.text(1)), statement.integer(2) != 0,
                       statement.integer(3) != 0});
  if (columns.empty()) return std::nullopt;
  return columns;
}

void create(Database& database, const std::string& table, const std::vector<Column>& columns,
            const std::vector<std::string>& key) {
  std::string sql = "CREATE TABLE " + quoted(table) + " (";
  for (const auto& column : columns) {
    sql += quoted(column.name);
    if (!column.type.empty()) sql += " " + column.type;
    const bool in_key = std::find(key.begin(), key.end(), column.name) != key.end();
    if (column.not_null || in_key) sql += " NOT NULL";
    sql += ", ";
  }
  if (key.empty()) {
    sql.resize(sql.size() - 2);
  } else {
    sql += "PRIMARY KEY (";
    for (const auto& name : key) sql += quoted(name) + ", ";
    sql.resize(sql.size() - 2);
    sql += ")";
  }
  database.execute(sql + ")");
}

std::string insert_sql(const std::string& table, const std::vector<std::string>& columns,
                       const std::vector<std::string>& key, const std::string& version) {
  std::string names;
  std::string places;
  for (const auto& column : columns) {
    names += (names.empty() ? "" : ", ") + quoted(column);
    places += places.empty() ? "?" : ", ?";
  }
  auto sql = "INSERT INTO " + quoted(table) + " AS old (" + names + ") VALUES (" + places + ")";
  if (key.empty()) return sql;
  std::string keys;
  for (const auto& name : key) keys += (keys.empty() ? "" : ", ") + quoted(name);
  std::string sets;
  for (const auto& column : columns) {
    if (std::find(key.begin(), key.end(), column) != key.end()) continue;
    sets += (sets.empty() ? "" : ", ") + quoted(column) + " = excluded." + quoted(column);
  }
  sql += " ON CONFLICT (" + keys + ") DO " + (sets.empty() ? "NOTHING" : "UPDATE SET " + sets);
  if (version.empty()) return sql;
  return sql + " WHERE excluded." + quoted(version) + " >= old." + quoted(version) + " OR old." + quoted(version) +
         " IS NULL";
}

std::string bind(Statement& statement, int index, const Value& value, Affinity affinity) {
  const auto text = view(value.text);
  const auto raw = view(value.raw);
  // A whole number beyond 64 bits comes as text, with a token that is no text.
  const bool number_as_text =
      value.type == ValueType::text && !raw.empty() && (raw[0] == '-' || (raw[0] >= '0' && raw[0] <= '9'));
  switch (value.type) {
    case ValueType::null:
      statement.bind_null(index);
      return {};
    case ValueType::integer:
      // In a text column a number keeps its own digits, and a boolean its word.
      if (affinity == Affinity::text && !raw.empty() && raw[0] != '"') {
        statement.bind(index, raw);
      } else {
        statement.bind(index, value.integer);
      }
      return {};
    case ValueType::real:
      if (affinity == Affinity::integer && std::trunc(value.real) != value.real)
        return (raw.empty() ? std::to_string(value.real) : std::string(raw)) + " is no whole number";
      if (affinity == Affinity::text && !raw.empty()) {
        statement.bind(index, raw);
      } else {
        statement.bind(index, value.real);
      }
      return {};
    case ValueType::text:
    case ValueType::json:
      if (affinity == Affinity::integer)
        return number_as_text ? std::string(raw) + " is beyond 64 bits" : "text where the column holds whole numbers";
      if (affinity == Affinity::real && !number_as_text) return "text where the column holds numbers";
      statement.bind(index, text);
      return {};
  }
  return {};
}

}  // namespace weir::sqlite
