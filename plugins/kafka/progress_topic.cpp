#include "progress_topic.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "producer.h"
#include "topic_config.h"
#include "weir/errors.h"

namespace weir::kafka {
namespace {

constexpr int kWait = 5'000;  ///< milliseconds for one request
constexpr int kReplicas = 3;
constexpr auto kReadWait = std::chrono::seconds(15);

std::string_view next_word(std::string_view& line) {
  const auto space = line.find(' ');
  const auto word = line.substr(0, space);
  line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
  return word;
}

template <class T>
bool read(std::string_view word, T& number) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  return error == std::errc{} && end == word.data() + word.size();
}

struct DestroyTopic {
  void operator()(rd_kafka_NewTopic_t* topic) const { rd_kafka_NewTopic_destroy(topic); }
};
struct DestroyMetadata {
  void operator()(const rd_kafka_metadata_t* metadata) const { rd_kafka_metadata_destroy(metadata); }
};

/// A consumer of one partition without a group.
Owned<rd_kafka_s> make_reader(const ConnectionSettings& settings, Trouble& trouble, const char* isolation) {
  Configuration configuration(settings, trouble);
  configuration.set("group.id", "weir-progress");  // asked for by librdkafka; nothing is ever joined or committed
  configuration.set("enable.auto.commit", "false");
  configuration.set("enable.partition.eof", "true");
  configuration.set("auto.offset.reset", "earliest");
  configuration.set("isolation.level", isolation);
  for (const auto& [name, value] : settings.options) {
    // What is about the connection; other options are about producing.
    if (name.starts_with("ssl.") || name.starts_with("sasl.") || name.starts_with("security.") ||
        name.starts_with("socket.") || name.starts_with("broker."))
      configuration.set(name, value);
  }
  auto reader = std::move(configuration).make(Role::consumer);
  rd_kafka_poll_set_consumer(reader.get());
  return reader;
}

}  // namespace

std::string StoredProgress::encode() const {
  auto text = "next " + std::to_string(next) + "\n";
  if (generation != 0) text += "generation " + std::to_string(generation) + "\n";
  for (const auto& [sequence, records] : rejected) {
    for (const auto& record : records) {
      text += "rejected " + std::to_string(sequence) + " " + std::to_string(record.record) + " ";
      for (const char c : record.message) text += c == '\n' ? ' ' : c;
      text += '\n';
    }
  }
  return text;
}

StoredProgress StoredProgress::decode(std::string_view text) {
  StoredProgress stored;
  bool has_next = false;
  while (!text.empty()) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const auto word = next_word(line);
    std::uint64_t sequence = 0;
    RejectedRecord record;
    if (word == "next" && read(line, stored.next)) {
      has_next = true;
    } else if (word == "generation" && read(line, stored.generation)) {
      continue;
    } else if (word == "rejected" && read(next_word(line), sequence) && read(next_word(line), record.record)) {
      record.message = line;
      stored.rejected[sequence].push_back(std::move(record));
    } else {
      has_next = false;
      break;
    }
  }
  if (!has_next)
    throw Misconfigured(
        "the progress topic holds something that no KafkaSink of this version wrote; name another by "
        "progress_topic");
  return stored;
}

ProgressMessages to_messages(const std::string& key, const StoredProgress& progress, std::size_t most) {
  auto text = progress.encode();
  if (text.size() <= most) return {{key, std::move(text)}};
  ProgressMessages messages;
  for (std::string_view rest = text; !rest.empty(); rest.remove_prefix(std::min(most, rest.size())))
    messages.emplace_back(key + "\n" + std::to_string(messages.size() + 1), rest.substr(0, most));
  messages.emplace_back(key, "parts " + std::to_string(messages.size()) + "\n");
  return messages;
}

std::map<std::string, StoredProgress, std::less<>> from_messages(const ProgressTexts& texts) {
  std::map<std::string, StoredProgress, std::less<>> progress;
  for (const auto& [connection, text] : texts) {
    if (connection.find('\n') != std::string::npos) continue;  // a part
    std::string_view head = text;
    std::uint64_t parts = 0;
    if (next_word(head) != "parts" || !head.ends_with('\n') || !read(head.substr(0, head.size() - 1), parts)) {
      progress.emplace(connection, StoredProgress::decode(text));
      continue;
    }
    std::string whole;
    for (std::uint64_t i = 1; i <= parts; ++i) {
      const auto part = texts.find(connection + "\n" + std::to_string(i));
      if (part == texts.end())
        throw Misconfigured("the progress topic lacks a part of what it has for '" + connection + "'");
      whole += part->second;
    }
    progress.emplace(connection, StoredProgress::decode(whole));
  }
  return progress;
}

std::string progress_key(std::string_view owner, std::string_view connection) {
  return std::string(owner) + " " + std::string(connection);
}

namespace {

/// Metadata of one topic, or of none.
std::unique_ptr<const rd_kafka_metadata_t, DestroyMetadata> metadata_of(Producer& producer, const std::string* topic) {
  const rd_kafka_metadata_t* raw = nullptr;
  auto* handle = topic == nullptr ? nullptr : rd_kafka_topic_new(producer.get(), topic->c_str(), nullptr);
  const auto error = rd_kafka_metadata(producer.get(), 0, handle, &raw, kWait);
  if (handle != nullptr) rd_kafka_topic_destroy(handle);
  std::unique_ptr<const rd_kafka_metadata_t, DestroyMetadata> metadata(raw);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) raise(error, "asking the brokers about the progress topic");
  return metadata;
}

bool exists(Producer& producer, const std::string& topic) {
  const auto metadata = metadata_of(producer, &topic);
  return metadata->topic_cnt == 1 && metadata->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR &&
         metadata->topics[0].partition_cnt > 0;
}

/// As the brokers answer: that it is there already is an answer too.
rd_kafka_resp_err_t create(Producer& producer, const std::string& topic) {
  char text[512];
  // As many replicas as Kafka gives its own topics, if there are so many brokers: what is in it must outlive one.
  const int replicas = std::clamp(metadata_of(producer, nullptr)->broker_cnt, 1, kReplicas);
  const std::unique_ptr<rd_kafka_NewTopic_t, DestroyTopic> wanted(
      rd_kafka_NewTopic_new(topic.c_str(), 1, replicas, text, sizeof text));
  if (!wanted) throw Misconfigured("progress_topic: " + std::string(text));
  // Small segments, so that a start reads little of what is not compacted yet.
  rd_kafka_NewTopic_set_config(wanted.get(), "cleanup.policy", "compact");
  rd_kafka_NewTopic_set_config(wanted.get(), "segment.bytes", "4194304");
  rd_kafka_NewTopic_set_config(wanted.get(), "min.cleanable.dirty.ratio", "0.1");
  rd_kafka_NewTopic_set_config(wanted.get(), "max.message.bytes", "1048588");  // whatever the brokers take elsewhere
  const Owned<rd_kafka_queue_s> queue(rd_kafka_queue_new(producer.get()));
  auto* raw = wanted.get();
  rd_kafka_CreateTopics(producer.get(), &raw, 1, nullptr, queue.get());
  const Owned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), kWait));
  if (!event) throw Unavailable("no answer to the request to make the progress topic '" + topic + "'");
  if (const auto error = rd_kafka_event_error(event.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
  std::size_t count = 0;
  const auto* results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  return count == 1 ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR_NO_ERROR;
}

/// One that somebody else made may be one that forgets. Who may not ask is trusted to know.
void check_compacted(Producer& producer, const std::string& topic) {
  const auto config = topic_config(producer, topic);
  const auto policy = config.find("cleanup.policy");
  if (policy == config.end() || policy->second == "compact") return;
  throw Misconfigured("the progress topic '" + topic + "' has cleanup.policy=" + policy->second +
                      ": Kafka would forget how far this sink is, and messages would come twice. Give it "
                      "cleanup.policy=compact, or name another by progress_topic");
}

}  // namespace

void make_progress_topic(Producer& producer, const std::string& topic) {
  // Asked for by name, brokers that make topics by themselves would make it, and not compacted: so it is made first.
  const auto error = create(producer, topic);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS &&
      !exists(producer, topic))
    raise(error, "the progress topic '" + topic +
                     "' is missing and cannot be made (one partition, "
                     "cleanup.policy=compact)");
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) check_compacted(producer, topic);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kWait);
  while (std::chrono::steady_clock::now() < deadline) {
    if (exists(producer, topic)) return;
    producer.poll(std::chrono::milliseconds(20));
  }
  throw Unavailable("the progress topic '" + topic + "' was made; its brokers do not know it yet");
}

std::map<std::string, StoredProgress, std::less<>> read_progress(const ConnectionSettings& settings, Context context,
                                                                 const std::string& topic, std::string_view owner) {
  const auto own = std::string(owner) + " ";
  Trouble trouble(context);
  // Where the partition ends, whatever transactions of others are open: what is below is to be waited for.
  std::int64_t low = 0;
  std::int64_t high = 0;
  {
    const auto asker = make_reader(settings, trouble, "read_uncommitted");
    if (const auto error = rd_kafka_query_watermark_offsets(asker.get(), topic.c_str(), 0, &low, &high, kWait);
        error != RD_KAFKA_RESP_ERR_NO_ERROR)
      raise(error, "asking where the progress topic '" + topic + "' ends");
  }
  const auto reader = make_reader(settings, trouble, "read_committed");
  const PartitionList list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
  if (const auto error = rd_kafka_assign(reader.get(), list.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    raise(error, "reading the progress topic '" + topic + "'");
  ProgressTexts texts;
  const auto deadline = std::chrono::steady_clock::now() + kReadWait;
  for (std::int64_t at = low; at < high;) {
    const Message message(rd_kafka_consumer_poll(reader.get(), 500));
    if (std::chrono::steady_clock::now() > deadline)
      throw Unavailable("the progress topic '" + topic + "' cannot be read to its end (" + std::to_string(at) + " of " +
                        std::to_string(high) + "): a transaction of another sink is open, or the broker is slow");
    if (!message) continue;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      at = message->offset;
      continue;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) raise(message->err, "reading the progress topic '" + topic + "'");
    at = message->offset + 1;
    const std::string_view key(static_cast<const char*>(message->key), message->key == nullptr ? 0 : message->key_len);
    if (!key.starts_with(own)) continue;
    const std::string connection(key.substr(own.size()));
    if (message->payload == nullptr) {
      texts.erase(connection);  // deleted by hand
    } else {
      texts[connection].assign(static_cast<const char*>(message->payload), message->len);
    }
  }
  rd_kafka_consumer_close(reader.get());
  return from_messages(texts);
}

}  // namespace weir::kafka
