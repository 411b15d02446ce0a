#pragma once
// What the tests of scaling out share: Weirs on machines of their own, and the readings that they work on.

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kafka_test.h"
#include "tests/servers/process.h"

namespace weir::testing {

inline constexpr int kPartitions = 6;
inline constexpr int kSensors = 60;
inline constexpr std::int64_t kStart = 1'700'000'000;

/// A Weir on a machine of its own.
class Worker {
 public:
  Worker(const std::filesystem::path& flow, int number) : folder_(temporary_folder("weir-worker")) {
    const std::filesystem::path build = std::getenv("WEIR_BUILD");
    log_ = flow.parent_path() / ("worker-" + std::to_string(number) + ".log");
    process_ = spawn({build / "weir", "run", flow, "--data", folder_ / "data", "--listen", "127.0.0.1:0", "--plugins",
                      build / "plugins"},
                     log_);
  }
  ~Worker() { lose(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// kill -9, and its disk is gone.
  void lose() {
    if (process_ > 0) end_process(std::exchange(process_, -1), SIGKILL);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  /// As an operator ends it.
  void stop() { end(process_, SIGTERM); }
  void freeze() const { ::kill(process_, SIGSTOP); }
  void thaw() const { ::kill(process_, SIGCONT); }
  std::string log() const { return read_file(log_); }

 private:
  std::filesystem::path folder_;
  std::filesystem::path log_;
  pid_t process_ = -1;
};

/// Readings of sensors, each sensor in the partition of its number, in the order of time.
class Readings {
 public:
  explicit Readings(kafka::testing::TestClient& client) : client_(client) {}

  /// So many more.
  void produce(int count) {
    for (int i = 0; i < count; ++i, ++produced_) {
      const int sensor = produced_ * 7 % kSensors;
      const auto time = kStart + produced_ / 100;
      const int value = produced_ * 31 % 997;
      send(sensor, time, value);
      auto& [sum, readings] = windows_[{"s" + std::to_string(sensor), time / 10 * 10}];
      sum += value;
      ++readings;
    }
    client_.flush();
  }
  /// A reading in each partition after which all windows have closed.
  void end() {
    for (int sensor = 0; sensor < kPartitions; ++sensor, ++produced_) send(sensor, kStart + 1'000'000, 1);
    client_.flush();
  }
  std::size_t count() const { return static_cast<std::size_t>(produced_); }
  /// sensor|start|readings|sum, as the table has to have them.
  std::set<std::string> expected() const {
    std::set<std::string> rows;
    for (const auto& [key, window] : windows_)
      rows.insert(key.first + "|" + std::to_string(key.second) + "|" + std::to_string(window.second) + "|" +
                  std::to_string(window.first));
    return rows;
  }

 private:
  void send(int sensor, std::int64_t time, int value) {
    const auto key = "s" + std::to_string(sensor);
    client_.produce("readings",
                    "{\"k\":\"" + key + "\",\"t\":" + std::to_string(time) + ",\"v\":" + std::to_string(value) +
                        ",\"n\":" + std::to_string(produced_) + "}",
                    key, sensor % kPartitions);
  }

  kafka::testing::TestClient& client_;
  int produced_ = 0;
  std::map<std::pair<std::string, std::int64_t>, std::pair<std::int64_t, int>> windows_;
};

inline std::string all_logs(const std::vector<std::unique_ptr<Worker>>& workers) {
  std::string text;
  for (std::size_t i = 0; i < workers.size(); ++i) {
    const auto log = workers[i]->log();
    text += "\n--- worker " + std::to_string(i) + "\n" + log.substr(log.size() < 6000 ? 0 : log.size() - 6000);
  }
  return text;
}

}  // namespace weir::testing
