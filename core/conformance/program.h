#pragma once
// `weir run` of one flow, one life after another, in a folder of its own.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace weir::conformance {

class Server;

/// Used from one thread, which has to live as long as the object: Weir dies with it.
class Program {
 public:
  Program();
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// The flow of the lives to come.
  void set_flow(const std::string& yaml) const;
  /// A file in the folder.
  std::filesystem::path file(const std::string& name) const { return folder_ / name; }

  void start(bool until_idle = false);
  /// `weir validate --connect`: its exit status, once it has ended; at most 40 s.
  int check_connections();
  /// kill -9.
  void kill();
  /// SIGTERM; throws Broken unless it ends well within 15 s.
  void stop();
  /// Waits until it has ended by itself; throws Broken unless it ends well within 90 s.
  void finish();

  /// Waits for a condition; throws Broken, naming it, if that takes longer than 60 s or if Weir ends.
  void wait_until(const std::function<bool()>& holds, const std::string& condition);
  /// Throws Broken with the end of the log.
  [[noreturn]] void fail(const std::string& what) const;

  /// The sum of a metric over the series whose labels contain a text; 0 while there is none.
  double metric(const std::string& name, const std::string& label = {});
  /// Why /readyz says that it is not ready; empty: it is.
  std::string not_ready();
  std::string log() const;

 private:
  bool running();
  void spawn(std::vector<std::string> arguments);
  /// What it answers to GET; empty while it does not. Sets the status.
  std::string get(const std::string& path, int& status);
  void await_end(std::chrono::seconds within, const std::string& what);
  std::string how_it_ended() const;

  std::filesystem::path folder_;
  pid_t process_ = -1;
  int status_ = 0;
  std::uint16_t port_ = 0;
  std::uintmax_t life_begins_ = 0;  ///< in the log
};

/// That `weir validate --connect` finds the server, does not get in with the wrong secret and does not show it, and
/// says so when the server is away. `name` is the processor's, as it is quoted.
void check_connection(Program& right, Program& wrong, Server& server, const std::string& name,
                      const std::string& secret);

}  // namespace weir::conformance
