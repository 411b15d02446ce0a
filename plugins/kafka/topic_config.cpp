#include "topic_config.h"

#include <librdkafka/rdkafka.h>

#include <memory>

#include "producer.h"

namespace weir::kafka {
namespace {

constexpr int kWait = 5'000;  ///< milliseconds

}  // namespace

std::map<std::string, std::string> topic_config(Producer& producer, const std::string& topic) {
  std::map<std::string, std::string> config;
  auto* raw = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str());
  const Owned<rd_kafka_queue_s> queue(rd_kafka_queue_new(producer.get()));
  rd_kafka_DescribeConfigs(producer.get(), &raw, 1, nullptr, queue.get());
  rd_kafka_ConfigResource_destroy(raw);
  const Owned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), kWait));
  if (!event || rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) return config;
  std::size_t count = 0;
  const auto* resources =
      rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  if (count != 1) return config;
  const auto* entries = rd_kafka_ConfigResource_configs(resources[0], &count);
  for (std::size_t i = 0; i < count; ++i) {
    if (const auto* value = rd_kafka_ConfigEntry_value(entries[i]))
      config.emplace(rd_kafka_ConfigEntry_name(entries[i]), value);
  }
  return config;
}

}  // namespace weir::kafka
