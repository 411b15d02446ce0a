#pragma once
// The one member that a Weir is in the consumer group of a flow that scales out (weir/lane.h). It gets partitions and
// gives them up, and commits what its lanes have done; it reads no message: each lane does so for itself.
//
// Cooperative rebalancing takes away what goes to others, and these lanes end; the others hear nothing of it. A
// rebalance by `range` takes all partitions away, to give most of them back at once. So a lane whose partition is taken
// away ends its round, and waits; if the partition comes back, and the group is where the lane is, it goes on. It is
// thrown away when the partition goes to somebody else, or was lost: then somebody else may have it already.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "client.h"
#include "lane_position.h"
#include "resume.h"
#include "weir/lane.h"

namespace weir::kafka {

struct MemberSettings {
  ConnectionSettings connection;
  std::vector<std::string> subscription;  ///< topics; ^… is a pattern
  std::string group;
  std::string start;  ///< earliest, latest or an RFC 3339 time
};

class GroupMember final : public Trouble {
 public:
  /// Joins the group. Throws Misconfigured.
  GroupMember(MemberSettings settings, Context context, abi::Lanes& lanes);
  ~GroupMember() { close(); }
  GroupMember(const GroupMember&) = delete;
  GroupMember& operator=(const GroupMember&) = delete;

  /// Lets the lanes end their rounds, commits, and leaves the group; within seconds.
  void close();

  /// The member of this process for a source of a flow; null: none has started.
  static std::shared_ptr<GroupMember> find(std::string_view flow, std::string_view processor);
  void enlist(const std::shared_ptr<GroupMember>& self) const;

  // For lanes, from any thread.

  /// `wake` is called when there is something new to hear here.
  void join(const Partition& partition, Context wake);
  /// Where the group is, asked when it is first called; nothing: it is not known yet.
  std::optional<LanePosition> position(const Partition& partition);
  /// The lane has done all before this, and holds nothing. False: it has to wait.
  bool done(const Partition& partition, const std::optional<LanePosition>& position);
  /// And its lineage is on disk: the group may know.
  void durable(const Partition& partition, const LanePosition& position);
  /// The lane has ended.
  void leave(const Partition& partition);

 private:
  struct Callbacks;
  struct LaneOf {
    Context context;
    bool asked = false;
    std::optional<LanePosition> start;
    std::optional<LanePosition> told;  ///< by the lane
    std::optional<LanePosition> done;  ///< that, when it is durable
    std::int64_t committed = -1;
    std::optional<LanePosition> stored;  ///< what the group has of it; nothing: not that
    bool waits = false;                  ///< it has heard that its partition is taken away, and stands still
    bool stands() const { return waits && told == done; }
  };

  void run();
  void assign(rd_kafka_topic_partition_list_s* list);
  void revoke(rd_kafka_topic_partition_list_s* list, bool lost);
  void stand_still(const std::set<Partition>& partitions);
  void take_back(const std::set<Partition>& partitions);
  void answer();
  bool find_start(const Partition& partition, std::int64_t& offset);
  PartitionList to_commit(const std::set<Partition>* only);
  void commit(const std::set<Partition>* only);
  void hear_commit(std::chrono::milliseconds patience);
  void wake(const std::set<Partition>& partitions);

  const MemberSettings settings_;
  std::optional<std::int64_t> start_time_;
  abi::Lanes& lanes_;
  Owned<rd_kafka_s> client_;
  Owned<rd_kafka_queue_s> answers_;  ///< to commits
  bool committing_ = false;          ///< one is under way; of the thread alone, as the next two
  bool all_stand_ = false;           ///< at the end
  std::chrono::steady_clock::time_point commit_after_;
  Metric owned_metric_;
  Metric commits_metric_;
  Metric done_metric_;

  mutable std::mutex mutex_;  ///< guards all below
  std::condition_variable changed_;
  std::atomic<bool> stopping_ = false;
  std::set<Partition> owned_;   ///< ours
  std::set<Partition> parked_;  ///< taken away, and not yet given to anybody
  std::map<Partition, LaneOf> running_;
  std::map<Partition, LanePosition> under_way_;  ///< what is being committed, of lanes that still run

  std::thread thread_;  ///< last: it uses all above
};

}  // namespace weir::kafka
