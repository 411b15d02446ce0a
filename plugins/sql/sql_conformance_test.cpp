// SqlSource and SqlSink keep the promises of every source and sink, with each kind of database.

#include <doctest/doctest.h>

#include <chrono>

#include "database.h"
#include "servers_test.h"
#include "temporary_folder.h"
#include "weir/conformance.h"

namespace weir::db {
namespace {

/// A SQLite file that offers what the servers do.
struct OnSqlite {
  static constexpr Dialect kDialect = Dialect::sqlite;
  static bool available() { return true; }
  static std::string path() {
    static const sqlite::TemporaryFolder folder;
    return folder / "conformance.db";
  }
  static std::string login() { return "database: " + path() + "\n"; }
  static std::unique_ptr<Connection> admin() { return Connection::open(parse_address(path()), Login{}); }
  static void execute(const std::string& sql) { admin()->execute(sql); }
  static void own(const std::string& sql) { execute(sql); }
};

/// A table of its own for every promise, with a column that tells the order in which rows came.
template <class On>
class Table {
 protected:
  Table() {
    if (!On::available()) throw conformance::Missing();
    for (const auto* table : {"t", "weir_progress", "weir_rejected"})
      On::execute(std::string("DROP TABLE IF EXISTS ") + table);
    const auto* id = On::kDialect == Dialect::postgresql ? "BIGSERIAL PRIMARY KEY"
                     : On::kDialect == Dialect::mariadb  ? "BIGINT AUTO_INCREMENT PRIMARY KEY"
                                                         : "INTEGER PRIMARY KEY";
    On::own(std::string("CREATE TABLE t (id ") + id + ", n BIGINT, word VARCHAR(20), pad VARCHAR(80))");
  }
};

template <class On>
class ServerOf : public conformance::Server {
 public:
  void stop_server() override { On::server().kill(); }
  void start_server() override {
    On::server().start();
    // It accepts before it has recovered.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (true) {
      try {
        On::execute("SELECT 1");
        return;
      } catch (const Unavailable&) {
        if (std::chrono::steady_clock::now() > deadline) throw;
      }
    }
  }
};

template <class On>
std::string with_password(std::string properties, const std::string& password) {
  return properties.replace(properties.find("secret"), 6, password);
}

template <class On>
class Rows : public conformance::Source, Table<On> {
 public:
  std::string processor() override {
    return "type: SqlSource\n" + On::login() +
           "table: t\nmode: incrementing\ncolumn: id\nbatch: 500\nchunk_size: 4KiB\ninterval: 50ms\ntimeout: 5s";
  }
  void publish(std::int64_t first, std::int64_t count) override {
    std::string sql = "INSERT INTO t (n, word, pad) VALUES ";
    for (auto n = first; n < first + count; ++n)
      sql += (n == first ? "(" : ", (") + std::to_string(n) + ", 'a', 'forty characters that make it look real....')";
    On::execute(sql);
  }
};

template <class On>
class Written : public conformance::Sink, public conformance::ExactlyOnce, Table<On> {
 public:
  std::string processor() override {
    return "type: SqlSink\n" + On::login() + "table: t\ncolumns: {n: n, word: key, pad: pad}\ntimeout: 5s";
  }
  std::vector<std::int64_t> arrived() override {
    std::vector<std::int64_t> numbers;
    for (const auto& row : On::admin()->query("SELECT n FROM t ORDER BY id", {}))
      numbers.push_back(std::stoll(row.at(0).value()));
    return numbers;
  }
};

template <class On, class Side>
class Served : public Side, public ServerOf<On>, public conformance::Login {
 public:
  std::string with_secret(const std::string& wrong) override { return with_password<On>(this->processor(), wrong); }
};

using PostgresqlRows = Served<OnPostgresql, Rows<OnPostgresql>>;
using PostgresqlTable = Served<OnPostgresql, Written<OnPostgresql>>;
using MariadbRows = Served<OnMariadb, Rows<OnMariadb>>;
using MariadbTable = Served<OnMariadb, Written<OnMariadb>>;
using SqliteRows = Rows<OnSqlite>;
using SqliteTable = Written<OnSqlite>;

WEIR_CONFORMANCE(PostgresqlRows)
WEIR_CONFORMANCE(PostgresqlTable)
WEIR_CONFORMANCE(MariadbRows)
WEIR_CONFORMANCE(MariadbTable)
WEIR_CONFORMANCE(SqliteRows)
WEIR_CONFORMANCE(SqliteTable)

}  // namespace
}  // namespace weir::db
