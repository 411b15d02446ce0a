#include "tests/servers/kafka.h"

#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <thread>

#include "tests/servers/process.h"

namespace weir::testing {
namespace {

std::string script(const char* name) {
  const char* source = std::getenv("WEIR_SOURCE");
  return std::string(source == nullptr ? "." : source) + "/tests/servers/kafka/" + name;
}

}  // namespace

bool KafkaBroker::available() {
  static const bool ready = [] {
    const auto folder = temporary_folder("weir-kafka");
    const auto output = folder / "prepare.log";
    int status = 0;
    ::waitpid(spawn({script("prepare")}, output), &status, 0);
    auto text = read_file(output);
    std::filesystem::remove_all(folder);
    while (text.ends_with('\n')) text.pop_back();
    if (status != 0) std::printf("SKIPPED: %s\n", text.substr(text.rfind('\n') + 1).c_str());
    return status == 0;
  }();
  return ready;
}

KafkaBroker* KafkaBroker::shared() {
  static const std::unique_ptr<KafkaBroker> broker = available() ? std::make_unique<KafkaBroker>() : nullptr;
  return broker.get();
}

KafkaBroker::KafkaBroker(std::vector<std::string> properties, bool started) : properties_(std::move(properties)) {
  folder_ = temporary_folder("weir-kafka");
  // Another process may take a port in between.
  for (int attempt = 0;; ++attempt) {
    port_ = free_port();
    do controller_port_ = free_port();
    while (controller_port_ == port_);
    try {
      if (started) start();
      return;
    } catch (const std::runtime_error&) {
      if (attempt == 2) {
        std::filesystem::remove_all(folder_);
        throw;
      }
    }
  }
}

KafkaBroker::~KafkaBroker() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void KafkaBroker::start() {
  begin_start();
  await_start();
}

void KafkaBroker::add(std::vector<std::string> properties) {
  properties_.insert(properties_.end(), std::make_move_iterator(properties.begin()),
                     std::make_move_iterator(properties.end()));
}

void KafkaBroker::begin_start() {
  if (running()) return;
  std::vector<std::string> command = {script("broker"), folder_ / "data", std::to_string(port_),
                                      std::to_string(controller_port_)};
  if (server_address() != "127.0.0.1") {
    command.push_back("listeners=PLAINTEXT://" + brokers() +
                      ",CONTROLLER://127.0.0.1:" + std::to_string(controller_port_));
    command.push_back("advertised.listeners=PLAINTEXT://" + brokers());
  }
  command.insert(command.end(), properties_.begin(), properties_.end());
  ++starts_;
  process_ = spawn(command, folder_ / ("broker-" + std::to_string(starts_) + ".log"));
}

void KafkaBroker::await_start() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (log().find("Kafka Server started") == std::string::npos) {
    int status = 0;
    if (::waitpid(process_, &status, WNOHANG) == process_) process_ = -1;
    if (!running() || std::chrono::steady_clock::now() > deadline) {
      kill();
      throw std::runtime_error("Kafka's broker does not start:\n" + log());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void KafkaBroker::kill() {
  if (!running()) return;
  end_process(process_, SIGKILL);
  process_ = -1;
}

std::string KafkaBroker::brokers() const {
  return server_address() + ":" + std::to_string(port_);
}

std::string KafkaBroker::log() const {
  return read_file(folder_ / ("broker-" + std::to_string(starts_) + ".log"));
}

KafkaCluster::KafkaCluster() {
  std::string voters;
  for (std::size_t i = 0; i < kNodes; ++i) {
    nodes_.push_back(std::make_unique<KafkaBroker>(std::vector<std::string>(), false));
    voters +=
        (i == 0 ? "" : ",") + std::to_string(i + 1) + "@127.0.0.1:" + std::to_string(nodes_[i]->controller_port());
  }
  for (std::size_t i = 0; i < kNodes; ++i) {
    nodes_[i]->add({"node.id=" + std::to_string(i + 1), "controller.quorum.voters=" + voters, "min.insync.replicas=2",
                    "offsets.topic.replication.factor=3", "transaction.state.log.replication.factor=3",
                    "transaction.state.log.min.isr=2",
                    // A node that is gone is noticed within seconds.
                    "broker.session.timeout.ms=3000", "broker.heartbeat.interval.ms=500",
                    "controller.quorum.election.timeout.ms=500", "controller.quorum.fetch.timeout.ms=1500",
                    "replica.lag.time.max.ms=3000"});
    nodes_[i]->begin_start();
  }
  for (auto& node : nodes_) node->await_start();
}

std::string KafkaCluster::brokers() const {
  std::string all;
  for (const auto& node : nodes_) all += (all.empty() ? "" : ",") + node->brokers();
  return all;
}

}  // namespace weir::testing
