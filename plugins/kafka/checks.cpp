// Whether a cluster is there, lets this client in, and has the topic.

#include <librdkafka/rdkafka.h>

#include <chrono>

#include "client.h"
#include "sink.h"
#include "source.h"
#include "weir/check.h"

namespace weir::kafka {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPatience = std::chrono::seconds(5);
constexpr int kRequest = 1000;  ///< milliseconds

std::string reach(const ConnectionSettings& settings, const std::string& topic) {
  QuietContext context;
  Trouble trouble{Context(&context)};
  Configuration configuration(settings, trouble);
  configuration.set(settings.options);
  const auto client = std::move(configuration).make(Role::producer);
  const auto deadline = Clock::now() + kPatience;
  while (true) {
    const rd_kafka_metadata_t* metadata = nullptr;
    const auto error = rd_kafka_metadata(client.get(), 1, nullptr, &metadata, kRequest);
    rd_kafka_poll(client.get(), 0);  // what went wrong with the login comes by a callback
    if (const auto why = trouble.fatal(); !why.empty()) throw Misconfigured(why);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (Clock::now() < deadline) continue;
      throw Unavailable(settings.brokers + ": " + rd_kafka_err2str(error));
    }
    bool found = topic.empty();
    for (int i = 0; i < metadata->topic_cnt; ++i) found = found || metadata->topics[i].topic == topic;
    const auto brokers = metadata->broker_cnt;
    rd_kafka_metadata_destroy(metadata);
    if (!found) throw Misconfigured("the cluster at " + settings.brokers + " shows no topic '" + topic + "'");
    return "kafka://" + settings.brokers + (topic.empty() ? "" : "/" + topic) + ", brokers: " + std::to_string(brokers);
  }
}

std::string read(const SourceSettings& settings) {
  return reach(settings, settings.topic);
}

std::string write(const SinkSettings& settings) {
  return reach(settings, settings.topic_from_data() ? std::string() : settings.topic);
}

}  // namespace
}  // namespace weir::kafka

WEIR_CHECKS(weir::check(weir::kafka::source_spec, weir::kafka::read),
            weir::check(weir::kafka::sink_spec, weir::kafka::write))
