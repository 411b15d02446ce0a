#pragma once
// A member of a consumer group: a thread of its own polls librdkafka into a bounded buffer, so that the group hears of
// this member whatever the flow is busy with. While the buffer is full the partitions are paused.
//
// The session side (one thread at a time): take, emitted, give_back. The committer's: durable.
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "client.h"
#include "resume.h"

namespace weir::kafka {

struct ConsumerSettings {
  ConnectionSettings connection;
  std::vector<std::string> subscription;  ///< topics; ^… is a pattern
  std::string group;
  std::string isolation;
  std::string start;  ///< earliest, latest or an RFC 3339 time
  std::uint64_t buffer_max = 0;
  bool to_the_end = false;  ///< notice where partitions end (at_end)
};

class Consumer final : public Trouble {
 public:
  /// Throws Misconfigured. `positions` is how far the durable epoch is.
  Consumer(ConsumerSettings settings, Context context, Positions positions);
  /// Commits what is durable and leaves the group; within seconds.
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  /// Up to `count` messages in the order of their partitions; their offsets are not committed before emitted and
  /// durable.
  std::deque<Message> take(std::size_t count);
  /// The taken are in the session that asked for this token, but for the rest, which found no room. Has to follow each
  /// take, also of nothing.
  void emitted(std::uint64_t token, std::deque<Message> messages, std::deque<Message> rest);
  /// The session with this token was rolled back: what it emitted, if anything, will be taken again.
  void give_back(std::uint64_t token);
  /// That session, and those before it, are on disk: their offsets may be committed.
  void durable(std::uint64_t token);
  /// Positions that differ from what the state has been told.
  Positions changed_positions();
  /// Every partition that is ours was read to its end.
  bool at_end() const;
  /// Buffered bytes.
  std::uint64_t bytes() const;

 private:
  struct Callbacks;
  friend struct Callbacks;
  /// What a session emitted.
  struct Emitted {
    std::uint64_t token;
    std::deque<Message> messages;
    std::map<Partition, std::int64_t> next;         ///< the offsets after them
    std::map<Partition, std::uint64_t> generation;  ///< of the assignments they came by
  };

  void run();
  void close();
  void wait_for_room();
  void look_for_brokers();
  void wait_for_partitions();
  void receive();
  void hear(const rd_kafka_message_s& event);
  void keep_received();
  void assign(rd_kafka_topic_partition_list_s* list);
  void revoke(rd_kafka_topic_partition_list_s* list, bool lost);
  std::string go_on_at(rd_kafka_topic_partition_list_s* list);  ///< at other offsets; returns what went wrong
  bool resolve(rd_kafka_topic_partition_list_s* list);
  bool find_start(const Partition& partition, std::int64_t& offset);
  void out_of_range(const Partition& partition, const std::string& text);
  void pause(bool on);
  bool full() const { return bytes_ >= settings_.buffer_max || buffer_.size() >= kMostMessages; }
  bool half_empty() const { return bytes_ <= settings_.buffer_max / 2 && buffer_.size() <= kMostMessages / 2; }
  void put_back(std::deque<Message> messages);
  void drop_buffered(const std::set<Partition>& partitions);
  PartitionList owned_list() const;
  void commit();
  bool commit_and_wait(const std::set<Partition>& only);
  void committed(int error, const rd_kafka_topic_partition_list_s* list);
  void confirmed(int error, const rd_kafka_topic_partition_list_s* list);
  bool try_again(int error, const char* what);

  static constexpr std::size_t kMostMessages = 50'000;
  /// For what was emitted to become durable before a partition is given up.
  static constexpr std::chrono::seconds kLastWords{2};

  /// A member that joins a cooperative group is given nothing at first if all is with others. They hear by a heartbeat
  /// (3 s) that they are to give something up, take kLastWords twice for it, and it hears of that by one.
  static constexpr std::chrono::seconds kOthersGiveUp{12};

  const ConsumerSettings settings_;
  std::optional<std::int64_t> start_time_;
  Owned<rd_kafka_s> client_;
  Owned<rd_kafka_queue_s> queue_;
  std::atomic<bool> paused_ = false;                 ///< set by the thread alone
  std::chrono::steady_clock::time_point next_look_;  ///< of the thread alone
  std::vector<Message> received_;                    ///< so are these, not yet in the buffer
  bool answered_ = true;                             ///< and whether the group took the last commit

  mutable std::mutex mutex_;  ///< guards all below
  std::condition_variable changed_;
  std::atomic<bool> stopping_ = false;
  std::deque<Message> buffer_;
  std::uint64_t bytes_ = 0;
  std::map<Partition, std::uint64_t> owned_;  ///< with the number of the assignment
  std::uint64_t assignments_ = 0;
  bool assigned_ = false;
  std::chrono::steady_clock::time_point assigned_at_;
  std::set<Partition> ended_;
  Positions positions_;          ///< `next`: to be emitted next
  std::set<Partition> unsaved_;  ///< of positions_
  bool in_hand_ = false;         ///< between take and emitted
  std::deque<Emitted> emitted_;  ///< and not yet durable
  std::map<Partition, std::int64_t> to_commit_;
  bool committing_ = false;
  std::chrono::steady_clock::time_point commit_after_;

  std::thread thread_;  ///< last: it uses all above
};

}  // namespace weir::kafka
