#pragma once
// `weir run` of one flow, one life after another, in a folder of its own.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace weir::conformance {

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
  /// What it answers to GET; empty while it does not. Sets the status.
  std::string get(const std::string& path, int& status);
  void await_end(std::chrono::seconds within, const std::string& what);

  std::filesystem::path folder_;
  pid_t process_ = -1;
  int status_ = 0;
  std::uint16_t port_ = 0;
  std::uintmax_t life_begins_ = 0;  ///< in the log
};

}  // namespace weir::conformance
