// MqttSource and MqttSink keep the promises of every source and sink, against a real mosquitto.

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <sstream>

#include "test_publisher.h"
#include "tests/servers/mosquitto.h"
#include "weir/conformance.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace {

namespace conformance = weir::conformance;
using weir::testing::Mosquitto;
using weir::testkit::Runner;

/// A broker that asks for a password, and keeps what it has over a restart.
class Broker : public conformance::Server, public conformance::Login {
 public:
  /// Not killed: mosquitto writes what it keeps when it ends, and its own loss is not Weir's.
  void stop_server() override {
    publisher_.reset();
    broker_->stop();
  }
  void start_server() override { broker_->start(); }
  std::string with_secret(const std::string& wrong) override { return processor_with(wrong); }

 protected:
  Broker() {
    if (!Mosquitto::available()) throw conformance::Missing();
    Mosquitto::Options options;
    options.config = {"max_queued_messages 0"};
    options.users = {{"weir", "secret"}};
    options.persistence = true;
    broker_.emplace(options);
  }
  virtual std::string processor_with(const std::string& secret) = 0;
  std::string connection(const std::string& secret) const {
    return "url: " + broker_->url() + "\nuser: weir\npassword: " + secret +
           "\nreconnect_delay: 20ms\nreconnect_max: 200ms\n";
  }
  weir::mqtt::TestPublisher& publisher() {
    if (!publisher_) {
      weir::mqtt::ConnectionSettings settings;
      settings.url = broker_->url();
      settings.user = "weir";
      settings.password = "secret";
      publisher_ = std::make_unique<weir::mqtt::TestPublisher>(settings);
    }
    return *publisher_;
  }
  /// A subscriber whose session the broker keeps from now on.
  std::unique_ptr<Runner> subscribe(const std::string& client_id) const {
    auto runner =
        std::make_unique<Runner>(weir::testkit::find_type(weir_plugin_abi_1(), "MqttSource"),
                                 "type: MqttSource\n" + connection("secret") + "topic: t\nclient_id: " + client_id);
    if (!runner->run_until([&] { return broker_->log().find("Sending SUBACK to " + client_id) != std::string::npos; }))
      throw std::runtime_error("no subscription: " + broker_->log());
    return runner;
  }

 private:
  std::optional<Mosquitto> broker_;
  std::unique_ptr<weir::mqtt::TestPublisher> publisher_;
};

class Readings final : public conformance::Source, public Broker {
 public:
  Readings() { subscribe("source")->durable(); }  // what is published before it first runs is for it as well
  std::string processor() override { return processor_with("secret"); }
  void publish(std::int64_t first, std::int64_t count) override {
    auto& to = publisher();
    for (auto n = first; n < first + count; ++n) to.send("t", conformance::record(n));
    if (!to.settle()) throw std::runtime_error("the broker does not acknowledge");
  }
  bool once() const override { return false; }  // QoS 1

 private:
  std::string processor_with(const std::string& secret) override {
    return "type: MqttSource\n" + connection(secret) + "topic: t\nclient_id: source";
  }
};

class Commands final : public conformance::Sink, public Broker {
 public:
  Commands() : reader_(subscribe("reader")) {}
  std::string processor() override { return processor_with("secret"); }
  std::vector<std::int64_t> arrived() override {
    publisher().send("t", "the last");
    bool all = false;
    const auto read = [&] {
      for (const auto& output : reader_->take("success")) {
        std::istringstream lines(output.content);
        if (output.content == "the last") {
          all = true;
          continue;
        }
        for (std::string line; std::getline(lines, line);) numbers_.push_back(conformance::number_of(line));
      }
      reader_->durable();
      return all;
    };
    if (!reader_->run_until(read)) throw std::runtime_error("the reader does not get what was published last");
    return numbers_;
  }

 private:
  std::string processor_with(const std::string& secret) override {
    return "type: MqttSink\n" + connection(secret) + "topic: t";
  }

  std::unique_ptr<Runner> reader_;
  std::vector<std::int64_t> numbers_;
};

WEIR_CONFORMANCE(Readings)
WEIR_CONFORMANCE(Commands)

}  // namespace
