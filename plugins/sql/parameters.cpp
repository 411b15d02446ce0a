#include <algorithm>
#include <functional>

#include "server_connection.h"

namespace weir::db {

namespace {

bool begins_name(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool in_name(char c) {
  return begins_name(c) || (c >= '0' && c <= '9');
}

/// Where the quoted text that begins at `from` ends; a doubled quote does not end it.
std::size_t end_of_quoted(std::string_view sql, std::size_t from, bool backslash) {
  const char quote = sql[from];
  std::size_t i = from + 1;
  for (; i < sql.size(); ++i) {
    if (backslash && sql[i] == '\\') {
      ++i;
    } else if (sql[i] == quote) {
      if (i + 1 == sql.size() || sql[i + 1] != quote) return i + 1;
      ++i;
    }
  }
  return sql.size();
}

/// Where what is no SQL of its own ends: a string, a quoted name, a comment, PostgreSQL's $tag$ text. `from`: there is
/// nothing of that kind here.
std::size_t end_of_opaque(std::string_view sql, std::size_t from, Dialect dialect) {
  const auto rest = sql.substr(from);
  const auto until = [&](std::string_view end) {
    const auto at = sql.find(end, from + 2);
    return at == std::string_view::npos ? sql.size() : at + end.size();
  };
  const char c = sql[from];
  if (c == '\'' || c == '"' || c == '`') {
    const bool escape_string = from > 0 && (sql[from - 1] | 0x20) == 'e' && (from == 1 || !in_name(sql[from - 2]));
    const bool backslash =
        dialect == Dialect::mariadb ? c != '`' : dialect == Dialect::postgresql && c == '\'' && escape_string;
    return end_of_quoted(sql, from, backslash);
  }
  if (rest.starts_with("--") || (c == '#' && dialect == Dialect::mariadb)) return until("\n");
  if (rest.starts_with("/*")) return until("*/");
  if (c == '$' && dialect == Dialect::postgresql && (from == 0 || !in_name(sql[from - 1]))) {
    std::size_t end = from + 1;
    while (end < sql.size() && in_name(sql[end])) ++end;
    if (end < sql.size() && sql[end] == '$') {
      const auto tag = sql.substr(from, end + 1 - from);
      const auto close = sql.find(tag, end + 1);
      return close == std::string_view::npos ? sql.size() : close + tag.size();
    }
  }
  return from;
}

/// Copies the SQL, and calls `parameter` for each :name, which says what stands there instead.
std::string rewrite(std::string_view sql, Dialect dialect,
                    const std::function<std::string(std::string_view name)>& parameter) {
  std::string result;
  for (std::size_t i = 0; i < sql.size();) {
    auto end = end_of_opaque(sql, i, dialect);
    if (end == i) {
      if (sql.substr(i).starts_with("::")) {
        end = i + 2;
      } else if (sql[i] == ':' && i + 1 < sql.size() && begins_name(sql[i + 1]) && (i == 0 || !in_name(sql[i - 1]))) {
        end = i + 1;
        while (end < sql.size() && in_name(sql[end])) ++end;
        result += parameter(sql.substr(i + 1, end - i - 1));
        i = end;
        continue;
      } else {
        end = i + 1;
      }
    }
    result += sql.substr(i, end - i);
    i = end;
  }
  return result;
}

}  // namespace

Parameterised parameterise(std::string_view sql, const std::vector<std::string>& names, Dialect dialect) {
  Parameterised result;
  result.sql = rewrite(sql, dialect, [&](std::string_view name) -> std::string {
    const auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end()) throw Misconfigured("statement: :" + std::string(name) + " is not among the columns");
    const auto number = static_cast<std::size_t>(at - names.begin());
    if (dialect != Dialect::postgresql) {
      result.parameters.push_back(number);
      return "?";
    }
    auto known = std::find(result.parameters.begin(), result.parameters.end(), number);
    if (known == result.parameters.end()) known = result.parameters.insert(known, number);
    return "$" + std::to_string(known - result.parameters.begin() + 1);
  });
  return result;
}

std::vector<std::string> parameter_names(std::string_view sql, Dialect dialect) {
  std::vector<std::string> names;
  rewrite(sql, dialect, [&](std::string_view name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
    return std::string();
  });
  return names;
}

}  // namespace weir::db
