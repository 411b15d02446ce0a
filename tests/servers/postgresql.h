#pragma once
// A real PostgreSQL for tests: on a free port of 127.0.0.1, in a temporary folder, gone with the object.

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>

namespace weir::testing {

/// The user `weir` has the password `secret` over TCP, and a database `lake` of its own; the superuser `postgres` needs
/// none.
class PostgresqlServer {
 public:
  struct Options {
    bool tls = false;
  };

  /// True if it is installed. If not, prints a line "SKIPPED: …".
  static bool available();

  explicit PostgresqlServer(Options options);
  PostgresqlServer() : PostgresqlServer(Options{}) {}
  ~PostgresqlServer();
  PostgresqlServer(const PostgresqlServer&) = delete;
  PostgresqlServer& operator=(const PostgresqlServer&) = delete;

  /// Starts it again on the same port.
  void start();
  /// Ends every connection, and waits until it is gone.
  void stop();
  /// SIGKILL to all of it.
  void kill();

  std::string url(const std::string& database = "lake") const;        ///< of the user weir
  std::string admin_url(const std::string& database = "lake") const;  ///< of the superuser
  std::uint16_t port() const { return port_; }
  std::string ca() const { return (folder_ / "server.pem").string(); }
  std::string log() const;

 private:
  void configure() const;

  Options options_;
  std::string user_;
  std::filesystem::path folder_;
  std::uint16_t port_ = 0;
  pid_t process_ = -1;
};

}  // namespace weir::testing
