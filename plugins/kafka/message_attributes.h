#pragma once
// What a message has beside its value, as attributes.
#include <string_view>

#include "weir/session.h"

struct rd_kafka_message_s;

namespace weir::kafka {

/// Attributes of headers begin so; the sink's `header_attributes` leave it out.
inline constexpr std::string_view kHeaderPrefix = "kafka.header.";
/// "true": the message has no value at all, which deletes its key in a compacted topic.
inline constexpr std::string_view kTombstone = "kafka.tombstone";

/// Sets kafka.* of one message: topic, partition, offset, timestamp, key, tombstone and headers.
void set_attributes(Session& session, FlowFile file, const rd_kafka_message_s& message);

bool is_utf8(std::string_view text);
std::string to_hex(std::string_view bytes);

}  // namespace weir::kafka
