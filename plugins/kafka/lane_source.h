#pragma once
// KafkaSource in a lane (weir/lane.h): one partition, in rounds.
//
// It is polled when all that it brought before is done. So what it then tells the member of the group is exact: before
// its own position all is out of the sinks, and behind it nothing has begun. The group is told so once the lineage of
// what was done is on disk; the next round does not wait for that.
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "client.h"
#include "group_member.h"
#include "weir/lane.h"
#include "weir/processor.h"

namespace weir::kafka {

struct LaneSourceSettings {
  ConnectionSettings connection;
  std::string group;
  std::string isolation;
  std::string uri;  ///< for the events
};

class LaneSource final : public Trouble {
 public:
  /// Puts messages out in a session, as many as it likes; takes them from the front.
  using Emit = std::function<void(Session&, std::deque<Message>& from, std::deque<Message>& emitted)>;

  LaneSource(LaneSourceSettings settings, Context context, Lane lane, Emit emit);
  ~LaneSource();
  LaneSource(const LaneSource&) = delete;
  LaneSource& operator=(const LaneSource&) = delete;

  void poll(Session& session);
  /// From the committer's thread.
  void durable(std::uint64_t token);

 private:
  bool open(Session& session);
  bool tell_done(Session& session, const LanePosition& position);
  void note(Session& session, bool again) const;
  void check_claims();
  void read_from(std::int64_t offset);
  void take();
  void out_of_range();

  const LaneSourceSettings settings_;
  const Lane lane_;
  const Partition partition_;
  const Emit emit_;
  std::shared_ptr<GroupMember> member_;

  std::optional<LanePosition> start_;
  std::int64_t done_ = 0;     ///< before this
  std::int64_t end_ = 0;      ///< of the round under way
  std::uint64_t rounds_ = 0;  ///< as the state has it
  Owned<rd_kafka_s> client_;
  Owned<rd_kafka_queue_s> queue_;
  std::deque<Message> waiting_;  ///< read, and not yet put out
  std::deque<Message> emitted_;  ///< in the round under way

  std::mutex mutex_;  ///< guards what follows
  std::uint64_t token_ = 0;
  std::deque<std::pair<std::uint64_t, LanePosition>> told_;  ///< by token; whether it is durable is not known
};

}  // namespace weir::kafka
