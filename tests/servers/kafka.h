#pragma once
// Apache Kafka's own broker for tests, one node: on free ports of 127.0.0.1, in a temporary folder, gone with the
// object. tests/servers/kafka/ has its scripts; they also serve tests in other languages.
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace weir::testing {

class KafkaBroker {
 public:
  /// True if it can be had: Java is installed, and the jars are there or could be downloaded. If not, prints a line
  /// "SKIPPED: …".
  static bool available();
  /// The broker that the cases of one test program share; null if there is none to be had.
  static KafkaBroker* shared();

  /// Starts it, which takes a few seconds. `properties` are further lines of server.properties. Throws
  /// std::runtime_error with its log if it does not start. `started` false: only takes the ports and the folder.
  explicit KafkaBroker(std::vector<std::string> properties = {}, bool started = true);
  ~KafkaBroker();
  KafkaBroker(const KafkaBroker&) = delete;
  KafkaBroker& operator=(const KafkaBroker&) = delete;

  /// Starts it (again), on the same ports and with the same data.
  void start();
  /// SIGKILL, and waits until it is gone.
  void kill();
  bool running() const { return process_ > 0; }

  /// HOST:PORT, for bootstrap.servers.
  std::string brokers() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string log() const;

 private:
  const std::vector<std::string> properties_;
  std::filesystem::path folder_;
  std::uint16_t port_ = 0;
  std::uint16_t controller_port_ = 0;
  int starts_ = 0;
  pid_t process_ = -1;
};

}  // namespace weir::testing
