#include "tests/servers/postgresql.h"

#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "tests/servers/process.h"

namespace weir::testing {
namespace {

std::string program(const std::string& name) {
  std::error_code ignored;
  for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
    const auto file = version.path() / "bin" / name;
    if (std::filesystem::exists(file)) return file.string();
  }
  return find_program(name);
}

}  // namespace

bool PostgresqlServer::available() {
  if (!program("postgres").empty() && !program("initdb").empty()) return true;
  std::puts("SKIPPED: PostgreSQL is not installed (scripts/install test)");
  return false;
}

PostgresqlServer::PostgresqlServer(Options options)
    : options_(options), user_(server_user()), folder_(temporary_folder("weir-postgresql", user_)) {
  try {
    run({program("initdb"), "-D", (folder_ / "data").string(), "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8",
         "--locale=C"},
        folder_, user_);
    configure();
    std::ofstream(folder_ / "first.sql")
        << "CREATE ROLE weir LOGIN PASSWORD 'secret';\nCREATE DATABASE lake OWNER weir;\n";
    run({"/bin/sh", "-c",
         program("postgres") + " --single -D " + (folder_ / "data").string() + " postgres < " +
             (folder_ / "first.sql").string()},
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

PostgresqlServer::~PostgresqlServer() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void PostgresqlServer::configure() const {
  // What is acknowledged survives a kill of the process; a power cut is not what these tests are about.
  std::ofstream(folder_ / "data" / "postgresql.auto.conf", std::ios::app)
      << "listen_addresses = '" << server_address()
      << "'\nunix_socket_directories = ''\nfsync = off\nshared_buffers = 16MB\n"
         "max_connections = 30\nautovacuum = off\ndeadlock_timeout = 100ms\n"
      << (options_.tls
              ? "ssl = on\nssl_cert_file = '" + ca() + "'\nssl_key_file = '" + (folder_ / "server.key").string() + "'\n"
              : "");
  std::ofstream(folder_ / "data" / "pg_hba.conf") << "host all postgres " << server_address() << "/32 trust\n"
                                                  << "host all all 0.0.0.0/0 scram-sha-256\n";
  if (!options_.tls) return;
  run({find_program("openssl"), "req", "-x509", "-days", "2", "-subj", "/CN=localhost", "-addext",
       "subjectAltName=DNS:localhost", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
       (folder_ / "server.key").string(), "-out", ca()},
      folder_, user_);
}

void PostgresqlServer::start() {
  if (process_ > 0) return;
  process_ = spawn({program("postgres"), "-D", (folder_ / "data").string(), "-p", std::to_string(port_)},
                   folder_ / "postgresql.log", user_);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const auto before = log().size();
  while (log().find("ready to accept connections", before < 200 ? 0 : before - 200) == std::string::npos ||
         !accepts(port_)) {
    int status = 0;
    if (::waitpid(process_, &status, WNOHANG) == process_) process_ = -1;
    if (process_ < 0 || std::chrono::steady_clock::now() > deadline) {
      kill();
      throw std::runtime_error("PostgreSQL does not start:\n" + log());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void PostgresqlServer::stop() {
  end(process_, SIGINT);
}

void PostgresqlServer::kill() {
  end(process_, SIGKILL);  // its children notice, and end
  std::error_code ignored;
  std::filesystem::remove(folder_ / "data" / "postmaster.pid", ignored);
}

std::string PostgresqlServer::url(const std::string& database) const {
  return "postgresql://weir@" + std::string(options_.tls ? "localhost" : server_address()) + ":" +
         std::to_string(port_) + "/" + database;
}

std::string PostgresqlServer::admin_url(const std::string& database) const {
  return "postgresql://postgres@" + server_address() + ":" + std::to_string(port_) + "/" + database;
}

std::string PostgresqlServer::log() const {
  return read_file(folder_ / "postgresql.log");
}

}  // namespace weir::testing
