#include "assignment.h"

#include <librdkafka/rdkafka.h>

namespace weir::kafka {

bool cooperative() {
  return rd_kafka_version() >= 0x02030000;
}

const char* assignment_strategy() {
  return cooperative() ? "cooperative-sticky" : "range";
}

std::string take_up(rd_kafka_s* client, const rd_kafka_topic_partition_list_s* list) {
  if (cooperative()) return text_of(rd_kafka_incremental_assign(client, list));
  const auto error = rd_kafka_assign(client, list);
  return error == RD_KAFKA_RESP_ERR_NO_ERROR ? std::string() : rd_kafka_err2str(error);
}

void give_up(rd_kafka_s* client, const rd_kafka_topic_partition_list_s* list) {
  if (cooperative()) {
    text_of(rd_kafka_incremental_unassign(client, list));
  } else {
    rd_kafka_assign(client, nullptr);  // all of them are taken away
  }
}

Partition partition_of(const rd_kafka_topic_partition_s& element) {
  return {element.topic, element.partition};
}

PartitionList list_of(const std::map<Partition, std::int64_t>& offsets) {
  PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (const auto& [partition, offset] : offsets)
    rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.number)->offset = offset;
  return list;
}

std::string text_of(rd_kafka_error_s* error) {
  const Owned<rd_kafka_error_s> owned(error);
  return owned ? rd_kafka_error_string(owned.get()) : "";
}

}  // namespace weir::kafka
