#include "flow/sql_text.h"

#include <algorithm>

namespace weir::flow {

namespace {

/// Past the closing quote of what opens at `i`; a doubled quote stands for itself.
std::size_t end_of_quoted(std::string_view sql, std::size_t i) {
  const char quote = sql[i] == '[' ? ']' : sql[i];
  for (++i; i < sql.size(); ++i) {
    if (sql[i] != quote) continue;
    if (quote == ']' || i + 1 >= sql.size() || sql[i + 1] != quote) return i + 1;
    ++i;
  }
  return sql.size();
}

std::size_t past(std::string_view sql, std::string_view end, std::size_t from) {
  const auto at = sql.find(end, from);
  return at == std::string_view::npos ? sql.size() : at + end.size();
}

/// The token that begins at `i`, if it is no code.
SqlToken special(std::string_view sql, std::size_t i) {
  const auto rest = sql.substr(i);
  if (rest[0] == '\'') return {SqlPart::text, i, end_of_quoted(sql, i)};
  if (rest[0] == '"' || rest[0] == '`' || rest[0] == '[') return {SqlPart::identifier, i, end_of_quoted(sql, i)};
  if (rest.starts_with("--")) return {SqlPart::comment, i, past(sql, "\n", i)};
  if (rest.starts_with("/*")) return {SqlPart::comment, i, past(sql, "*/", i + 2)};
  return {};
}

}  // namespace

std::vector<SqlToken> sql_tokens(std::string_view sql) {
  std::vector<SqlToken> tokens;
  std::size_t code = 0;
  for (std::size_t i = 0; i < sql.size();) {
    const auto token = special(sql, i);
    if (token.end == 0) {
      ++i;
      continue;
    }
    if (i > code) tokens.push_back({SqlPart::code, code, i});
    tokens.push_back(token);
    i = code = token.end;
  }
  if (sql.size() > code) tokens.push_back({SqlPart::code, code, sql.size()});
  return tokens;
}

std::size_t end_of_expression(std::string_view text, std::size_t begin) {
  int depth = 1;
  for (std::size_t i = begin; i < text.size();) {
    const auto token = special(text, i);
    if (token.end != 0) {
      i = token.end;
      continue;
    }
    if (text[i] == '(') ++depth;
    if (text[i] == ')' && --depth == 0) return i + 1;
    ++i;
  }
  return std::string_view::npos;
}

std::string sql_literal(std::string_view text) {
  std::string literal = "'";
  for (const char c : text) {
    if (c == '\'') literal += '\'';
    literal += c;
  }
  return literal + "'";
}

}  // namespace weir::flow
