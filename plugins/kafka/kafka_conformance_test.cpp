// KafkaSource and KafkaSink keep the promises of every source and sink, against Apache Kafka's own broker, which asks
// for a password.

#include <doctest/doctest.h>

#include <memory>
#include <sstream>

#include "kafka_test.h"
#include "tests/servers/kafka.h"
#include "weir/conformance.h"

namespace {

namespace conformance = weir::conformance;
using weir::testing::KafkaBroker;

constexpr const char* kLogin =
    "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"weir\" password=\"secret\" "
    "user_weir=\"secret\";";

/// One broker for all promises; each has a topic of its own.
class Broker : public conformance::Server, public conformance::Login {
 public:
  void stop_server() override { broker().kill(); }
  void start_server() override {
    broker().start();
    client_ = connect();
    client_->wait_for_leaders(topic_, 1);
  }
  std::string with_secret(const std::string& wrong) override { return processor_with(wrong); }

 protected:
  Broker() {
    if (!KafkaBroker::available()) throw conformance::Missing();
    broker().start();  // a promise that was broken may have left it dead
    static int topics = 0;
    topic_ = "topic-" + std::to_string(topics++);
    client_ = connect();
    client_->create_topic(topic_);
  }
  virtual std::string processor_with(const std::string& secret) = 0;

  static KafkaBroker& broker() {
    static KafkaBroker broker({"listener.security.protocol.map=PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
                               "sasl.enabled.mechanisms=PLAIN", "sasl.mechanism.inter.broker.protocol=PLAIN",
                               std::string("listener.name.plaintext.plain.sasl.jaas.config=") + kLogin});
    return broker;
  }
  static std::string connection(const std::string& secret) {
    return "brokers: " + broker().brokers() + "\nsasl: {user: weir, password: " + secret + "}\n";
  }
  weir::kafka::testing::TestClient& client() { return *client_; }
  const std::string& topic() const { return topic_; }

 private:
  static std::unique_ptr<weir::kafka::testing::TestClient> connect() {
    return std::make_unique<weir::kafka::testing::TestClient>(
        broker().brokers(), weir::kafka::testing::Config{{"security.protocol", "sasl_plaintext"},
                                                         {"sasl.mechanism", "PLAIN"},
                                                         {"sasl.username", "weir"},
                                                         {"sasl.password", "secret"}});
  }

  std::string topic_;
  std::unique_ptr<weir::kafka::testing::TestClient> client_;
};

class Topic final : public conformance::Source, public Broker {
 public:
  std::string processor() override { return processor_with("secret"); }
  void publish(std::int64_t first, std::int64_t count) override {
    for (auto n = first; n < first + count; ++n) client().produce(topic(), conformance::record(n));
    client().flush();
  }

 private:
  /// A static member gets its partitions back at once after a kill, not when the dead one's session is over.
  std::string processor_with(const std::string& secret) override {
    return "type: KafkaSource\n" + connection(secret) + "topic: " + topic() + "\ngroup: " + topic() +
           "\nemit: chunk\nchunk_size: 4KiB\n"
           "options: {group.instance.id: it, reconnect.backoff.max.ms: \"200\", fetch.wait.max.ms: \"50\"}";
  }
};

class Messages final : public conformance::Sink, public conformance::ExactlyOnce, public Broker {
 public:
  std::string processor() override { return processor_with("secret"); }
  std::vector<std::int64_t> arrived() override {
    std::vector<std::int64_t> numbers;
    for (const auto& message : client().read(topic())) numbers.push_back(conformance::number_of(message.value.value()));
    return numbers;
  }

 private:
  std::string processor_with(const std::string& secret) override {
    return "type: KafkaSink\n" + connection(secret) + "topic: " + topic() +
           "\noptions: {reconnect.backoff.max.ms: \"200\"}";
  }
};

WEIR_CONFORMANCE(Topic)
WEIR_CONFORMANCE(Messages)

}  // namespace
