// The partitions that the group gives a consumer and takes away, and where it reads on in each.
#include <librdkafka/rdkafka.h>

#include <algorithm>

#include "assignment.h"
#include "consumer.h"

namespace weir::kafka {

using std::chrono::milliseconds;

void Consumer::assign(rd_kafka_topic_partition_list_t* list) {
  if (!resolve(list)) return;  // stopping
  if (const auto error = take_up(client_.get(), list); !error.empty())
    return say(Level::warning, "taking partitions: " + error);
  if (paused_) rd_kafka_pause_partitions(client_.get(), list);
  {
    const std::lock_guard lock(mutex_);
    ++assignments_;
    assigned_ = true;
    assigned_at_ = std::chrono::steady_clock::now();
    for (int i = 0; i < list->cnt; ++i) {
      owned_[partition_of(list->elems[i])] = assignments_;
      ended_.erase(partition_of(list->elems[i]));
    }
  }
  over();
  context().ready();
  context().log(list->cnt > 0 ? Level::info : Level::debug,
                "the group '" + settings_.group + "' gives us " + std::to_string(list->cnt) + " more partitions");
  context().wake();
}

void Consumer::revoke(rd_kafka_topic_partition_list_t* list, bool lost) {
  std::set<Partition> partitions;
  for (int i = 0; i < list->cnt; ++i) partitions.insert(partition_of(list->elems[i]));
  {
    std::unique_lock lock(mutex_);
    drop_buffered(partitions);  // and nothing more of them is taken
    // So that the next owner begins after what is here already.
    if (!lost && !stopping_) {
      changed_.wait_for(lock, kLastWords, [&] {
        const auto of_these = [&](const auto& at) { return partitions.contains(at.first); };
        const auto undecided = [&](const auto& batch) { return std::ranges::any_of(batch.next, of_these); };
        return stopping_ || (!in_hand_ && std::ranges::none_of(emitted_, undecided));
      });
    }
  }
  if (!lost) commit_and_wait(partitions);
  {
    const std::lock_guard lock(mutex_);
    assigned_ = false;  // until the group has said what is ours now
    drop_buffered(partitions);
    for (const auto& partition : partitions) {
      owned_.erase(partition);
      ended_.erase(partition);
      to_commit_.erase(partition);
    }
  }
  give_up(client_.get(), list);
  context().log(Level::info,
                "the group '" + settings_.group + "' takes " + std::to_string(list->cnt) + " partitions away");
}

std::string Consumer::go_on_at(rd_kafka_topic_partition_list_t* list) {
  if (cooperative()) {
    give_up(client_.get(), list);
    const auto error = take_up(client_.get(), list);
    if (paused_) rd_kafka_pause_partitions(client_.get(), list);
    return error;
  }
  // A seek does not wake a partition that has failed: all are assigned anew, the others where they are.
  const auto all = owned_list();
  rd_kafka_position(client_.get(), all.get());
  {
    const std::lock_guard lock(mutex_);
    for (int i = 0; i < all->cnt; ++i) {
      auto& element = all->elems[i];
      if (element.offset < 0) element.offset = positions_[partition_of(element)].next;  // nothing was polled of it yet
      if (const auto* changed = rd_kafka_topic_partition_list_find(list, element.topic, element.partition))
        element.offset = changed->offset;
    }
  }
  const auto error = take_up(client_.get(), all.get());
  if (paused_) rd_kafka_pause_partitions(client_.get(), all.get());
  return error;
}

/// Asked again until it is known or the consumer ends.
bool Consumer::try_again(int error, const char* what) {
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return false;
  const auto text = std::string(what) + ": " + rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(error));
  if (reaction_to(error) == Reaction::misconfigured) set_fatal(text);
  say(Level::warning, text);
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, milliseconds(200), [this] { return stopping_.load(); });
  return true;
}

/// Fills in where each partition begins. False: the consumer ends.
bool Consumer::resolve(rd_kafka_topic_partition_list_t* list) {
  const PartitionList group(rd_kafka_topic_partition_list_copy(list));
  while (try_again(rd_kafka_committed(client_.get(), group.get(), kRequest), "asking for the group's offsets")) {
    if (stopping_) return false;
  }
  for (int i = 0; i < list->cnt; ++i) {
    const auto partition = partition_of(list->elems[i]);
    const auto* element = rd_kafka_topic_partition_list_find(group.get(), partition.topic.c_str(), partition.number);
    std::optional<std::int64_t> committed;
    if (element != nullptr && element->offset >= 0) committed = element->offset;
    std::optional<Position> own;
    {
      const std::lock_guard lock(mutex_);
      if (const auto known = positions_.find(partition); known != positions_.end()) own = known->second;
    }
    const auto resume = resume_at(own, committed);
    auto offset = resume.offset.value_or(RD_KAFKA_OFFSET_BEGINNING);
    if (!resume.offset && !find_start(partition, offset)) return false;
    if (resume.set_back)
      context().bulletin(Level::warning, "the offset of the group '" + settings_.group +
                                             "' was set back: " + to_string(partition) + " is read again from " +
                                             std::to_string(offset) + ", not on from " + std::to_string(own->next));
    list->elems[i].offset = offset;
    if (offset < 0) continue;  // RD_KAFKA_OFFSET_BEGINNING: the first message will say where that is
    const std::lock_guard lock(mutex_);
    auto& position = positions_[partition];
    position.next = offset;
    if (resume.set_back || !own) position.confirmed = committed.value_or(-1);
    unsaved_.insert(partition);
  }
  return true;
}

/// As `start` says. What is found is made a position at once: `latest` must not mean something later after a restart.
bool Consumer::find_start(const Partition& partition, std::int64_t& offset) {
  offset = RD_KAFKA_OFFSET_BEGINNING;
  if (settings_.start == "earliest") return true;
  std::int64_t low = 0;
  std::int64_t high = 0;
  while (try_again(
      rd_kafka_query_watermark_offsets(client_.get(), partition.topic.c_str(), partition.number, &low, &high, kRequest),
      "asking where a partition ends")) {
    if (stopping_) return false;
  }
  offset = high;
  if (!start_time_) return true;
  const auto times = list_of({{partition, *start_time_}});
  while (try_again(rd_kafka_offsets_for_times(client_.get(), times.get(), kRequest), "asking for offsets by time")) {
    if (stopping_) return false;
    times->elems[0].offset = *start_time_;
  }
  if (times->elems[0].offset >= 0) offset = times->elems[0].offset;
  return true;
}

/// The broker does not have the offset any more (retention), or not yet (the topic was made anew).
void Consumer::out_of_range(const Partition& partition, const std::string& text) {
  std::int64_t low = 0;
  std::int64_t high = 0;
  while (try_again(
      rd_kafka_query_watermark_offsets(client_.get(), partition.topic.c_str(), partition.number, &low, &high, kRequest),
      "asking where a partition begins")) {
    if (stopping_) return;
  }
  std::int64_t wanted = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!owned_.contains(partition)) return;
    drop_buffered({partition});
    auto& position = positions_[partition];
    wanted = position.next;
    position = {.next = low, .confirmed = -1};
    unsaved_.insert(partition);
    owned_[partition] = ++assignments_;
    to_commit_.erase(partition);
    for (auto& batch : emitted_) batch.next.erase(partition);
  }
  context().bulletin(Level::error,
                     to_string(partition) + ": offset " + std::to_string(wanted) + " is not there; it has " +
                         std::to_string(low) + " to " + std::to_string(high) + " (" + text + "). " +
                         (wanted < low ? "What lay between is lost to this flow: it was deleted before it was read"
                                       : "The topic was made anew, or its end was lost") +
                         ". Reading goes on at " + std::to_string(low));
  const auto list = list_of({{partition, low}});
  if (const auto error = go_on_at(list.get()); !error.empty())
    say(Level::error, to_string(partition) + " cannot be read on: " + error);
}

}  // namespace weir::kafka
