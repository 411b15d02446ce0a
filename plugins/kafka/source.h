#pragma once
// KafkaSource: turns the messages of topics into FlowFiles.
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connection.h"
#include "consumer.h"
#include "group_member.h"
#include "lane_source.h"
#include "weir/processor.h"

namespace weir::kafka {

struct SourceSettings : ConnectionSettings {
  std::string topic;
  std::vector<std::string> topics;
  std::string pattern;
  std::string group;
  std::string start = "earliest";
  std::string isolation = "read_committed";
  std::string emit = "each";
  std::uint64_t chunk_size = MiB;
  std::uint64_t buffer_max = 16 * MiB;
};

extern const Spec<SourceSettings> source_spec;

class KafkaSource final : public Source {
 public:
  explicit KafkaSource(SourceSettings settings);

  void start(Context& context) override;
  void poll(Session& session) override;
  void durable(std::uint64_t token) override;
  void stop() override;

 private:
  void open(Session& session);
  void emit(Session& session, const rd_kafka_message_s& message);
  void emit(Session& session, std::deque<Message>& from, std::deque<Message>& emitted);
  std::string group() const;
  void save(Session& session);

  const SourceSettings settings_;
  std::vector<std::string> subscription_;
  Context context_;
  std::string uri_;
  Metric buffered_;
  std::uint64_t sessions_ = 0;  ///< as the state has it; also the token of the last
  std::unique_ptr<Consumer> consumer_;
  // Of a flow that scales out:
  std::shared_ptr<GroupMember> member_;
  std::unique_ptr<LaneSource> lane_;
};

}  // namespace weir::kafka
