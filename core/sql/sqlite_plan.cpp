// What a compiled statement is: how SQLite will run it, and what its results are.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "sql/sqlite_query.h"

namespace weir::sql {

namespace {

struct PlanLine {
  int id;
  int parent;  ///< 0: none
  std::string text;
  bool scans() const { return text.starts_with("SCAN ") || text.starts_with("SEARCH "); }
  bool scans_record() const { return scans() && text.find(std::string("INDEX 0:") + kRecordScan) != text.npos; }
};

}  // namespace

/// The record is read once, and, unless its FlowFile's records are there to be read again, in the outermost loop: each
/// row then comes from one record. False: it will be, once the joins are written so.
bool SqliteQuery::reads_record_as_it_may() {
  std::vector<PlanLine> lines;
  {
    closed_ = false;
    sqlite3_stmt* raw = nullptr;
    sqlite3_prepare_v2(db_.get(), ("EXPLAIN QUERY PLAN " + rewritten_.sql).c_str(), -1, &raw, nullptr);
    const std::unique_ptr<sqlite3_stmt, Finalize> plan(raw);
    closed_ = true;
    while (plan != nullptr && sqlite3_step(plan.get()) == SQLITE_ROW) {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(plan.get(), 3));
      lines.push_back(
          {sqlite3_column_int(plan.get(), 0), sqlite3_column_int(plan.get(), 1), text == nullptr ? "" : text});
    }
  }
  std::vector<std::size_t> mentions;
  for (const auto& token : rewritten_.tokens) {
    if (token.is_name() && equal_ignoring_case(token.text, record_name_)) mentions.push_back(token.offset);
  }
  const auto scan = std::find_if(lines.begin(), lines.end(), [](const auto& line) { return line.scans_record(); });
  if (scan == lines.end()) {
    throw SqlProblem{"the statement does not read " + record_name_ + ": FROM " + record_name_ + " is missing", 0};
  }
  if (std::count_if(lines.begin(), lines.end(), [](const auto& line) { return line.scans_record(); }) > 1) {
    // An expression's own FROM is not the author's.
    throw SqlProblem{"a statement reads " + record_name_ + " only once", mentions.empty() ? 0 : mentions.back()};
  }
  if (options_.shape == QueryShape::expression || (options_.per_flowfile && !options_.generator)) return true;
  const bool row_wise = !options_.generator;
  const bool outermost =
      (scan->parent == 0 || !row_wise) &&
      std::none_of(lines.begin(), scan, [&](const auto& l) { return l.parent == scan->parent && l.scans(); }) &&
      std::none_of(lines.begin(), lines.end(), [](const auto& l) { return l.text.starts_with("RIGHT-JOIN"); });
  if (outermost) return true;
  if (!record_first_) return false;
  throw SqlProblem{"each row has to come from one " + (row_wise ? std::string("record") : record_name_) + ": put " +
                       record_name_ + " first, FROM " + record_name_ + " LEFT JOIN …",
                   mentions.empty() ? 0 : mentions.front()};
}

/// Gives the reference tables the indexes that SQLite would otherwise build anew for each batch. True: those of
/// databases have others now than were attached.
bool SqliteQuery::index_tables() {
  closed_ = false;
  std::vector<std::pair<std::string, std::string>> wanted;
  {
    sqlite3_stmt* raw = nullptr;
    sqlite3_prepare_v2(db_.get(), ("EXPLAIN QUERY PLAN " + rewritten_.sql).c_str(), -1, &raw, nullptr);
    const std::unique_ptr<sqlite3_stmt, Finalize> plan(raw);
    while (plan != nullptr && sqlite3_step(plan.get()) == SQLITE_ROW) {
      // SEARCH s USING AUTOMATIC COVERING INDEX (id=?)
      const std::string line = reinterpret_cast<const char*>(sqlite3_column_text(plan.get(), 3));
      const auto columns = line.find("INDEX (");
      const auto end = line.find("=?", columns == std::string::npos ? 0 : columns);
      if (line.find("AUTOMATIC") == std::string::npos || columns == std::string::npos || end == std::string::npos)
        continue;
      const auto name = line.substr(7, line.find(' ', 7) - 7);
      auto table = name;
      for (std::size_t i = 0; i + 1 < rewritten_.tokens.size(); ++i) {
        const auto& token = rewritten_.tokens[i];
        const auto& next = rewritten_.tokens[i + 1].keyword("AS") ? rewritten_.tokens[i + 2] : rewritten_.tokens[i + 1];
        const bool known = std::any_of(options_.tables.begin(), options_.tables.end(),
                                       [&](const auto& t) { return equal_ignoring_case(t.name, token.text); });
        if (known && next.is_name() && equal_ignoring_case(next.text, name)) table = token.text;
      }
      wanted.emplace_back(table, line.substr(columns + 7, end - columns - 7));
    }
  }
  int number = 0;
  bool changed = false;
  for (const auto& [name, field] : wanted) {
    const auto of =
        std::find_if(options_.tables.begin(), options_.tables.end(),
                     [&, &wanted_name = name](const auto& t) { return equal_ignoring_case(t.name, wanted_name); });
    if (of != options_.tables.end() && of->read != nullptr) {
      of->read->index(field);
      changed =
          changed || of->read->current() != opened_[static_cast<std::size_t>(of - options_.tables.begin())].snapshot;
      continue;
    }
    const auto sql = "CREATE INDEX IF NOT EXISTS weir_index_" + std::to_string(number++) + " ON " + quoted_name(name) +
                     "(" + quoted_name(field) + ")";
    sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr);  // without it the plan is slower, not wrong
  }
  closed_ = true;
  return changed;
}

void SqliteQuery::describe_results() {
  const auto count = static_cast<std::size_t>(sqlite3_column_count(statement_.get()));
  const auto items = options_.shape == QueryShape::select
                         ? result_columns(rewritten_.tokens, original_)
                         : std::vector<ResultColumn>{{false, parse_expression(original_).boolean()}};
  std::size_t own_stars = 0;  // a star of the record gives one column, and those of the tables any number
  for (const auto& item : items) own_stars += item.star ? 1 : 0;
  results_.assign(count, {});
  for (std::size_t i = 0; i < count; ++i) {
    auto& result = results_[i];
    const int index = static_cast<int>(i);
    result.name = sqlite3_column_name(statement_.get(), index);
    result.unknown = result.name == kUnknownColumns;
    result.name = plain_name(result.name);
    const auto* table = sqlite3_column_table_name(statement_.get(), index);
    const auto* origin = sqlite3_column_origin_name(statement_.get(), index);
    if (table != nullptr && origin != nullptr && table == record_name_) {
      if (const auto* c = column(origin)) {
        result.whole = c->kind == Column::Kind::whole;
        result.boolean =
            c->kind == Column::Kind::has || (c->declared != nullptr && c->declared->type == FieldType::boolean);
        if (c->kind == Column::Kind::field) {
          result.field = c->slot;
          result.declared = c->declared;
        }
      }
    }
    if (own_stars == 0 ? i < items.size() && items[i].boolean : false) result.boolean = true;
    if (own_stars != 0) {
      // Columns before the first star and behind the last one can be told.
      std::size_t first = 0;
      while (!items[first].star) ++first;
      std::size_t behind = 0;
      while (!items[items.size() - 1 - behind].star) ++behind;
      if (i < first) result.boolean = result.boolean || items[i].boolean;
      if (count - i <= behind) result.boolean = result.boolean || items[items.size() - (count - i)].boolean;
    }
  }
}

std::optional<Value> evaluate_literal(const std::string& sql, Arena& arena) {
  sqlite3* raw = nullptr;
  if (sqlite3_open_v2(":memory:", &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr) != SQLITE_OK) {
    sqlite3_close(raw);
    return std::nullopt;
  }
  const std::unique_ptr<sqlite3, int (*)(sqlite3*)> db(raw, sqlite3_close);
  sqlite3_stmt* statement = nullptr;
  std::optional<Value> result;
  if (sqlite3_prepare_v2(raw, ("SELECT " + sql).c_str(), -1, &statement, nullptr) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW) {
    switch (sqlite3_column_type(statement, 0)) {
      case SQLITE_INTEGER:
        result = integer_value(sqlite3_column_int64(statement, 0));
        break;
      case SQLITE_FLOAT:
        result = real_value(sqlite3_column_double(statement, 0));
        break;
      case SQLITE_NULL:
        result = null_value();
        break;
      case SQLITE_TEXT:
        result = text_value(arena.keep({reinterpret_cast<const char*>(sqlite3_column_text(statement, 0)),
                                        static_cast<std::size_t>(sqlite3_column_bytes(statement, 0))}));
        break;
      default:
        break;
    }
  }
  sqlite3_finalize(statement);
  return result;
}

}  // namespace weir::sql
