// What scaling out promises: several Weirs run one flow in one group, each with a disk of its own, and the tables and
// topics behind it hold exactly what one Weir gives, while Weirs are killed for good, cut off, and added.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "kafka_test.h"
#include "servers_test.h"
#include "tests/servers/kafka.h"

namespace {

using weir::kafka::testing::TestClient;
using weir::testing::KafkaBroker;
using Clock = std::chrono::steady_clock;
using Postgresql = weir::db::OnPostgresql;

constexpr int kPartitions = 6;
constexpr int kSensors = 60;
constexpr std::int64_t kStart = 1'700'000'000;

/// A Weir on a machine of its own.
class Worker {
 public:
  Worker(const std::filesystem::path& flow, int number) : folder_(weir::testing::temporary_folder("weir-worker")) {
    const std::filesystem::path build = std::getenv("WEIR_BUILD");
    log_ = flow.parent_path() / ("worker-" + std::to_string(number) + ".log");
    process_ = weir::testing::spawn({build / "weir", "run", flow, "--data", folder_ / "data", "--listen", "127.0.0.1:0",
                                     "--plugins", build / "plugins"},
                                    log_);
  }
  ~Worker() { lose(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// kill -9, and its disk is gone.
  void lose() {
    if (process_ > 0) weir::testing::end_process(std::exchange(process_, -1), SIGKILL);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  /// As an operator ends it.
  void stop() { weir::testing::end(process_, SIGTERM); }
  void freeze() const { ::kill(process_, SIGSTOP); }
  void thaw() const { ::kill(process_, SIGCONT); }
  std::string log() const { return weir::testing::read_file(log_); }

 private:
  std::filesystem::path folder_;
  std::filesystem::path log_;
  pid_t process_ = -1;
};

/// Readings of sensors, each sensor in the partition of its number, in the order of time.
class Readings {
 public:
  explicit Readings(TestClient& client) : client_(client) {}

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

  TestClient& client_;
  int produced_ = 0;
  std::map<std::pair<std::string, std::int64_t>, std::pair<std::int64_t, int>> windows_;
};

std::string flow_of(const std::string& brokers) {
  const auto kafka = "brokers: \"" + brokers + "\"";
  return "flow: share\nscale_out: true\n"
         "records:\n  reading: {k: {type: text}, t: {type: time, format: unix_s}, v: {type: number}, n: {type: "
         "integer}}\n"
         "processors:\n"
         "  in: {type: KafkaSource, " +
         kafka +
         ", topic: readings, group: share, record: reading, emit: chunk, chunk_size: 4KiB,\n"
         "    options: {session.timeout.ms: \"3000\", heartbeat.interval.ms: \"300\"}, to: [kept, raw]}\n"
         "  kept: {type: Filter, where: \"v >= 0\", to: {matched: mean}, drop: [unmatched, failure]}\n"
         "  mean: {type: WindowAggregate, key: k, time: t, window: 10s,\n"
         "    aggregates: {readings: {function: count}, total: {function: sum, of: v}},\n"
         "    to: {success: [table, means]}, drop: [late, failure]}\n"
         "  table: {type: SqlSink, database: \"" +
         Postgresql::server().url() +
         "\", password: secret, table: means, create: false, delivery: exactly_once, drop: failure}\n"
         "  means: {type: KafkaSink, " +
         kafka + ", topic: means, key: k, delivery: exactly_once, drop: failure}\n  raw: {type: KafkaSink, " + kafka +
         ", topic: raw, key: k, delivery: exactly_once, drop: failure}\n";
}

std::string all_logs(const std::vector<std::unique_ptr<Worker>>& workers) {
  std::string text;
  for (std::size_t i = 0; i < workers.size(); ++i) {
    const auto log = workers[i]->log();
    text += "\n--- worker " + std::to_string(i) + "\n" + log.substr(log.size() < 6000 ? 0 : log.size() - 6000);
  }
  return text;
}

}  // namespace

TEST_CASE("Weirs that are killed for good, cut off and added give what one Weir gives") {
  if (!Postgresql::available()) return;
  if (!KafkaBroker::available()) return;
  KafkaBroker broker({"group.min.session.timeout.ms=1000", "group.initial.rebalance.delay.ms=0"});
  TestClient client(broker.brokers());
  client.create_topic("readings", kPartitions);
  client.create_topic("raw", kPartitions);
  client.create_topic("means", kPartitions);
  Postgresql::own(
      "CREATE TABLE means (k text, window_start timestamptz, window_end timestamptz, readings bigint, total double "
      "precision, revision bigint)");
  const auto folder = weir::testing::temporary_folder("weir-scaling");
  std::ofstream(folder / "flow.yaml") << flow_of(broker.brokers());

  Readings readings(client);
  std::vector<std::unique_ptr<Worker>> workers;
  const auto add = [&]() -> Worker& {
    return *workers.emplace_back(std::make_unique<Worker>(folder / "flow.yaml", static_cast<int>(workers.size())));
  };
  /// Until so many of the readings are through.
  const auto wait_for = [&](std::size_t count) {
    const auto deadline = Clock::now() + std::chrono::seconds(90);
    for (std::size_t there = 0; (there = client.read("raw", kPartitions).size()) < count;) {
      if (Clock::now() > deadline) FAIL(there, " of ", count, " readings came through", all_logs(workers));
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
  };

  auto& first = add();
  auto& second = add();
  auto& third = add();
  readings.produce(6'000);
  wait_for(3'000);
  first.lose();
  readings.produce(6'000);
  wait_for(9'000);  // so others have taken over what it had
  auto& fourth = add();
  readings.produce(6'000);
  wait_for(14'000);
  second.freeze();  // in whatever it is at
  readings.produce(6'000);
  wait_for(23'000);  // others have its partitions: its session is over
  second.thaw();
  readings.produce(6'000);
  wait_for(26'000);
  fourth.lose();
  third.stop();
  add();
  readings.produce(6'000);
  readings.end();
  wait_for(readings.count());
  const auto expected = readings.expected();
  const auto rows_of = [] {
    std::multiset<std::string> rows;
    std::istringstream lines(
        Postgresql::rows("SELECT k, extract(epoch FROM window_start)::bigint, readings, total::bigint FROM means"));
    for (std::string line; std::getline(lines, line);) rows.insert(line);
    return rows;
  };
  const auto deadline = Clock::now() + std::chrono::seconds(60);
  while (rows_of().size() < expected.size() && Clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(200));

  const auto rows = rows_of();
  INFO(all_logs(workers));
  CHECK(rows.size() == expected.size());
  CHECK(std::set<std::string>(rows.begin(), rows.end()) == expected);
  CHECK(client.read("means", kPartitions).size() == expected.size());
  std::multiset<int> numbers;
  for (const auto& message : client.read("raw", kPartitions))
    numbers.insert(std::stoi(message.value->substr(message.value->find("\"n\":") + 4)));
  CHECK(numbers.size() == readings.count());
  CHECK(std::set<int>(numbers.begin(), numbers.end()).size() == readings.count());
  workers.clear();
  std::filesystem::remove_all(folder);
}
