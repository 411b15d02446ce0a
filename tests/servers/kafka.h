#pragma once
// Apache Kafka's own broker for tests, one node or three: on free ports of 127.0.0.1, in a temporary folder, gone with
// the object. tests/servers/kafka/ has its scripts; they also serve tests in other languages.
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
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
  /// The same in two steps, for a node that serves only when others do.
  void begin_start();
  void await_start();
  /// SIGKILL, and waits until it is gone.
  void kill();
  bool running() const { return process_ > 0; }

  /// HOST:PORT, for bootstrap.servers.
  std::string brokers() const;
  std::string log() const;
  std::uint16_t controller_port() const { return controller_port_; }
  /// Further lines of server.properties, before it is started.
  void add(std::vector<std::string> properties);

 private:
  std::vector<std::string> properties_;
  std::filesystem::path folder_;
  std::uint16_t port_ = 0;
  std::uint16_t controller_port_ = 0;
  int starts_ = 0;
  pid_t process_ = -1;
};

/// Three nodes, each a broker and a controller: one may die, and the others go on. Topics of the cluster's own have
/// three replicas; a write counts when two have it.
class KafkaCluster {
 public:
  static constexpr std::size_t kNodes = 3;

  /// Starts them all.
  KafkaCluster();

  KafkaBroker& node(std::size_t i) { return *nodes_[i]; }
  /// Of all, for bootstrap.servers.
  std::string brokers() const;

 private:
  std::vector<std::unique_ptr<KafkaBroker>> nodes_;
};

}  // namespace weir::testing
