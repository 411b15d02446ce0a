#pragma once
// How the members of a group share its partitions, and lists of them as librdkafka has them.
#include <cstdint>
#include <map>
#include <string>

#include "client.h"
#include "resume.h"

struct rd_kafka_topic_partition_s;

namespace weir::kafka {

constexpr int kRequest = 5000;  ///< milliseconds for one request to the cluster

/// Whether members keep what stays theirs while the others are shared out anew. Not with librdkafka before 2.10.0,
/// where the group rebalances all at once, by `range`. Of cooperative-sticky, 2.3.0 mended that it aborts the process
/// when a consumer that leads its group ends before its first assignment is made (librdkafka issue 4312), 2.4.0 that
/// closing hangs (4527), 2.6.1 that sharing out never ends (4783), and 2.10.0 that a commit which crosses a rebalance
/// costs all partitions (4059): members go on, and so commit, while it lasts.
bool cooperative();
const char* assignment_strategy();
/// What a member says of that when it joins.
std::string joins(const std::string& group);

/// The answers to what a rebalance asks for. take_up returns what went wrong.
std::string take_up(rd_kafka_s* client, const rd_kafka_topic_partition_list_s* list);
void give_up(rd_kafka_s* client, const rd_kafka_topic_partition_list_s* list);

/// What a member says of an error that it was polled.
std::string text_of(const rd_kafka_message_s& event);

Partition partition_of(const rd_kafka_topic_partition_s& element);
PartitionList list_of(const std::map<Partition, std::int64_t>& offsets);
/// What an error says, which is destroyed; empty if it is none.
std::string text_of(rd_kafka_error_s* error);

}  // namespace weir::kafka
