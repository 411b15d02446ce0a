#pragma once
// A Selection as SQL; the databases differ only in how they quote names and know the time.

#include <functional>
#include <string>
#include <string_view>

#include "connection.h"

namespace weir::db {

/// `now_less`: the SQL of the time so many microseconds ago. `what`: the columns, or *.
std::string select_sql(const Selection& selection, const std::function<std::string(std::string_view)>& quoted,
                       const std::function<std::string(std::int64_t)>& now_less, const std::string& what = "*");

/// An author's query as it stands behind FROM.
std::string subquery(std::string query);

/// Throws Misconfigured if a name comes twice: a record would have two fields of that name.
void check_names(const std::vector<std::string>& names);

}  // namespace weir::db
