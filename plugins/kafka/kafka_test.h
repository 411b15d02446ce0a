#pragma once
// What the tests do beside the processors: topics, and a producer and a consumer of their own.
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::kafka::testing {

struct Received {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::int64_t timestamp = 0;  ///< milliseconds since 1970
  std::string key;
  std::optional<std::string> value;
  std::map<std::string, std::string> headers;
};

/// A consumer group of one topic.
struct Group {
  rd_kafka_consumer_group_state_t state = RD_KAFKA_CONSUMER_GROUP_STATE_UNKNOWN;
  std::vector<std::set<int>> members;  ///< the partitions of each
};

/// Options of librdkafka.
using Config = std::vector<std::pair<const char*, std::string>>;

/// Talks to one broker, as any client would.
class TestClient {
 public:
  explicit TestClient(const std::string& brokers, Config login = {})
      : brokers_(brokers),
        login_(std::move(login)),
        producer_(make(RD_KAFKA_PRODUCER, {{"enable.idempotence", "true"}})) {}
  ~TestClient() { rd_kafka_destroy(producer_); }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  void create_topic(const std::string& name, int partitions = 1, const std::map<std::string, std::string>& config = {},
                    int replicas = 1) {
    char text[512];
    auto* topic = rd_kafka_NewTopic_new(name.c_str(), partitions, replicas, text, sizeof text);
    for (const auto& [key, value] : config) rd_kafka_NewTopic_set_config(topic, key.c_str(), value.c_str());
    admin(name, [&](rd_kafka_queue_t* queue) { rd_kafka_CreateTopics(producer_, &topic, 1, nullptr, queue); });
    rd_kafka_NewTopic_destroy(topic);
    wait_for_leaders(name, partitions);
  }
  /// A topic is made, and a broker serves it again, when its partitions have leaders.
  void wait_for_leaders(const std::string& name, int partitions) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!has_leaders(name, partitions))
      if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("topic " + name + " has no leader");
  }
  void delete_topic(const std::string& name) {
    auto* topic = rd_kafka_DeleteTopic_new(name.c_str());
    admin(name, [&](rd_kafka_queue_t* queue) { rd_kafka_DeleteTopics(producer_, &topic, 1, nullptr, queue); });
    rd_kafka_DeleteTopic_destroy(topic);
  }
  /// Deletes what is before the offset, as retention does.
  void delete_records(const std::string& topic, std::int64_t before) {
    auto* list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic.c_str(), 0)->offset = before;
    auto* request = rd_kafka_DeleteRecords_new(list);
    admin(topic, [&](rd_kafka_queue_t* queue) { rd_kafka_DeleteRecords(producer_, &request, 1, nullptr, queue); });
    rd_kafka_DeleteRecords_destroy(request);
    rd_kafka_topic_partition_list_destroy(list);
  }

  void produce(const std::string& topic, std::optional<std::string_view> value,
               std::optional<std::string_view> key = {}, std::int32_t partition = RD_KAFKA_PARTITION_UA,
               const std::map<std::string, std::string>& headers = {}, std::int64_t timestamp = 0) {
    auto* list = rd_kafka_headers_new(1);
    for (const auto& [name, text] : headers)
      rd_kafka_header_add(list, name.c_str(), -1, text.data(), static_cast<ssize_t>(text.size()));
    auto* data = value ? const_cast<char*>(value->data()) : nullptr;
    const auto size = value ? value->size() : 0;
    auto* key_data = key ? const_cast<char*>(key->data()) : nullptr;
    const auto key_size = key ? key->size() : 0;
    const auto error = rd_kafka_producev(producer_, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(partition),
                                         RD_KAFKA_V_VALUE(data, size), RD_KAFKA_V_KEY(key_data, key_size),
                                         RD_KAFKA_V_TIMESTAMP(timestamp), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                         RD_KAFKA_V_HEADERS(list), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) throw std::runtime_error(rd_kafka_err2str(error));
  }
  void flush() {
    if (rd_kafka_flush(producer_, 60'000) != RD_KAFKA_RESP_ERR_NO_ERROR) throw std::runtime_error("not delivered");
  }

  /// All that a topic holds now: what was committed, by partition and in order.
  std::vector<Received> read(const std::string& topic, int partitions = 1) {
    auto* consumer = make(RD_KAFKA_CONSUMER, {{"group.id", "test-reader"},
                                              {"enable.partition.eof", "true"},
                                              {"enable.auto.commit", "false"},
                                              {"isolation.level", "read_committed"}});
    rd_kafka_poll_set_consumer(consumer);
    auto* list = rd_kafka_topic_partition_list_new(partitions);
    for (int i = 0; i < partitions; ++i)
      rd_kafka_topic_partition_list_add(list, topic.c_str(), i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    std::vector<Received> all;
    std::string failure;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    for (int ended = 0; ended < partitions && failure.empty();) {
      auto* message = rd_kafka_consumer_poll(consumer, 200);
      if (std::chrono::steady_clock::now() > deadline) failure = "cannot read topic " + topic + " to its end";
      if (message == nullptr) continue;
      if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        ++ended;
      } else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        all.push_back(received(*message));
      } else if (message->err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        failure = rd_kafka_message_errstr(message);
      }
      rd_kafka_message_destroy(message);
    }
    rd_kafka_destroy(consumer);
    if (!failure.empty()) throw std::runtime_error(failure);
    std::ranges::stable_sort(all, {}, &Received::partition);
    return all;
  }

  /// The node that leads a partition; -1: none.
  int leader(const std::string& name, int partition = 0) {
    auto* topic = rd_kafka_topic_new(producer_, name.c_str(), nullptr);
    const rd_kafka_metadata_t* metadata = nullptr;
    int found = -1;
    if (rd_kafka_metadata(producer_, 0, topic, &metadata, 5000) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (metadata->topics[0].partition_cnt > partition) found = metadata->topics[0].partitions[partition].leader;
      rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(topic);
    return found;
  }

  /// What a group has committed in a partition; nothing: no offset.
  std::optional<std::int64_t> committed(const std::string& group, const std::string& topic, int partition = 0) {
    auto* consumer = make(RD_KAFKA_CONSUMER, {{"group.id", group}});
    auto* list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic.c_str(), partition);
    const auto error = rd_kafka_committed(consumer, list, 10'000);
    const auto offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(consumer);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) throw std::runtime_error(rd_kafka_err2str(error));
    return offset < 0 ? std::nullopt : std::optional(offset);
  }
  /// What the coordinator says of a group.
  Group group(const std::string& id) {
    const char* name = id.c_str();
    Group group;
    admin(
        id, [&](rd_kafka_queue_t* queue) { rd_kafka_DescribeConsumerGroups(producer_, &name, 1, nullptr, queue); },
        [&](rd_kafka_event_t* event) {
          std::size_t count = 0;
          const auto* described = rd_kafka_DescribeConsumerGroups_result_groups(
              rd_kafka_event_DescribeConsumerGroups_result(event), &count)[0];
          group.state = rd_kafka_ConsumerGroupDescription_state(described);
          for (std::size_t i = 0; i < rd_kafka_ConsumerGroupDescription_member_count(described); ++i) {
            const auto* list = rd_kafka_MemberAssignment_partitions(
                rd_kafka_MemberDescription_assignment(rd_kafka_ConsumerGroupDescription_member(described, i)));
            auto& partitions = group.members.emplace_back();
            for (int j = 0; list != nullptr && j < list->cnt; ++j) partitions.insert(list->elems[j].partition);
          }
        });
    return group;
  }
  /// As an operator resets a group that has no members, when they have left it.
  void commit(const std::string& group, const std::string& topic, std::int64_t offset) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!this->group(group).members.empty())
      if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("group " + group + " has members");
    auto* consumer = make(RD_KAFKA_CONSUMER, {{"group.id", group}});
    auto* list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic.c_str(), 0)->offset = offset;
    const auto error = rd_kafka_commit(consumer, list, 0);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(consumer);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) throw std::runtime_error(rd_kafka_err2str(error));
  }

 private:
  rd_kafka_t* make(rd_kafka_type_t type, const Config& config) const {
    char text[512];
    auto* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers_.c_str(), text, sizeof text);
    rd_kafka_conf_set(conf, "log_level", "0", text, sizeof text);
    rd_kafka_conf_set(conf, "topic.metadata.refresh.fast.interval.ms", "50", text, sizeof text);
    for (const auto& options : {login_, config}) {
      for (const auto& [name, value] : options) rd_kafka_conf_set(conf, name, value.c_str(), text, sizeof text);
    }
    auto* client = rd_kafka_new(type, conf, text, sizeof text);
    if (client == nullptr) throw std::runtime_error(text);
    return client;
  }

  bool has_leaders(const std::string& name, int partitions) {
    auto* topic = rd_kafka_topic_new(producer_, name.c_str(), nullptr);
    const rd_kafka_metadata_t* metadata = nullptr;
    bool all = rd_kafka_metadata(producer_, 0, topic, &metadata, 5000) == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (all) {
      all = metadata->topics[0].partition_cnt == partitions;
      for (int i = 0; all && i < partitions; ++i) all = metadata->topics[0].partitions[i].leader >= 0;
      rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(topic);
    return all;
  }

  template <class Request>
  void admin(const std::string& what, Request&& request) {
    admin(what, std::forward<Request>(request), [](rd_kafka_event_t*) {});
  }
  template <class Request, class Answer>
  void admin(const std::string& what, Request&& request, Answer&& answer) {
    auto* queue = rd_kafka_queue_new(producer_);
    request(queue);
    auto* event = rd_kafka_queue_poll(queue, 20'000);
    const std::string error = event == nullptr                   ? "no answer"
                              : rd_kafka_event_error(event) != 0 ? rd_kafka_event_error_string(event)
                                                                 : "";
    if (error.empty()) answer(event);
    if (event != nullptr) rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    if (!error.empty()) throw std::runtime_error(what + ": " + error);
  }

  static Received received(const rd_kafka_message_t& message) {
    Received r;
    r.topic = rd_kafka_topic_name(message.rkt);
    r.partition = message.partition;
    r.offset = message.offset;
    rd_kafka_timestamp_type_t kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    r.timestamp = rd_kafka_message_timestamp(&message, &kind);
    if (message.key != nullptr) r.key.assign(static_cast<const char*>(message.key), message.key_len);
    if (message.payload != nullptr) r.value.emplace(static_cast<const char*>(message.payload), message.len);
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      const char* name = nullptr;
      const void* value = nullptr;
      std::size_t size = 0;
      for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == 0; ++i)
        r.headers[name] = std::string(static_cast<const char*>(value), size);
    }
    return r;
  }

  const std::string brokers_;
  const Config login_;
  rd_kafka_t* producer_;
};

}  // namespace weir::kafka::testing
