#include "table_reader.h"

#include "connection.h"
#include "row_chunks.h"
#include "selection.h"

namespace weir::db {

void read_table(const TableRequest& request, TableRows& rows) {
  Login login{request.password, {}, request.timeout, true};
  if (request.tls) login.tls = TlsSettings{request.tls->ca, request.tls->cert, request.tls->key, request.tls->verify};
  const auto address = parse_address(request.database);
  check(address, login);
  const auto connection = Connection::open(address, login);
  const auto lock = connection->lock();
  Selection selection;
  selection.from = request.query.empty() ? connection->table_name(request.table) : subquery(request.query);
  if (request.columns_only) selection.from = "(SELECT * FROM " + selection.from + " LIMIT 0) AS weir_none";
  const auto cursor = connection->select(selection);
  if (!rows.columns(cursor->names()) || request.columns_only) return;
  std::string row;
  while (cursor->next()) {
    row.clear();
    append_row(*cursor, row);
    if (!rows.row(row)) return;
  }
}

}  // namespace weir::db
