#include "selection.h"

#include <algorithm>

namespace weir::db {

namespace {

/// Rows behind the literals, in the order of the columns. Row values would say it shorter, but not every server finds
/// an index for them.
std::string behind(const std::vector<std::string>& columns, const std::vector<std::string>& literals) {
  std::string sql;
  for (std::size_t i = std::min(columns.size(), literals.size()); i-- > 0;) {
    const auto greater = columns[i] + " > " + literals[i];
    sql = sql.empty() ? greater : "(" + greater + " OR (" + columns[i] + " = " + literals[i] + " AND " + sql + "))";
  }
  // The same once more for the first column alone, so that its index is of use.
  return literals.size() > 1 ? columns[0] + " >= " + literals[0] + " AND " + sql : sql;
}

}  // namespace

std::string select_sql(const Selection& selection, const std::function<std::string(std::string_view)>& quoted,
                       const std::function<std::string(std::int64_t)>& now_less, const std::string& what) {
  std::vector<std::string> columns;
  std::string order;
  for (const auto& name : selection.order) {
    columns.push_back(quoted(name));
    order += (order.empty() ? " ORDER BY " : ", ") + columns.back();
  }
  std::string where;
  const auto add = [&](const std::string& condition) { where += (where.empty() ? " WHERE " : " AND ") + condition; };
  if (!selection.after.empty()) {
    add(behind(columns, selection.after));
  } else {
    for (const auto& column : columns) add(column + " IS NOT NULL");
  }
  if (selection.delay.count() > 0)
    add(columns.at(0) +
        " <= " + now_less(std::chrono::duration_cast<std::chrono::microseconds>(selection.delay).count()));
  return "SELECT " + what + " FROM " + selection.from + where + order +
         (selection.limit == 0 ? "" : " LIMIT " + std::to_string(selection.limit));
}

std::string subquery(std::string query) {
  while (!query.empty() && (query.back() == ';' || query.back() == ' ' || query.back() == '\n')) query.pop_back();
  return "(" + query + "\n) AS weir_rows";  // the line's end, should the query end in a comment
}

void check_names(const std::vector<std::string>& names) {
  auto sorted = names;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end())
    throw Misconfigured("query: two columns have the name " + *twice + "; give them names of their own with AS");
}

}  // namespace weir::db
