#include "sql/rewrite.h"

#include <algorithm>

namespace weir::sql {

namespace {

/// Where a token stands.
struct Place {
  int depth = 0;         ///< of parentheses
  int inner_depth = 0;   ///< of those since the innermost SELECT that encloses it
  bool foreign = false;  ///< in a subquery that reads only other tables than the record
};

/// Whether token i names a table in FROM.
bool names_table(const std::vector<SqlToken>& tokens, std::size_t i) {
  if (i == 0 || !tokens[i].is_name()) return false;
  const auto& before = tokens[i - 1];
  if (before.keyword("FROM")) return i < 2 || !tokens[i - 2].keyword("DISTINCT");
  return before.keyword("JOIN") || before.is(",");
}

std::vector<Place> places_of(const std::vector<SqlToken>& tokens) {
  std::vector<Place> places(tokens.size());
  struct Open {
    bool subquery;
    int depth;  ///< where it begins
  };
  std::vector<Open> open;
  std::vector<std::size_t> enclosing;  // indexes into `reads`
  std::vector<bool> reads{true};       // the record: the statement, and its subqueries by their order
  std::vector<std::size_t> innermost(tokens.size(), 0);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].kind == TokenKind::bad) {
      const char first = tokens[i].text.empty() ? ' ' : tokens[i].text[0];
      throw SqlProblem{first == '\'' || first == '"' ? std::string("text in quotes does not end")
                       : first == '/'                ? std::string("a comment does not end")
                                                     : "SQL has no '" + tokens[i].text + "'",
                       tokens[i].offset};
    }
    if (tokens[i].kind == TokenKind::parameter) {
      const bool in_text = tokens[i].text == "$" && i + 1 < tokens.size() && tokens[i + 1].is("(");
      throw SqlProblem{
          in_text
              ? "$(…) is for SQL within a text, and this is SQL already: write what is between the parentheses"
              : "'" + tokens[i].text + "' is a parameter that nobody sets: write ${name} for a parameter of the flow",
          tokens[i].offset};
    }
    if (tokens[i].is(";") && i + 2 < tokens.size()) {
      throw SqlProblem{"one statement only: there is more behind the semicolon", tokens[i].offset};
    }
    if (tokens[i].is(")")) {
      if (open.empty()) throw SqlProblem{"a closing parenthesis too many", tokens[i].offset};
      if (open.back().subquery) enclosing.pop_back();
      open.pop_back();
    }
    const auto depth = static_cast<int>(open.size());
    int begin = 0;
    for (const auto& o : open) begin = o.subquery ? o.depth : begin;
    places[i] = {depth, depth - begin, false};
    innermost[i] = enclosing.empty() ? 0 : enclosing.back();
    if (tokens[i].keyword("record") && names_table(tokens, i)) reads[innermost[i]] = true;
    if (tokens[i].is("(")) {
      const bool subquery = i + 1 < tokens.size() && (tokens[i + 1].keyword("SELECT") || tokens[i + 1].keyword("WITH"));
      open.push_back({subquery, depth + 1});
      if (subquery) enclosing.push_back(reads.size()), reads.push_back(false);
    }
  }
  for (std::size_t i = 0; i < tokens.size(); ++i) places[i].foreign = !reads[innermost[i]];
  if (!open.empty()) throw SqlProblem{"a parenthesis is not closed", tokens.back().offset};
  return places;
}

/// Refuses what needs more than one record, but for subqueries that read other tables.
void check_row_wise(const std::vector<SqlToken>& tokens, const std::vector<Place>& places) {
  const std::string remedy = " needs all records of a FlowFile at once: set `per: flowfile`";
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (places[i].foreign || tokens[i].kind != TokenKind::identifier) continue;
    const bool call = tokens[i + 1].is("(");
    const bool at_top = places[i].inner_depth == 0;
    for (auto word : {"GROUP", "ORDER"}) {
      if (at_top && tokens[i].keyword(word) && tokens[i + 1].keyword("BY")) {
        throw SqlProblem{std::string(word) + " BY" + remedy, tokens[i].offset};
      }
    }
    for (auto word : {"DISTINCT", "LIMIT", "HAVING", "UNION", "INTERSECT", "EXCEPT"}) {
      const bool is_distinct_from = tokens[i].keyword("DISTINCT") && tokens[i + 1].keyword("FROM");
      if (at_top && tokens[i].keyword(word) && !is_distinct_from && (i == 0 || !tokens[i - 1].is("."))) {
        throw SqlProblem{word + remedy, tokens[i].offset};
      }
    }
    if (!call) continue;
    const auto arguments = [&] {
      int commas = 0;
      for (std::size_t j = i + 2; j < tokens.size() && places[j].depth > places[i].depth; ++j) {
        if (tokens[j].is(",") && places[j].depth == places[i].depth + 1) ++commas;
      }
      return commas + 1;
    };
    for (auto name : {"count", "sum", "avg", "total", "group_concat", "json_group_array", "json_group_object",
                      "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead",
                      "first_value", "last_value", "nth_value"}) {
      if (equal_ignoring_case(tokens[i].text, name)) {
        throw SqlProblem{std::string(name) + "()" + remedy, tokens[i].offset};
      }
    }
    for (auto name : {"min", "max"}) {
      if (equal_ignoring_case(tokens[i].text, name) && arguments() == 1) {
        throw SqlProblem{std::string(name) + "() of one argument" + remedy, tokens[i].offset};
      }
    }
  }
}

/// Copies SQL piece by piece and remembers where each piece came from.
class Writer {
 public:
  Writer(Rewritten& to, std::string_view from) : to_(to), from_(from) {}
  void add(std::string_view text, std::size_t original) {
    to_.places.emplace_back(to_.sql.size(), original);
    to_.sql += text;
  }
  void copy(std::size_t from, std::size_t to) { add(from_.substr(from, to - from), from); }

 private:
  Rewritten& to_;
  std::string_view from_;
};

bool starts_result(const SqlToken& before) {
  return before.keyword("SELECT") || before.keyword("DISTINCT") || before.keyword("ALL") || before.is(",");
}
bool ends_result(const SqlToken& behind) {
  return behind.is(",") || behind.keyword("FROM") || behind.kind == TokenKind::end || behind.is(";");
}

/// Whether token i is the `*` of the statement's own result columns.
bool is_star(const std::vector<SqlToken>& tokens, const std::vector<Place>& places, std::size_t i) {
  if (!tokens[i].is("*") || places[i].depth != 0 || i == 0 || !ends_result(tokens[i + 1])) return false;
  return starts_result(tokens[i - 1]) || (i >= 3 && tokens[i - 1].is(".") && starts_result(tokens[i - 3]));
}

/// Names that stand for the record in FROM: `record`, and its alias.
bool names_record(const std::vector<SqlToken>& tokens, const std::string& name) {
  if (equal_ignoring_case(name, "record")) return true;
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (!tokens[i].keyword("record") || i == 0 || tokens[i - 1].is(".")) continue;
    const auto& alias = tokens[i + 1].keyword("AS") && i + 2 < tokens.size() ? tokens[i + 2] : tokens[i + 1];
    if (alias.is_name() && equal_ignoring_case(alias.text, name)) return true;
  }
  return false;
}

/// The words that join other tables to the one that is first in FROM, in an order that SQLite may change.
std::vector<std::size_t> free_joins(const std::vector<SqlToken>& tokens, const std::vector<Place>& places,
                                    std::string_view first) {
  std::vector<std::size_t> joins;
  bool from = false;
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (places[i].depth != 0) continue;
    if (tokens[i].keyword("FROM") && names_table(tokens, i + 1)) {
      from = equal_ignoring_case(tokens[i + 1].text, first);
      continue;
    }
    for (auto end : {"WHERE", "GROUP", "ORDER", "LIMIT", "WINDOW", "UNION", "EXCEPT", "INTERSECT"})
      from = from && !tokens[i].keyword(end);
    if (!from) continue;
    if (tokens[i].is(",") || tokens[i].keyword("INNER")) joins.push_back(i);
    if (!tokens[i].keyword("JOIN")) continue;
    bool plain = true;
    for (auto kind : {"LEFT", "RIGHT", "FULL", "OUTER", "CROSS", "INNER", "NATURAL"})
      plain = plain && !tokens[i - 1].keyword(kind);
    if (plain) joins.push_back(i);
  }
  return joins;
}

void rewrite_tokens(Rewritten& to, std::string_view sql, const std::vector<Place>& places, bool select,
                    std::string_view first) {
  Writer writer(to, sql);
  const auto& tokens = to.tokens;
  std::size_t done = 0;
  const auto note = [&to](std::string_view prefix, std::string_view name) {
    for (const auto& column : to.columns) {
      if (column.starts_with(prefix) && plain_name(column) == name) return quoted_name(column);
    }
    to.columns.push_back(std::string(prefix) + std::to_string(to.columns.size()) + ":" + std::string(name));
    return quoted_name(to.columns.back());
  };
  bool joined = false;  // FROM names more than the record
  bool from = false;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (places[i].depth != 0) continue;
    if (tokens[i].keyword("FROM")) from = true;
    if (tokens[i].keyword("WHERE") || tokens[i].keyword("GROUP") || tokens[i].keyword("ORDER")) from = false;
    joined = joined || (from && (tokens[i].is(",") || tokens[i].keyword("JOIN")));
  }
  const auto joins = first.empty() ? std::vector<std::size_t>() : free_joins(tokens, places, first);
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (std::find(joins.begin(), joins.end(), i) != joins.end()) {
      writer.copy(done, tokens[i].offset);
      writer.add(tokens[i].keyword("INNER") ? " CROSS" : " CROSS JOIN ", tokens[i].offset);
      done = tokens[i].offset + tokens[i].size;
      continue;
    }
    const bool field = tokens[i].keyword("field");
    if ((field || tokens[i].keyword("has")) && tokens[i + 1].is("(")) {
      if (!(i + 3 < tokens.size() && tokens[i + 2].kind == TokenKind::string && tokens[i + 3].is(")"))) {
        throw SqlProblem{
            tokens[i].text + "() takes the name of one field, in single quotes: " + tokens[i].text + "('name')",
            tokens[i].offset};
      }
      writer.copy(done, tokens[i].offset);
      writer.add(note(field ? kFieldPrefix : kHasPrefix, tokens[i + 2].text), tokens[i].offset);
      done = tokens[i + 3].offset + tokens[i + 3].size;
      i += 3;
    } else if (select && is_star(tokens, places, i)) {
      const bool qualified = tokens[i - 1].is(".");
      if (qualified && !names_record(tokens, tokens[i - 2].text)) continue;
      to.whole = true;
      writer.copy(done, tokens[i].offset);
      // Columns of the virtual table are hidden from `*`, which is left for those of reference tables.
      if (std::find(to.columns.begin(), to.columns.end(), kWholeRecord) == to.columns.end()) {
        to.columns.emplace_back(kWholeRecord);
      }
      writer.add(quoted_name(kWholeRecord) + (qualified || !joined ? "" : ", *"), tokens[i].offset);
      done = tokens[i].offset + 1;
    }
  }
  writer.copy(done, sql.size());
}

}  // namespace

std::string plain_name(std::string_view column) {
  for (auto prefix : {kFieldPrefix, kHasPrefix}) {
    if (column.starts_with(prefix)) return std::string(column.substr(column.find(':', prefix.size()) + 1));
  }
  return std::string(column);
}

std::size_t Rewritten::original(std::size_t offset) const {
  std::pair<std::size_t, std::size_t> last{0, 0};
  for (const auto& place : places) {
    if (place.first > offset) break;
    last = place;
  }
  return last.second + (offset - last.first);
}

Rewritten rewrite_expression(std::string_view sql, std::string_view table) {
  Rewritten to;
  to.tokens = tokenize(sql);
  const auto places = places_of(to.tokens);
  if (to.tokens.size() == 1) throw SqlProblem{"the expression is empty", 0};
  check_row_wise(to.tokens, places);
  for (std::size_t i = 0; i + 1 < to.tokens.size(); ++i) {
    if (to.tokens[i].is(";")) throw SqlProblem{"an expression has no semicolon", to.tokens[i].offset};
    if (places[i].depth == 0 && (to.tokens[i].keyword("SELECT") || to.tokens[i].keyword("FROM"))) {
      const bool distinct_from = i > 0 && to.tokens[i - 1].keyword("DISTINCT");
      if (!distinct_from)
        throw SqlProblem{"an expression over one record is expected here, not a statement", to.tokens[i].offset};
    }
    if (places[i].depth == 0 && to.tokens[i].is(",")) {
      throw SqlProblem{"one expression is expected, not a list", to.tokens[i].offset};
    }
  }
  to.sql = "SELECT (";
  rewrite_tokens(to, sql, places, false, {});
  to.sql += "\n) FROM " + std::string(table);
  return to;
}

Rewritten rewrite_select(std::string_view sql, bool per_flowfile, std::string_view first) {
  Rewritten to;
  to.tokens = tokenize(sql);
  const auto places = places_of(to.tokens);
  if (!to.tokens[0].keyword("SELECT") && !to.tokens[0].keyword("WITH")) {
    throw SqlProblem{"a SELECT is expected: SELECT … FROM record …", to.tokens[0].offset};
  }
  if (!per_flowfile) check_row_wise(to.tokens, places);
  rewrite_tokens(to, sql, places, true, first);
  return to;
}

std::vector<ResultColumn> result_columns(const std::vector<SqlToken>& tokens, std::string_view sql) {
  std::vector<ResultColumn> columns;
  int depth = 0;
  std::size_t i = 0;
  while (i < tokens.size() && !(depth == 0 && tokens[i].keyword("SELECT"))) {
    if (tokens[i].is("(")) ++depth;
    if (tokens[i].is(")")) --depth;
    ++i;
  }
  if (i >= tokens.size()) return columns;
  ++i;
  if (tokens[i].keyword("DISTINCT") || tokens[i].keyword("ALL")) ++i;
  auto from = i;
  for (;; ++i) {
    if (tokens[i].is("(")) ++depth;
    if (tokens[i].is(")")) --depth;
    const bool distinct_from = i > 0 && tokens[i - 1].keyword("DISTINCT");
    if (depth != 0 || (!ends_result(tokens[i]) || distinct_from)) {
      if (tokens[i].kind == TokenKind::end) break;
      continue;
    }
    auto to = i;
    ResultColumn column;
    column.star = to > from && tokens[to - 1].is("*");
    if (!column.star) {
      if (to - from >= 3 && tokens[to - 2].keyword("AS")) to -= 2;
      column.boolean = parse_expression(tokens.data() + from, tokens.data() + to, sql).boolean();
      if (!column.boolean && to - from >= 2 && tokens[to - 1].is_name()) {  // an alias without AS
        column.boolean = parse_expression(tokens.data() + from, tokens.data() + to - 1, sql).boolean();
      }
    }
    columns.push_back(column);
    if (!tokens[i].is(",")) break;
    from = i + 1;
  }
  return columns;
}

}  // namespace weir::sql
