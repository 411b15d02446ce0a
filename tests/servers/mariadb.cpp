#include "tests/servers/mariadb.h"

#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "tests/servers/process.h"

namespace weir::testing {

bool MariadbServer::available() {
  if (!find_program("mariadbd").empty() && std::filesystem::exists("/usr/share/mysql/mysql_system_tables.sql"))
    return true;
  std::puts("SKIPPED: MariaDB is not installed (scripts/install test)");
  return false;
}

MariadbServer::MariadbServer(Options options)
    : options_(options), user_(server_user()), folder_(temporary_folder("weir-mariadb", user_)) {
  const auto data = folder_ / "data";
  try {
    // What mariadb-install-db does, without the help texts, which take it most of its time.
    {
      std::ofstream first(folder_ / "first.sql");
      first << "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n";
      for (const auto* file :
           {"mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql"})
        first << read_file(std::filesystem::path("/usr/share/mysql") / file) << "\n";
      first << "FLUSH PRIVILEGES;\nCREATE DATABASE lake CHARACTER SET utf8mb4;\n"
               "CREATE OR REPLACE USER root@'127.0.0.1';\nGRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n"
               "CREATE USER weir@'%' IDENTIFIED BY 'secret';\nGRANT ALL ON lake.* TO weir@'%';\n";
    }
    run({"/bin/sh", "-c", "mkdir '" + data.string() + "'"}, folder_, user_);
    run({"/bin/sh", "-c",
         find_program("mariadbd") + " --no-defaults --bootstrap --datadir='" + data.string() +
             "' --innodb-log-file-size=4M --innodb-buffer-pool-size=16M --innodb-flush-method=nosync "
             "--enforce-storage-engine= --max-allowed-packet=8M < '" +
             (folder_ / "first.sql").string() + "'"},
        folder_, user_);
    if (options_.tls)
      run({find_program("openssl"), "req", "-x509", "-days", "2", "-subj", "/CN=localhost", "-addext",
           "subjectAltName=DNS:localhost", "-newkey", "rsa:2048", "-nodes", "-keyout",
           (folder_ / "server.key").string(), "-out", ca()},
          folder_, user_);
    for (int attempt = 0;; ++attempt) {  // another process may take the port in between
      port_ = free_port();
      try {
        start();
        return;
      } catch (const std::runtime_error&) {
        if (attempt == 3) throw;
      }
    }
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
    throw;
  }
}

MariadbServer::~MariadbServer() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void MariadbServer::start() {
  if (process_ > 0) return;
  std::vector<std::string> command = {
      find_program("mariadbd"), "--no-defaults", "--datadir=" + (folder_ / "data").string(),
      "--port=" + std::to_string(port_), "--bind-address=" + server_address(), "--socket=" + (folder_ / "s").string(),
      "--pid-file=" + (folder_ / "pid").string(), "--skip-name-resolve", "--innodb-log-file-size=4M",
      "--innodb-buffer-pool-size=16M",
      // As fsync is not what is tested: a killed process loses nothing all the same.
      "--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync", "--performance-schema=OFF"};
  if (options_.tls) {
    command.push_back("--ssl-cert=" + ca());
    command.push_back("--ssl-key=" + (folder_ / "server.key").string());
  }
  process_ = spawn(command, folder_ / "mariadb.log", user_);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!accepts(port_)) {
    int status = 0;
    if (::waitpid(process_, &status, WNOHANG) == process_) process_ = -1;
    if (process_ < 0 || std::chrono::steady_clock::now() > deadline) {
      kill();
      throw std::runtime_error("MariaDB does not start:\n" + log());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void MariadbServer::stop() {
  end(process_, SIGTERM);
}

void MariadbServer::kill() {
  end(process_, SIGKILL);
}

std::string MariadbServer::url(const std::string& database) const {
  return "mariadb://weir@" + std::string(options_.tls ? "localhost" : server_address()) + ":" + std::to_string(port_) +
         "/" + database;
}

std::string MariadbServer::admin_url(const std::string& database) const {
  return "mariadb://root@" + server_address() + ":" + std::to_string(port_) + "/" + database;
}

std::string MariadbServer::log() const {
  return read_file(folder_ / "mariadb.log");
}

}  // namespace weir::testing
