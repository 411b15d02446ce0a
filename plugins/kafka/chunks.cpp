#include "chunks.h"

#include <librdkafka/rdkafka.h>

#include <cstring>
#include <string>

namespace weir::kafka {

bool Chunks::add(const rd_kafka_message_s& message) {
  const Partition partition{rd_kafka_topic_name(message.rkt), message.partition};
  auto open = open_.find(partition);
  std::string_view line(static_cast<const char*>(message.payload), message.payload == nullptr ? 0 : message.len);
  if (line.ends_with('\n')) line.remove_suffix(1);
  const bool is_line = !line.empty() && line.find('\n') == std::string_view::npos;
  if (open != open_.end() && (!is_line || open->second.bytes + line.size() >= size_)) {
    end(open->second);
    open_.erase(open);
    open = open_.end();
  }
  if (!is_line) return false;
  if (open == open_.end()) {
    const auto file = session_.create();
    session_.set(file, "kafka.topic", partition.topic);
    session_.set(file, "kafka.partition", std::to_string(partition.number));
    session_.set(file, "kafka.offset", std::to_string(message.offset));
    open = open_.emplace(partition, Open{.file = file}).first;
  }
  auto& chunk = open->second;
  char* to = session_.append(chunk.file, line.size() + 1);
  std::memcpy(to, line.data(), line.size());
  to[line.size()] = '\n';
  chunk.bytes += line.size() + 1;
  chunk.last_offset = message.offset;
  ++chunk.records;
  return true;
}

void Chunks::end(const Open& chunk) {
  session_.set(chunk.file, "kafka.offset.last", std::to_string(chunk.last_offset));
  session_.records(chunk.file, chunk.records);
  session_.transfer(chunk.file, 0);
}

void Chunks::end() {
  for (const auto& [partition, chunk] : open_) end(chunk);
  open_.clear();
}

}  // namespace weir::kafka
