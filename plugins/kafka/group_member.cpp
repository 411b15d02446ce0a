#include "group_member.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <utility>

#include "assignment.h"
#include "weir/errors.h"

namespace weir::kafka {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr auto kLastRound = seconds(5);   ///< for a lane to end its round before its partition is given up
constexpr auto kLastCommit = seconds(2);  ///< for the group to take what they have done
constexpr auto kCommitEvery = seconds(1);

std::mutex members_mutex;
std::map<std::pair<std::string, std::string>, std::weak_ptr<GroupMember>> members;

std::set<Partition> partitions_of(const rd_kafka_topic_partition_list_t& list) {
  std::set<Partition> all;
  for (int i = 0; i < list.cnt; ++i) all.insert(partition_of(list.elems[i]));
  return all;
}

}  // namespace

struct GroupMember::Callbacks {
  static void rebalance(rd_kafka_t* client, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list,
                        void* opaque) {
    auto& self = *static_cast<GroupMember*>(static_cast<Trouble*>(opaque));
    if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
      self.assign(list);
    } else if (error == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
      self.revoke(list, rd_kafka_assignment_lost(client) != 0);
    } else {
      rd_kafka_assign(client, nullptr);
    }
  }
};

GroupMember::GroupMember(MemberSettings settings, Context context, abi::Lanes& lanes)
    : Trouble(context), settings_(std::move(settings)), lanes_(lanes) {
  start_time_ = parse_time(settings_.start);
  owned_metric_ = this->context().gauge("kafka_lanes", "Partitions of the group that this Weir has.");
  commits_metric_ = this->context().counter("kafka_lane_commits", "Commits to the group of what lanes have done.");
  done_metric_ = this->context().counter("kafka_lane_offsets", "Offsets that lanes of this Weir have done.");
  Configuration configuration(settings_.connection, *this);
  configuration.set("group.id", settings_.group);
  configuration.set("partition.assignment.strategy", assignment_strategy());
  configuration.set("enable.auto.commit", "false");
  configuration.set("enable.auto.offset.store", "false");
  configuration.set("topic.metadata.refresh.interval.ms", "30000");
  configuration.set(settings_.connection.options);
  rd_kafka_conf_set_rebalance_cb(configuration.get(), Callbacks::rebalance);
  client_ = std::move(configuration).make(Role::consumer);
  answers_.reset(rd_kafka_queue_new(client_.get()));
  rd_kafka_poll_set_consumer(client_.get());
  const PartitionList topics(rd_kafka_topic_partition_list_new(1));
  for (const auto& topic : settings_.subscription)
    rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  if (const auto error = rd_kafka_subscribe(client_.get(), topics.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    throw Misconfigured("cannot subscribe to '" + settings_.subscription.front() + "': " + rd_kafka_err2str(error));
  this->context().not_ready("the group '" + settings_.group + "' has given it no partitions yet");
  this->context().log(Level::info, joins(settings_.group));
  thread_ = std::thread([this] { run(); });
}

void GroupMember::close() {
  stopping_ = true;
  if (!thread_.joinable()) return;
  thread_.join();
  answers_.reset();
  if (committing_) desert(std::move(client_));
}

std::shared_ptr<GroupMember> GroupMember::find(std::string_view flow, std::string_view processor) {
  const std::lock_guard lock(members_mutex);
  const auto found = members.find({std::string(flow), std::string(processor)});
  return found == members.end() ? nullptr : found->second.lock();
}

void GroupMember::enlist(const std::shared_ptr<GroupMember>& self) const {
  auto context = self->context();
  const std::lock_guard lock(members_mutex);
  members[{std::string(context.flow()), std::string(context.name())}] = self;
}

void GroupMember::run() {
  while (!stopping_) {
    if (const Message message(rd_kafka_consumer_poll(client_.get(), 100)); message && message->err != 0) {
      if (reaction_to(message->err) == Reaction::misconfigured) set_fatal(rd_kafka_message_errstr(message.get()));
      say(Level::warning, text_of(*message));
    }
    answer();
    hear_commit(milliseconds(0));
    if (Clock::now() < commit_after_) continue;
    commit_after_ = Clock::now() + kCommitEvery;
    commit(nullptr);
  }
  const auto all = [this] {
    const std::lock_guard lock(mutex_);
    return owned_;
  }();
  stand_still(all);
  all_stand_ = true;
  if (!committing_) {
    rd_kafka_consumer_close(client_.get());  // which takes the partitions away, by revoke()
    return;
  }
  // librdkafka would wait in there for the answer.
  for (const auto& partition : all) lanes_.give_up(to_text(partition.topic), partition.number);
}

// ------------------------------------------------------------------------------------------------------- rebalances

/// New partitions, or with `range` all that are ours now.
void GroupMember::assign(rd_kafka_topic_partition_list_t* list) {
  if (const auto error = take_up(client_.get(), list); !error.empty())
    say(Level::warning, "taking partitions: " + error);
  rd_kafka_pause_partitions(client_.get(), list);  // the lanes read
  const auto given = partitions_of(*list);
  std::set<Partition> gone;
  std::set<Partition> back;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& partition : std::exchange(parked_, {}))
      (given.contains(partition) ? back : gone).insert(partition);
    owned_.insert(given.begin(), given.end());
    owned_metric_.set(static_cast<double>(owned_.size()));
  }
  for (const auto& partition : gone) lanes_.give_up(to_text(partition.topic), partition.number);
  if (!back.empty()) take_back(back);
  for (const auto& partition : given) lanes_.want(to_text(partition.topic), partition.number);
  over();
  context().ready();
}

/// Lanes that stood still go on, if nobody has been there meanwhile.
void GroupMember::take_back(const std::set<Partition>& partitions) {
  const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const auto& partition : partitions)
    rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.number);
  const bool known = rd_kafka_committed(client_.get(), list.get(), kRequest) == RD_KAFKA_RESP_ERR_NO_ERROR;
  std::set<Partition> strange;
  {
    const std::lock_guard lock(mutex_);
    for (int i = 0; i < list->cnt; ++i) {
      const auto partition = partition_of(list->elems[i]);
      const auto lane = running_.find(partition);
      if (lane == running_.end() || !lane->second.done) continue;  // it has not read anything yet
      if (!known || list->elems[i].offset != lane->second.done->next) strange.insert(partition);
      lane->second.waits = false;
    }
  }
  for (const auto& partition : strange) lanes_.give_up(to_text(partition.topic), partition.number);
  wake(partitions);
}

void GroupMember::revoke(rd_kafka_topic_partition_list_t* list, bool lost) {
  const auto partitions = partitions_of(*list);
  if (!lost && !all_stand_) stand_still(partitions);
  std::set<Partition> drop;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& partition : partitions) {
      owned_.erase(partition);
      const auto lane = running_.find(partition);
      const bool stands = lane != running_.end() && lane->second.stands() &&
                          (!lane->second.done || lane->second.committed == lane->second.done->next);
      if (!lost && stands && !cooperative() && !stopping_) {
        parked_.insert(partition);
      } else {
        drop.insert(partition);
      }
    }
    owned_metric_.set(static_cast<double>(owned_.size()));
  }
  if (lost && !partitions.empty())
    context().bulletin(Level::warning, "this Weir was away from the group '" + settings_.group +
                                           "' for too long: its " + std::to_string(partitions.size()) +
                                           " lanes are dropped, others may have them");
  for (const auto& partition : drop) lanes_.give_up(to_text(partition.topic), partition.number);
  give_up(client_.get(), list);
  context().not_ready("the group '" + settings_.group + "' is sharing out its partitions anew");
}

/// The lanes end their rounds, and what they have done is committed. What does not come to that in time is done again,
/// by the next owner.
void GroupMember::stand_still(const std::set<Partition>& partitions) {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& partition : partitions) parked_.insert(partition);
  }
  wake(partitions);
  {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kLastRound, [&] {
      return std::ranges::all_of(partitions, [&](const auto& partition) {
        const auto lane = running_.find(partition);
        return lane == running_.end() || lane->second.stands() || !lane->second.start;  // or it has not begun
      });
    });
    for (const auto& partition : partitions) parked_.erase(partition);
  }
  const auto deadline = Clock::now() + kLastCommit;
  const auto left = [&] { return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(deadline - Clock::now())); };
  hear_commit(left());
  commit(&partitions);
  hear_commit(left());
}

void GroupMember::wake(const std::set<Partition>& partitions) {
  const std::lock_guard lock(mutex_);  // so that none can leave, and end, before it is woken
  for (const auto& partition : partitions) {
    if (const auto lane = running_.find(partition); lane != running_.end()) lane->second.context.wake();
  }
}

// ------------------------------------------------------------------------------------------------------------ lanes

void GroupMember::join(const Partition& partition, Context context) {
  const std::lock_guard lock(mutex_);
  LaneOf lane;
  lane.context = context;
  running_.insert_or_assign(partition, std::move(lane));
  under_way_.erase(partition);
}

void GroupMember::leave(const Partition& partition) {
  const std::lock_guard lock(mutex_);
  running_.erase(partition);
  changed_.notify_all();
}

std::optional<LanePosition> GroupMember::position(const Partition& partition) {
  const std::lock_guard lock(mutex_);
  const auto lane = running_.find(partition);
  if (lane == running_.end()) return std::nullopt;
  lane->second.asked = true;
  return lane->second.start;
}

bool GroupMember::done(const Partition& partition, const std::optional<LanePosition>& position) {
  const std::lock_guard lock(mutex_);
  const auto lane = running_.find(partition);
  if (lane == running_.end()) return false;
  if (position) {
    const auto& before = lane->second.told ? lane->second.told : lane->second.start;
    if (before) done_metric_.add(static_cast<double>(position->next - before->next));
    lane->second.told = position;
  }
  lane->second.waits = parked_.contains(partition) || !owned_.contains(partition);
  if (lane->second.waits) changed_.notify_all();
  return !lane->second.waits;
}

void GroupMember::durable(const Partition& partition, const LanePosition& position) {
  const std::lock_guard lock(mutex_);
  const auto lane = running_.find(partition);
  if (lane == running_.end()) return;
  lane->second.done = position;
  if (lane->second.waits) changed_.notify_all();
}

/// Tells lanes that have asked where the group is.
void GroupMember::answer() {
  std::set<Partition> asked;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [partition, lane] : running_) {
      if (lane.asked && !lane.start && owned_.contains(partition)) asked.insert(partition);
    }
  }
  if (asked.empty()) return;
  const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(asked.size())));
  for (const auto& partition : asked)
    rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.number);
  if (const auto error = rd_kafka_committed(client_.get(), list.get(), kRequest); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    return say(Level::warning, std::string("asking for the group's offsets: ") + rd_kafka_err2str(error));
  for (int i = 0; i < list->cnt; ++i) {
    const auto& element = list->elems[i];
    if (element.err != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    const auto partition = partition_of(element);
    std::optional<LanePosition> start;
    if (element.offset < 0) {
      std::int64_t offset = 0;
      if (!find_start(partition, offset)) continue;
      start = LanePosition{.next = offset, .held_from = offset, .needed_from = offset, .kept = {}};
    } else {
      start = LanePosition::read(
          element.offset, element.metadata == nullptr
                              ? std::string_view()
                              : std::string_view(static_cast<const char*>(element.metadata), element.metadata_size));
      if (!start) {
        start = LanePosition{
            .next = element.offset, .held_from = element.offset, .needed_from = element.offset, .kept = {}};
        context().bulletin(Level::warning, to_string(partition) + ": the group's offset " +
                                               std::to_string(element.offset) +
                                               " was not set by a lane: reading goes on there, and windows begin anew");
      }
    }
    const std::lock_guard lock(mutex_);
    if (const auto lane = running_.find(partition); lane != running_.end()) {
      lane->second.start = start;
      lane->second.committed = element.offset;
      if (element.offset >= 0) lane->second.stored = start;
      // A start that was found by time, or at the end, must not be found elsewhere by the next owner.
      if (element.offset < 0) lane->second.told = lane->second.done = start;
    }
  }
  wake(asked);
}

/// As `start` says.
bool GroupMember::find_start(const Partition& partition, std::int64_t& offset) {
  std::int64_t low = 0;
  std::int64_t high = 0;
  if (const auto error = rd_kafka_query_watermark_offsets(client_.get(), partition.topic.c_str(), partition.number,
                                                          &low, &high, kRequest);
      error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    say(Level::warning, std::string("asking where a partition begins: ") + rd_kafka_err2str(error));
    return false;
  }
  offset = settings_.start == "earliest" ? low : high;
  if (!start_time_) return true;
  const PartitionList times(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(times.get(), partition.topic.c_str(), partition.number)->offset = *start_time_;
  if (const auto error = rd_kafka_offsets_for_times(client_.get(), times.get(), kRequest);
      error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    say(Level::warning, std::string("asking for offsets by time: ") + rd_kafka_err2str(error));
    return false;
  }
  if (times->elems[0].offset >= 0) offset = times->elems[0].offset;
  return true;
}

// ---------------------------------------------------------------------------------------------------------- commits

PartitionList GroupMember::to_commit(const std::set<Partition>* only) {
  PartitionList list(rd_kafka_topic_partition_list_new(4));
  const std::lock_guard lock(mutex_);
  under_way_.clear();
  for (const auto& [partition, lane] : running_) {
    if (!lane.done || lane.done == lane.stored) continue;
    if (only != nullptr ? !only->contains(partition) : !owned_.contains(partition)) continue;
    under_way_.emplace(partition, *lane.done);
    auto* element = rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.number);
    element->offset = lane.done->next;
    const auto metadata = lane.done->metadata();
    element->metadata = std::malloc(metadata.size());  // the list frees it
    std::memcpy(element->metadata, metadata.data(), metadata.size());
    element->metadata_size = metadata.size();
  }
  return list;
}

/// The group takes it from its present members only. One commit at a time is under way, and its answer is not waited
/// for here: while the group waits for another member it gives none, and this one has to hear what else there is.
void GroupMember::commit(const std::set<Partition>* only) {
  if (committing_) return;
  const auto list = to_commit(only);
  if (list->cnt == 0) return;
  const auto error = rd_kafka_commit_queue(client_.get(), list.get(), answers_.get(), nullptr, nullptr);
  committing_ = error == RD_KAFKA_RESP_ERR_NO_ERROR;
  if (!committing_) context().log(Level::info, std::string("committing offsets: ") + rd_kafka_err2str(error));
}

/// Notes what the group has, if it has answered within that time.
void GroupMember::hear_commit(milliseconds patience) {
  if (!committing_) return;
  const Owned<rd_kafka_event_t> answer(rd_kafka_queue_poll(answers_.get(), static_cast<int>(patience.count())));
  if (!answer) return;
  committing_ = false;
  if (rd_kafka_event_error(answer.get()) == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE)
    return say(Level::error,
               "the group is not told what is done: what goes with an offset, of each window the event time, has more "
               "bytes than the brokers' offset.metadata.max.bytes. Raise that, or divide the flow");
  if (rd_kafka_event_error(answer.get()) != RD_KAFKA_RESP_ERR_NO_ERROR)
    return context().log(
        Level::info, std::string("committing offsets: ") + rd_kafka_event_error_string(answer.get()) + "; tried again");
  commits_metric_.add(1);
  const auto* list = rd_kafka_event_topic_partition_list(answer.get());
  const std::lock_guard lock(mutex_);
  for (int i = 0; i < list->cnt; ++i) {
    if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    const auto lane = running_.find(partition_of(list->elems[i]));
    const auto position = under_way_.find(partition_of(list->elems[i]));
    if (lane == running_.end() || position == under_way_.end()) continue;
    lane->second.committed = position->second.next;
    lane->second.stored = position->second;
  }
}

}  // namespace weir::kafka
