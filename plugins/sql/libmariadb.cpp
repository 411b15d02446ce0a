#include "libmariadb.h"

#include "client_library.h"

namespace weir::db {

const Libmariadb& libmariadb() {
  static const Libmariadb table = [] {
    const ClientLibrary library("libmariadb.so.3", "libmariadb3");
    Libmariadb t{};
    library.find("mysql_init", t.init);
    library.find("mysql_optionsv", t.optionsv);
    library.find("mysql_real_connect", t.real_connect);
    library.find("mysql_close", t.close);
    library.find("mysql_errno", t.error_number);
    library.find("mysql_error", t.error);
    library.find("mysql_sqlstate", t.sqlstate);
    library.find("mysql_real_query", t.real_query);
    library.find("mysql_real_escape_string", t.real_escape_string);
    library.find("mysql_use_result", t.use_result);
    library.find("mysql_free_result", t.free_result);
    library.find("mysql_next_result", t.next_result);
    library.find("mysql_num_fields", t.num_fields);
    library.find("mysql_fetch_fields", t.fetch_fields);
    library.find("mysql_fetch_row", t.fetch_row);
    library.find("mysql_fetch_lengths", t.fetch_lengths);
    library.find("mysql_get_socket", t.get_socket);
    library.find("mysql_get_server_info", t.get_server_info);
    library.find("mariadb_field_attr", t.field_attr);
    library.find("mysql_stmt_init", t.stmt_init);
    library.find("mysql_stmt_prepare", t.stmt_prepare);
    library.find("mysql_stmt_bind_param", t.stmt_bind_param);
    library.find("mysql_stmt_execute", t.stmt_execute);
    library.find("mysql_stmt_free_result", t.stmt_free_result);
    library.find("mysql_stmt_next_result", t.stmt_next_result);
    library.find("mysql_stmt_close", t.stmt_close);
    library.find("mysql_stmt_errno", t.stmt_errno);
    library.find("mysql_stmt_error", t.stmt_error);
    library.find("mysql_stmt_sqlstate", t.stmt_sqlstate);
    library.find("mysql_stmt_param_count", t.stmt_param_count);
    return t;
  }();
  return table;
}

}  // namespace weir::db
