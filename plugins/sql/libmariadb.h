#pragma once
// libmariadb, loaded on demand. Its functions have their own names without mysql_.

#include <mysql.h>

namespace weir::db {

struct Libmariadb {
  decltype(&::mysql_init) init;
  decltype(&::mysql_optionsv) optionsv;
  decltype(&::mysql_real_connect) real_connect;
  decltype(&::mysql_close) close;
  decltype(&::mysql_errno) error_number;
  decltype(&::mysql_error) error;
  decltype(&::mysql_sqlstate) sqlstate;
  decltype(&::mysql_real_query) real_query;
  decltype(&::mysql_real_escape_string) real_escape_string;
  decltype(&::mysql_use_result) use_result;
  decltype(&::mysql_free_result) free_result;
  decltype(&::mysql_next_result) next_result;
  decltype(&::mysql_num_fields) num_fields;
  decltype(&::mysql_fetch_fields) fetch_fields;
  decltype(&::mysql_fetch_row) fetch_row;
  decltype(&::mysql_fetch_lengths) fetch_lengths;
  decltype(&::mysql_get_socket) get_socket;
  decltype(&::mysql_get_server_info) get_server_info;
  decltype(&::mariadb_field_attr) field_attr;
  decltype(&::mysql_stmt_init) stmt_init;
  decltype(&::mysql_stmt_prepare) stmt_prepare;
  decltype(&::mysql_stmt_bind_param) stmt_bind_param;
  decltype(&::mysql_stmt_execute) stmt_execute;
  decltype(&::mysql_stmt_free_result) stmt_free_result;
  decltype(&::mysql_stmt_next_result) stmt_next_result;
  decltype(&::mysql_stmt_close) stmt_close;
  decltype(&::mysql_stmt_errno) stmt_errno;
  decltype(&::mysql_stmt_error) stmt_error;
  decltype(&::mysql_stmt_sqlstate) stmt_sqlstate;
  decltype(&::mysql_stmt_param_count) stmt_param_count;
};

/// Loaded with the first call. Throws Misconfigured if it cannot be.
const Libmariadb& libmariadb();

}  // namespace weir::db
