#pragma once
// The real weir between topics, for tests that kill it or what it speaks to.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "kafka_test.h"
#include "tests/servers/process.h"

namespace weir::kafka::testing {

/// `weir run` of FOLDER/flow.yaml; killed with the object.
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

/// Removed with the object.
class Folder {
 public:
  Folder() {
    auto name = (std::filesystem::temp_directory_path() / "weir-kafka-delivery-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A topic `in`, read in small chunks, to `once` (exactly once) and to `least` (at least once).
inline std::string flow_between_topics(const std::string& brokers) {
  return "flow: delivery\nprocessors:\n"
         "  in: {type: KafkaSource, brokers: \"" +
         brokers +
         // A static member gets its partitions back at once after a kill, not when the dead one's session is over.
         "\", topic: in, emit: chunk, chunk_size: 4KiB, options: {group.instance.id: test}, to: [once, least]}\n"
         "  once: {type: KafkaSink, brokers: \"" +
         brokers +
         "\", topic: once, key: k, delivery: exactly_once, drop: failure}\n"
         "  least: {type: KafkaSink, brokers: \"" +
         brokers + "\", topic: least, key: k, drop: failure}\n";
}

/// Messages `from` to `to`, each with its number, of `keys` keys; returns when the brokers have them.
inline void produce_numbers(TestClient& client, int from, int to, int keys) {
  for (int i = from; i < to; ++i) {
    const auto key = "k" + std::to_string(i % keys);
    client.produce("in", "{\"k\":\"" + key + "\",\"n\":" + std::to_string(i) + "}", key);
  }
  client.flush();
}

/// What the messages of a topic say together.
struct Arrived {
  std::size_t messages = 0;
  std::set<int> numbers;
  bool ordered = true;  ///< of each key, the numbers rise
};

inline Arrived arrived(const std::vector<Received>& messages) {
  Arrived result;
  result.messages = messages.size();
  std::map<std::string, int> last;
  for (const auto& message : messages) {
    const int n = std::stoi(message.value->substr(message.value->find("\"n\":") + 4));
    result.numbers.insert(n);
    const auto [before, first] = last.try_emplace(message.key, n);
    result.ordered = result.ordered && (first || before->second < n);
    before->second = n;
  }
  return result;
}

}  // namespace weir::kafka::testing
