// What scaling out promises: several Weirs run one flow in one group, each with a disk of its own, and the tables and
// topics behind it hold exactly what one Weir gives, while Weirs are killed for good, cut off, and added.
#include <doctest/doctest.h>

#include <chrono>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "kafka_test.h"
#include "servers_test.h"
#include "tests/scaling/workers_test.h"
#include "tests/servers/kafka.h"

namespace {

using weir::kafka::testing::TestClient;
using weir::testing::KafkaBroker;
using weir::testing::kPartitions;
using weir::testing::Readings;
using weir::testing::Worker;
using Clock = std::chrono::steady_clock;
using Postgresql = weir::db::OnPostgresql;

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
  const auto means = [&] { return client.read("means", kPartitions).size(); };  // committed by themselves, as the table
  while ((rows_of().size() < expected.size() || means() < expected.size()) && Clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(200));

  const auto rows = rows_of();
  INFO(all_logs(workers));
  CHECK(rows.size() == expected.size());
  CHECK(std::set<std::string>(rows.begin(), rows.end()) == expected);
  CHECK(means() == expected.size());
  std::multiset<int> numbers;
  for (const auto& message : client.read("raw", kPartitions))
    numbers.insert(std::stoi(message.value->substr(message.value->find("\"n\":") + 4)));
  CHECK(numbers.size() == readings.count());
  CHECK(std::set<int>(numbers.begin(), numbers.end()).size() == readings.count());
  workers.clear();
  std::filesystem::remove_all(folder);
}
