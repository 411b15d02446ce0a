// What the sinks promise, with the real weir killed (SIGKILL) again and again between a topic and two others.
#include <doctest/doctest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "kafka_test.h"
#include "tests/servers/kafka.h"
#include "tests/servers/process.h"

using weir::kafka::testing::TestClient;
using weir::testing::KafkaBroker;

namespace {

constexpr int kMessages = 20'000;
constexpr int kKills = 4;
constexpr int kKeys = 40;
constexpr int kPartitions = 3;

/// `weir run` of one flow; killed with the object.
class Weir {
 public:
  Weir(const std::filesystem::path& folder, int life) : log_(folder / ("weir-" + std::to_string(life) + ".log")) {
    const std::filesystem::path build = std::getenv("WEIR_BUILD");
    process_ = weir::testing::spawn({build / "weir", "run", folder / "flow.yaml", "--data", folder / "data", "--listen",
                                     "127.0.0.1:0", "--plugins", build / "plugins"},
                                    log_);
  }
  ~Weir() { kill(); }
  Weir(const Weir&) = delete;
  Weir& operator=(const Weir&) = delete;
  void kill() {
    if (process_ > 0) weir::testing::end_process(std::exchange(process_, -1), SIGKILL);
  }
  std::string log() const { return weir::testing::read_file(log_); }

 private:
  std::filesystem::path log_;
  pid_t process_ = -1;
};

int number_in(const std::string& value) {
  return std::stoi(value.substr(value.find("\"n\":") + 4));
}

}  // namespace

TEST_CASE("over kill -9, exactly once delivers each message once and in order, at least once loses none") {
  auto* broker = KafkaBroker::shared();
  if (broker == nullptr) return;
  TestClient client(broker->brokers());
  for (const char* topic : {"in", "once", "least"}) client.create_topic(topic, kPartitions);
  auto name = (std::filesystem::temp_directory_path() / "weir-kafka-delivery-XXXXXX").string();
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  const std::filesystem::path folder = name;
  // A static member gets its partitions back at once after a kill, not when the dead one's session is over.
  std::ofstream(folder / "flow.yaml")
      << "flow: delivery\nprocessors:\n"
         "  in: {type: KafkaSource, brokers: \""
      << broker->brokers()
      << "\", topic: in, emit: chunk, chunk_size: 4KiB, options: {group.instance.id: test}, to: [once, least]}\n"
         "  once: {type: KafkaSink, brokers: \""
      << broker->brokers()
      << "\", topic: once, key: k, delivery: exactly_once, drop: failure}\n"
         "  least: {type: KafkaSink, brokers: \""
      << broker->brokers() << "\", topic: least, key: k, drop: failure}\n";
  const auto produce = [&](int from, int to) {
    for (int i = from; i < to; ++i) {
      const auto key = "k" + std::to_string(i % kKeys);
      client.produce("in", "{\"k\":\"" + key + "\",\"n\":" + std::to_string(i) + "}", key);
    }
    client.flush();
  };
  // Until a consumer with read_committed finds so many; asked now and then, since each time it reads them all.
  const auto wait_for = [&](const std::string& topic, std::size_t count, const Weir& weir) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(90);
    while (client.read(topic, kPartitions).size() < count)
      if (std::chrono::steady_clock::now() > deadline) FAIL("Weir delivers no more:\n", weir.log());
  };
  for (int life = 0; life <= kKills; ++life) {
    Weir weir(folder, life);
    const int to = kMessages * (life + 1) / (kKills + 1);
    const int from = kMessages * life / (kKills + 1);
    produce(from, to);
    if (life < kKills) {
      // Somewhere in the middle of what it is given in this life.
      wait_for("once", static_cast<std::size_t>(from + (to - from) * (life + 1) / (kKills + 2)), weir);
      weir.kill();
    } else {
      wait_for("once", kMessages, weir);
      wait_for("least", kMessages, weir);
    }
  }
  const auto once = client.read("once", kPartitions);
  CHECK(once.size() == kMessages);
  std::set<int> numbers;
  std::map<std::string, int> last;
  bool ordered = true;
  for (const auto& message : once) {
    const int n = number_in(*message.value);
    numbers.insert(n);
    if (const auto before = last.find(message.key); before != last.end()) ordered = ordered && before->second < n;
    last[message.key] = n;
  }
  CHECK(numbers.size() == kMessages);
  CHECK(ordered);
  numbers.clear();
  for (const auto& message : client.read("least", kPartitions)) numbers.insert(number_in(*message.value));
  CHECK(numbers.size() == kMessages);
  std::filesystem::remove_all(folder);
}
