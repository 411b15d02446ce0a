// What scaling out promises of objects: several Weirs run one flow in one group, each with a disk of its own, and the
// bucket behind it holds each record in exactly one object, and the windows of one Weir, while Weirs are killed for
// good, cut off, and added.
#include <doctest/doctest.h>
#include <zlib.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "kafka_test.h"
#include "tests/scaling/workers_test.h"
#include "tests/servers/kafka.h"
#include "tests/servers/versitygw.h"

namespace {

using weir::kafka::testing::TestClient;
using weir::testing::KafkaBroker;
using weir::testing::kPartitions;
using weir::testing::Readings;
using weir::testing::Versitygw;
using weir::testing::Worker;
using Clock = std::chrono::steady_clock;

/// `raw` has hundreds of objects open, that end by the clock; those of `whole` are full after a few rounds; `means` has
/// what windows give.
std::string flow_of(const std::string& brokers, const Versitygw& store) {
  const auto s3 = "type: S3Sink, endpoint: \"" + store.url() + "\", bucket: " + store.bucket() +
                  ", access_key: " + store.access_key() + ", secret_key: " + store.secret_key() +
                  ", delivery: exactly_once, drop: failure, ";
  return "flow: share\nscale_out: true\n"
         "records:\n  reading: {k: {type: text}, t: {type: time, format: unix_s}, v: {type: number}, n: {type: "
         "integer}}\n"
         "processors:\n"
         "  in: {type: KafkaSource, brokers: \"" +
         brokers +
         "\", topic: readings, group: share, record: reading, emit: chunk, chunk_size: 4KiB,\n"
         "    options: {session.timeout.ms: \"3000\", heartbeat.interval.ms: \"300\"}, to: [kept, raw, whole]}\n"
         "  kept: {type: Filter, where: \"v >= 0\", to: {matched: mean}, drop: [unmatched, failure]}\n"
         "  mean: {type: WindowAggregate, key: k, time: t, window: 10s,\n"
         "    aggregates: {readings: {function: count}, total: {function: sum, of: v}},\n"
         "    to: {success: means}, drop: [late, failure]}\n"
         "  means: {" +
         s3 + "key: means/$(k)/means.ndjson.gz, roll_age: 4s}\n  raw: {" + s3 +
         "key: raw/$(k)/$(n / 60 % 7)/raw.ndjson.gz, roll_age: 3s}\n  whole: {" + s3 +
         "key: whole/readings.ndjson, roll_size: 16KiB, roll_age: 0s, close_idle: 2s}\n";
}

std::string content_of(const std::filesystem::path& path) {
  auto* file = ::gzopen(path.c_str(), "rb");  // which reads plain files too
  REQUIRE(file != nullptr);
  std::string content;
  char buffer[65536];
  for (int got = 0; (got = ::gzread(file, buffer, sizeof buffer)) > 0;)
    content.append(buffer, static_cast<std::size_t>(got));
  ::gzclose(file);
  return content;
}

/// What the bucket holds, as far as it was not seen before: an object that is there does not change.
class Bucket {
 public:
  explicit Bucket(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// The lines of all objects under a prefix, by object.
  const std::map<std::string, std::vector<std::string>>& lines(const std::string& prefix) {
    auto& objects = lines_[prefix];
    if (!std::filesystem::exists(folder_ / prefix)) return objects;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / prefix)) {
      const auto key = entry.path().lexically_relative(folder_).string();
      if (!entry.is_regular_file() || key.find("/_weir/") != std::string::npos || objects.contains(key)) continue;
      std::istringstream content(content_of(entry.path()));
      auto& found = objects[key];
      for (std::string line; std::getline(content, line);) found.push_back(line);
    }
    return objects;
  }
  std::size_t count(const std::string& prefix) {
    std::size_t count = 0;
    for (const auto& [key, lines] : lines(prefix)) count += lines.size();
    return count;
  }
  /// Of readings: each number, as often as it is there.
  std::multiset<int> numbers(const std::string& prefix) {
    std::multiset<int> numbers;
    for (const auto& [key, all] : lines(prefix)) {
      for (const auto& line : all) numbers.insert(std::stoi(line.substr(line.find("\"n\":") + 4)));
    }
    return numbers;
  }

 private:
  const std::filesystem::path folder_;
  std::map<std::string, std::map<std::string, std::vector<std::string>>> lines_;
};

/// The value of a member of a JSON object, as text.
std::string member(const std::string& line, const std::string& name) {
  const auto at = line.find("\"" + name + "\":");
  REQUIRE(at != std::string::npos);
  auto value = line.substr(at + name.size() + 3);
  if (value.front() == '"') return value.substr(1, value.find('"', 1) - 1);
  return value.substr(0, value.find_first_of(",}"));
}

/// A result as Readings::expected has it.
std::string window_of(const std::string& line) {
  const auto seconds = member(line, "window_start");
  std::tm time{};
  REQUIRE(::strptime(seconds.c_str(), "%Y-%m-%dT%H:%M:%S", &time) != nullptr);
  return member(line, "k") + '|' + std::to_string(::timegm(&time)) + '|' + member(line, "readings") + '|' +
         std::to_string(static_cast<std::int64_t>(std::stod(member(line, "total"))));
}

}  // namespace

TEST_CASE("Weirs that are killed for good, cut off and added have each record in one object, and the windows of one") {
  if (!Versitygw::available()) return;
  if (!KafkaBroker::available()) return;
  KafkaBroker broker({"group.min.session.timeout.ms=1000", "group.initial.rebalance.delay.ms=0"});
  Versitygw store;
  TestClient client(broker.brokers());
  client.create_topic("readings", kPartitions);
  const auto folder = weir::testing::temporary_folder("weir-scaling-objects");
  std::ofstream(folder / "flow.yaml") << flow_of(broker.brokers(), store);

  Bucket bucket(store.object(""));
  Readings readings(client);
  std::vector<std::unique_ptr<Worker>> workers;
  const auto add = [&]() -> Worker& {
    return *workers.emplace_back(std::make_unique<Worker>(folder / "flow.yaml", static_cast<int>(workers.size())));
  };
  const auto wait_for = [&](const std::string& prefix, std::size_t count) {
    const auto deadline = Clock::now() + std::chrono::seconds(90);
    while (bucket.count(prefix) < count) {
      if (Clock::now() > deadline)
        FAIL(bucket.count(prefix), " of ", count, " records are in ", prefix, all_logs(workers));
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  };

  auto& first = add();
  auto& second = add();
  auto& third = add();
  readings.produce(6'000);
  wait_for("whole", 3'000);
  first.lose();
  readings.produce(6'000);
  wait_for("whole", 9'000);  // so others have taken over what it had
  auto& fourth = add();
  readings.produce(6'000);
  wait_for("whole", 14'000);
  second.freeze();  // in whatever it is at
  readings.produce(6'000);
  wait_for("whole", 23'000);  // others have its partitions: its session is over
  second.thaw();
  readings.produce(6'000);
  wait_for("raw", 25'000);
  fourth.lose();
  third.stop();
  add();
  readings.produce(6'000);
  readings.end();
  const auto expected = readings.expected();
  wait_for("whole", readings.count());
  wait_for("raw", readings.count());
  wait_for("means", expected.size());

  INFO(all_logs(workers));
  CHECK(std::ranges::any_of(
      workers, [](const auto& worker) { return worker->log().find("with what is open from") != std::string::npos; }));
  workers.clear();
  for (const std::string prefix : {"whole", "raw"}) {
    const auto numbers = bucket.numbers(prefix);
    CHECK(numbers.size() == readings.count());
    CHECK(std::set<int>(numbers.begin(), numbers.end()).size() == readings.count());
  }
  std::multiset<std::string> windows;
  for (const auto& [key, lines] : bucket.lines("means")) {
    for (const auto& line : lines) windows.insert(window_of(line));
  }
  CHECK(windows.size() == expected.size());
  CHECK(std::set<std::string>(windows.begin(), windows.end()) == expected);
  std::size_t full = 0;
  for (const auto& [key, lines] : bucket.lines("whole"))
    full += std::filesystem::file_size(store.object(key)) >= 16'384;
  MESSAGE(bucket.lines("raw").size(), " objects of raw, ", bucket.lines("means").size(), " of means, ",
          bucket.lines("whole").size(), " of whole, ", full, " of them full");
  CHECK(full > 20);
  CHECK(bucket.lines("raw").size() > 400);
  std::filesystem::remove_all(folder);
}
