#pragma once
// Real servers for the tests of SqlSink and SqlSource: one of each kind for the whole program, started when first used.

#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "address.h"
#include "connection.h"
#include "tests/servers/mariadb.h"
#include "tests/servers/postgresql.h"
#include "tests/servers/process.h"

namespace weir::db {

/// A kind of server, and the one of its kind.
template <class Server>
struct Shared {
  static bool available() {
    static const bool available = Server::available();
    return available;
  }
  static Server& server() {
    static Server server;
    return server;
  }
  static std::unique_ptr<Connection> admin() { return Connection::open(parse_address(server().admin_url()), Login{}); }
  static std::string login() { return "database: \"" + server().url() + "\"\npassword: secret\n"; }
  /// All rows of a query, values joined by | and rows by newlines; NULL as nothing.
  static std::string rows(const std::string& sql) {
    const auto connection = admin();
    std::string text;
    for (const auto& row : connection->query(sql, {})) {
      if (!text.empty()) text += '\n';
      for (std::size_t i = 0; i < row.size(); ++i) text += (i == 0 ? "" : "|") + row[i].value_or("");
    }
    return text;
  }
  static void execute(const std::string& sql) { admin()->execute(sql); }
};

struct OnPostgresql : Shared<testing::PostgresqlServer> {
  static constexpr Dialect kDialect = Dialect::postgresql;
  /// A statement as the user weir, who then owns what it makes.
  static void own(const std::string& sql) { execute("SET ROLE weir; " + sql); }
};

struct OnMariadb : Shared<testing::MariadbServer> {
  static constexpr Dialect kDialect = Dialect::mariadb;
  static void own(const std::string& sql) { execute(sql); }
};

/// `build/weir run`, one life after another, in a folder of its own.
class Weir {
 public:
  explicit Weir(const std::string& flow) : folder_(testing::temporary_folder("weir-sql-flow", {})) {
    std::ofstream(folder_ / "flow.yaml") << flow;
  }
  ~Weir() {
    testing::end(process_, SIGKILL);
    std::filesystem::remove_all(folder_);
  }
  void start(bool until_idle = false) {
    const char* build = std::getenv("WEIR_BUILD");
    std::vector<std::string> command = {std::string(build == nullptr ? "build" : build) + "/weir",
                                        "run",
                                        (folder_ / "flow.yaml").string(),
                                        "--data",
                                        (folder_ / "data").string(),
                                        "--listen",
                                        "127.0.0.1:0"};
    if (until_idle) command.push_back("--until-idle");
    process_ = testing::spawn(command, folder_ / "log");
  }
  void kill() { testing::end(process_, SIGKILL); }
  /// Its exit status, once it has ended by itself.
  int wait() {
    int status = -1;
    ::waitpid(process_, &status, 0);
    process_ = -1;
    return status;
  }
  std::string log() const { return testing::read_file(folder_ / "log"); }

 private:
  std::filesystem::path folder_;
  pid_t process_ = -1;
};

}  // namespace weir::db
