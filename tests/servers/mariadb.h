#pragma once
// A real MariaDB for tests: on a free port of 127.0.0.1, in a temporary folder, gone with the object.

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>

namespace weir::testing {

/// The user `weir` has the password `secret` and the database `lake`; `root` needs no password.
class MariadbServer {
 public:
  struct Options {
    bool tls = false;
  };

  /// True if it is installed. If not, prints a line "SKIPPED: …".
  static bool available();

  explicit MariadbServer(Options options);
  MariadbServer() : MariadbServer(Options{}) {}
  ~MariadbServer();
  MariadbServer(const MariadbServer&) = delete;
  MariadbServer& operator=(const MariadbServer&) = delete;

  /// Starts it again on the same port.
  void start();
  /// SIGTERM, and waits until it is gone.
  void stop();
  void kill();

  std::string url(const std::string& database = "lake") const;        ///< of the user weir
  std::string admin_url(const std::string& database = "lake") const;  ///< of root
  std::string ca() const { return (folder_ / "server.pem").string(); }
  std::string log() const;

 private:
  Options options_;
  std::string user_;
  std::filesystem::path folder_;
  std::uint16_t port_ = 0;
  pid_t process_ = -1;
};

}  // namespace weir::testing
