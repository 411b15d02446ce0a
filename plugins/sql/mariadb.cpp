#include "mariadb.h"

#include <algorithm>
#include <cstdlib>

#include "libmariadb.h"

namespace weir::db {

namespace {

constexpr unsigned kConnectSeconds = 10;
/// The system's authorities on Debian; the library does not look for them by itself.
constexpr const char* kSystemAuthorities = "/etc/ssl/certs/ca-certificates.crt";

std::string quoted(std::string_view name) {
  std::string result = "`";
  for (const char c : name) {
    if (c == '`') result += '`';
    result += c;
  }
  return result + '`';
}

bool one_of(unsigned number, std::initializer_list<unsigned> numbers) {
  return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

/// Numbers of the MariaDB Server's error codes.
bool about_the_row(unsigned number, const std::string& state) {
  return state.starts_with("22") || state.starts_with("23") || state == "45000" ||
         one_of(number,
                {1264, 1265, 1292, 1364, 1366, 1367, 1369, 1406, 1411, 1416, 1452, 1526, 1690, 3140, 3819, 4025, 4038});
}

}  // namespace

Mariadb::Mariadb(Address address, Login login) : address_(std::move(address)), login_(std::move(login)) {
  connect();
}

Mariadb::~Mariadb() {
  drop();
}

void Mariadb::drop() noexcept {
  if (handle_ == nullptr) return;
  libmariadb().close(handle_);
  handle_ = nullptr;
  note_dropped();
}

void Mariadb::connect() {
  drop();
  const auto& library = libmariadb();
  handle_ = library.init(nullptr);
  if (handle_ == nullptr) throw Unavailable(address_.display + ": out of memory");
  const auto seconds = static_cast<unsigned>(
      std::max<std::int64_t>(1, std::chrono::duration_cast<std::chrono::seconds>(login_.timeout).count()));
  const auto connect_within = std::min(kConnectSeconds, seconds);
  const auto answer_within = seconds + 5;  // the server's own bound comes first
  const unsigned no_local_files = 0;       // a server could ask for any file of this machine
  library.optionsv(handle_, MYSQL_OPT_CONNECT_TIMEOUT, &connect_within);
  library.optionsv(handle_, MYSQL_OPT_READ_TIMEOUT, &answer_within);
  library.optionsv(handle_, MYSQL_OPT_WRITE_TIMEOUT, &answer_within);
  library.optionsv(handle_, MYSQL_OPT_LOCAL_INFILE, &no_local_files);
  library.optionsv(handle_, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  if (login_.tls) {
    const my_bool yes = 1;
    const my_bool verify = login_.tls->verify ? 1 : 0;
    const auto& ca = login_.tls->ca;
    library.optionsv(handle_, MYSQL_OPT_SSL_ENFORCE, &yes);
    library.optionsv(handle_, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    if (verify != 0 || !ca.empty())
      library.optionsv(handle_, MYSQL_OPT_SSL_CA, ca.empty() ? kSystemAuthorities : ca.c_str());
    if (!login_.tls->cert.empty()) library.optionsv(handle_, MYSQL_OPT_SSL_CERT, login_.tls->cert.c_str());
    if (!login_.tls->key.empty()) library.optionsv(handle_, MYSQL_OPT_SSL_KEY, login_.tls->key.c_str());
  }
  const auto socket = address_.options.find("socket");
  const bool by_socket = socket != address_.options.end();
  const unsigned protocol = by_socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;  // "localhost" would be a socket
  library.optionsv(handle_, MYSQL_OPT_PROTOCOL, &protocol);
  if (library.real_connect(handle_, by_socket ? nullptr : address_.host.c_str(), address_.user.c_str(),
                           login_.password.c_str(), address_.database.c_str(), address_.port,
                           by_socket ? socket->second.c_str() : nullptr, 0) == nullptr) {
    const auto number = library.error_number(handle_);
    const std::string message = library.error(handle_);
    drop();
    const auto say = [&](const char* advice) { return address_.display + ": " + message + advice; };
    if (one_of(number, {1044, 1045, 1130, 1251, 1275, 1698, 2059}))
      throw Misconfigured(say(". Check the user in `database`, `password`, and what the user may do"));
    if (number == 1049) throw Misconfigured(say(". Create it, or name another in `database`"));
    const auto has = [&](const char* part) { return message.find(part) != std::string::npos; };
    if (number == 2026 && (has("certificate") || has("verif") || has("required") || has("support") || has("match")))
      throw Misconfigured(say(". Check `tls`"));
    throw Unavailable(say(""));
  }
  note_connected();
  const auto bound = std::to_string(seconds);
  // A session that this one lost sight of ends by itself, and with it what it holds locked.
  execute(
      "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
      "NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', net_write_timeout = 3600, lock_wait_timeout = " +
      bound + ", innodb_lock_wait_timeout = " + bound +
      // A query that is read as fast as the flow takes it may go on for hours.
      " /*M!100303 , idle_transaction_timeout = " + (login_.read_only ? "600" : "60") +
      ", max_statement_time = " + (login_.read_only ? "0" : bound) + " */");
  if (login_.read_only) execute("SET SESSION TRANSACTION READ ONLY");
  max_packet_ = std::strtoull(query("SELECT @@max_allowed_packet", {}).at(0).at(0).value_or("0").c_str(), nullptr, 10);
}

void Mariadb::fail(unsigned number, const std::string& state, const std::string& message) {
  if (about_the_row(number, state)) throw RowError(message);
  const auto say = [&](const char* advice) { return address_.display + ": " + message + advice; };
  if (number == 1213) {
    throw TakenBack(say("; it is tried again"));  // the deadlock's victim: all of the transaction is taken back
  }
  // Error codes of the library begin at 2000, those of the server's own at 1000 and 3000.
  if ((number >= 2000 && number < 3000) ||
      one_of(number, {1053, 1077, 1079, 1152, 1159, 1161, 1184, 1927, 3169, 4031})) {
    const auto text = say("");
    drop();
    throw Unavailable(text);
  }
  if (one_of(number, {1021, 1037, 1038, 1040, 1041, 1114, 1203, 1205, 1206, 1226, 1290, 1317, 1836, 1969, 3024, 1020}))
    throw Unavailable(say("; it is tried again"));
  if (one_of(number, {1044, 1142, 1143, 1227, 1370})) throw Misconfigured(say(". Grant the user what it needs"));
  throw Misconfigured(address_.display + ": " + message + " (error " + std::to_string(number) + ")");
}

void Mariadb::check(int result) {
  if (result != 0)
    fail(libmariadb().error_number(handle_), libmariadb().sqlstate(handle_), libmariadb().error(handle_));
}

void Mariadb::send(std::string_view sql) {
  need_connection();
  check(libmariadb().real_query(handle_, sql.data(), static_cast<unsigned long>(sql.size())));
}

void Mariadb::execute(const std::string& sql) {
  need_connection();
  rows_of(sql);  // as it stands: a ? of the author's is no place for a parameter
}

void Mariadb::append_literal(std::string_view text, std::string& sql) const {
  sql += '\'';
  const auto from = sql.size();
  sql.resize(from + 2 * text.size() + 1);
  const auto size =
      libmariadb().real_escape_string(handle_, sql.data() + from, text.data(), static_cast<unsigned long>(text.size()));
  sql.resize(from + size);
  sql += '\'';
}

std::vector<Texts> Mariadb::query(const std::string& sql, const std::vector<std::string>& parameters) {
  need_connection();
  std::string text;
  std::size_t number = 0;
  for (const char c : sql) {  // its author is Weir, who writes no ? elsewhere
    if (c == '?') {
      append_literal(parameters.at(number++), text);
    } else {
      text += c;
    }
  }
  return rows_of(text);
}

std::vector<Texts> Mariadb::rows_of(const std::string& sql) {
  send(sql);
  std::vector<Texts> rows;
  auto* result = libmariadb().use_result(handle_);
  if (result == nullptr) {
    check(libmariadb().error_number(handle_) == 0 ? 0 : 1);
    return rows;
  }
  const auto columns = libmariadb().num_fields(result);
  while (auto* row = libmariadb().fetch_row(result)) {
    const auto* lengths = libmariadb().fetch_lengths(result);
    auto& texts = rows.emplace_back();
    for (unsigned i = 0; i < columns; ++i) {
      auto& value = texts.emplace_back();
      if (row[i] != nullptr) value.emplace(row[i], lengths[i]);
    }
  }
  libmariadb().free_result(result);
  check(libmariadb().error_number(handle_) == 0 ? 0 : 1);
  return rows;
}

std::string Mariadb::table_name(const std::string& table) const {
  const auto dot = table.find('.');
  if (dot == std::string::npos) return quoted(table);
  return quoted(table.substr(0, dot)) + "." + quoted(table.substr(dot + 1));
}

std::optional<std::vector<Column>> Mariadb::describe(const std::string& table) {
  const auto dot = table.find('.');
  const auto schema = dot == std::string::npos ? address_.database : table.substr(0, dot);
  const auto name = dot == std::string::npos ? table : table.substr(dot + 1);
  const auto tables = query(
      "SELECT t.engine, COALESCE(e.transactions, 'YES') FROM information_schema.tables t LEFT JOIN "
      "information_schema.engines e ON e.engine = t.engine WHERE t.table_schema = ? AND "
      "t.table_name = ?",
      {schema, name});
  if (tables.empty()) return std::nullopt;
  if (tables[0][1] != "YES")
    throw Misconfigured("table " + table + " of " + address_.display + " has the engine " + tables[0][0].value_or("?") +
                        ", which knows no transactions: ALTER TABLE … ENGINE=InnoDB");
  std::vector<Column> columns;
  for (const auto& row : query("SELECT column_name, column_type, is_nullable, column_key, extra FROM "
                               "information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY "
                               "ordinal_position",
                               {schema, name})) {
    if (row[4] && row[4]->find("GENERATED") != std::string::npos &&
        row[4]->find("DEFAULT_GENERATED") == std::string::npos)
      continue;
    columns.push_back({*row[0], *row[1], row[2] == "NO", row[3] == "PRI"});
  }
  // JSON is another name of LONGTEXT in MariaDB; the constraint that comes with it tells them apart.
  if (std::string_view(libmariadb().get_server_info(handle_)).find("MariaDB") != std::string_view::npos) {
    for (const auto& row : query("SELECT constraint_name FROM information_schema.check_constraints WHERE "
                                 "constraint_schema = ? AND table_name = ? AND check_clause LIKE 'json_valid(%'",
                                 {schema, name})) {
      for (auto& column : columns) {
        if (column.name == row[0] && column.type == "longtext") column.type = "json";
      }
    }
  }
  return columns;
}

/// One in which 'a' and 'a ' are two keys: MariaDB's has another name than MySQL's, which came with 8.0.17.
std::string Mariadb::key_collation() {
  const auto rows = query(
      "SELECT collation_name FROM information_schema.collations WHERE collation_name IN ('utf8mb4_nopad_bin', "
      "'utf8mb4_0900_bin') ORDER BY collation_name DESC",
      {});
  return rows.empty() ? "utf8mb4_bin" : rows[0][0].value_or("utf8mb4_bin");
}

void Mariadb::create(const std::string& table, const std::vector<NewColumn>& columns,
                     const std::vector<std::string>& key) {
  const auto key_text = "VARCHAR(255) COLLATE " + key_collation();
  const auto type = [&](const NewColumn& column) -> std::string {
    switch (column.content) {
      case Content::integer:
        return "BIGINT";
      case Content::boolean:
        return "BOOLEAN";
      case Content::number:
        return "DOUBLE";
      case Content::time:
        return "DATETIME(6)";
      case Content::json:
        return "JSON";
      case Content::text:
      case Content::any:
        break;
    }
    const bool in_key = std::find(key.begin(), key.end(), column.name) != key.end();
    return in_key ? key_text : "LONGTEXT";
  };
  std::string sql;
  for (const auto& column : columns)
    sql += (sql.empty() ? "" : ", ") + quoted(column.name) + " " + type(column) + (column.not_null ? " NOT NULL" : "");
  std::string keys;
  for (const auto& name : key) keys += (keys.empty() ? "" : ", ") + quoted(name);
  if (!key.empty()) sql += ", PRIMARY KEY (" + keys + ")";
  execute("CREATE TABLE IF NOT EXISTS " + table_name(table) + " (" + sql + ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4");
}

ServerType mariadb_type(const std::string& type) {
  const auto is = [&](const char* beginning) { return type.starts_with(beginning); };
  const bool is_unsigned = type.find("unsigned") != std::string::npos;
  const auto integer = [&](int bits) {
    return ServerType{.category = Category::integer, .bits = bits, .is_unsigned = is_unsigned};
  };
  if (is("tinyint")) return integer(8);
  if (is("smallint")) return integer(16);
  if (is("mediumint")) return integer(24);
  if (is("int")) return integer(32);
  if (is("bigint")) return integer(64);
  if (is("bit(")) {
    const int bits = std::atoi(type.c_str() + 4);
    return {.category = Category::integer, .bits = bits, .is_unsigned = true};
  }
  if (is("float") || is("double")) return {.category = Category::real};
  if (is("decimal")) return {.category = Category::decimal};
  if (is("char") || is("varchar") || type.ends_with("text")) return {.category = Category::text};
  if (is("datetime") || is("timestamp")) return {.category = Category::time};
  if (type == "date") return {.category = Category::date};
  if (type == "json") return {.category = Category::json};
  if (type.ends_with("blob") || is("binary") || is("varbinary")) return {.category = Category::bytes};
  return {};
}

}  // namespace weir::db
