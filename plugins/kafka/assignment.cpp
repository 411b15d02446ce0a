#include "assignment.h"

#include <librdkafka/rdkafka.h>

namespace weir::kafka {

bool cooperative() {
  return rd_kafka_version() >= 0x020a0000;
}

const char* assignment_strategy() {
  return cooperative() ? "cooperative-sticky" : "range";
}

std::string joins(const std::string& group) {
  return "joins the group '" + group + "', which shares by " + assignment_strategy() + " (librdkafka " +
         rd_kafka_version_str() + ")";
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

std::string text_of(const rd_kafka_message_s& event) {
  std::string text = rd_kafka_message_errstr(&event);
  if (event.err != RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL) return text;
  return text + ". The other members of the group do not share its partitions by " + assignment_strategy() +
         ", as librdkafka " + rd_kafka_version_str() +
         " does here (from 2.10 on cooperative-sticky, before that range), and the two do not mix. Stop them all: this "
         "one then joins by itself, and so do those that have the same librdkafka";
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
