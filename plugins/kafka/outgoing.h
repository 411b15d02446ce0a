#pragma once
// What becomes of FlowFiles as messages: topic, key, partition, headers and value of each.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "producer.h"
#include "weir/session.h"
#include "weir/sql.h"

namespace weir::kafka {

struct MessageSettings {
  std::string topic;
  std::string message = "record";
  std::string key;
  std::string partition;
  std::string timestamp;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> header_attributes;

  bool of_flowfile() const { return message == "flowfile"; }
  bool topic_from_data() const { return topic.find("$(") != std::string::npos; }
};

/// Throws Misconfigured for what the types of the properties cannot say.
void check(const MessageSettings& settings);

class MessageMaker {
 public:
  /// Prepares the SQL. Throws Misconfigured. The settings must stay.
  MessageMaker(const MessageSettings& settings, Context context);

  /// `message` is called for each message of the files, which are consecutive handles (a batch) or one; with the index
  /// of its file and its record. `bad` likewise, with the reason, where none can be made.
  using Message = std::function<void(std::size_t file, std::uint32_t record, const Outgoing& message)>;
  using Bad = std::function<void(std::size_t file, std::uint32_t record, std::string reason)>;
  void run(Session& session, const std::vector<FlowFile>& files, const Message& message, const Bad& bad);

 private:
  void row(const Row& row, FlowFile file, std::size_t index, const Message& message, const Bad& bad);
  void add_headers(FlowFile file);
  std::string fill(const Row& row, Outgoing& out) const;

  const MessageSettings& settings_;
  Statement statement_;                                       ///< none: each FlowFile as it is, to one topic
  std::vector<std::pair<std::string, std::string>> headers_;  ///< of the message under way
};

}  // namespace weir::kafka
