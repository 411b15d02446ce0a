#pragma once
// A real mosquitto for tests: on a free port of 127.0.0.1, in a temporary folder, gone with the object.
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace weir::testing {

class Mosquitto {
 public:
  struct Options {
    std::vector<std::string> config = {};  ///< further lines of mosquitto.conf
    bool tls = false;                      ///< the listener speaks TLS, with certificates made for it
    bool client_certificate = false;       ///< and asks for the client's
    std::vector<std::pair<std::string, std::string>> users = {};  ///< names and passwords; none: anyone may
    bool persistence = false;  ///< sessions and messages survive stop() and start(); kill() loses the latest
  };

  /// True if mosquitto is installed. If not, prints a line "SKIPPED: …".
  static bool available();

  /// Starts it and waits until it accepts. Throws std::runtime_error with its log if it does not.
  explicit Mosquitto(Options options);
  Mosquitto() : Mosquitto(Options{}) {}
  ~Mosquitto();
  Mosquitto(const Mosquitto&) = delete;
  Mosquitto& operator=(const Mosquitto&) = delete;

  /// Starts it again on the same port.
  void start();
  /// SIGTERM, and waits until it is gone.
  void stop();
  /// SIGKILL, and waits until it is gone.
  void kill();
  bool running() const { return process_ > 0; }

  std::uint16_t port() const { return port_; }
  std::string url() const;
  const std::filesystem::path& folder() const { return folder_; }
  std::string log() const;

  /// @name Files in PEM; with Options::tls
  /// @{
  std::string ca() const { return (folder_ / "ca.pem").string(); }
  std::string other_ca() const { return (folder_ / "other_ca.pem").string(); }  ///< that signed nothing here
  std::string certificate() const { return (folder_ / "client.pem").string(); }
  std::string key() const { return (folder_ / "client.key").string(); }
  /// @}

 private:
  void make_certificates() const;
  void write_config() const;
  void end(int signal);

  Options options_;
  std::filesystem::path folder_;
  std::uint16_t port_ = 0;
  pid_t process_ = -1;
};

}  // namespace weir::testing
