#include "consumer.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "assignment.h"
#include "weir/errors.h"

namespace weir::kafka {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr int kLookFor = 300;              ///< milliseconds for a request that asks whether anybody is there,
constexpr auto kLook = seconds(1);         ///< made so often
constexpr std::size_t kAtOnce = 500;       ///< messages, at most, that one lock brings into the buffer
constexpr auto kRoom = milliseconds(500);  ///< a buffer that stays full for so long pauses the partitions
/// A commit that crosses a rebalance costs the whole assignment (librdkafka gives it up for lost): so they are few, and
/// one more when partitions are given up.
constexpr auto kCommitEvery = seconds(1);

Partition partition_of(const rd_kafka_message_t& message) {
  return {rd_kafka_topic_name(message.rkt), message.partition};
}

/// Calls `each(partition, run)` for neighbours of one partition: to look one up costs more than to take it.
template <class Messages, class Each>
void for_each_run(Messages& messages, const Each& each) {
  for (auto it = messages.begin(); it != messages.end();) {
    const auto& first = **it;
    const auto end = std::find_if(it, messages.end(), [&](const Message& message) {
      return message->rkt != first.rkt || message->partition != first.partition;
    });
    each(partition_of(first), std::ranges::subrange(it, end));
    it = end;
  }
}

}  // namespace

struct Consumer::Callbacks {
  static Consumer& self(void* opaque) { return *static_cast<Consumer*>(static_cast<Trouble*>(opaque)); }
  static void rebalance(rd_kafka_t* client, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list,
                        void* opaque) {
    self(opaque).keep_received();  // it is of the assignment before
    if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
      self(opaque).assign(list);
    } else if (error == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
      self(opaque).revoke(list, rd_kafka_assignment_lost(client) != 0);
    } else {
      rd_kafka_assign(client, nullptr);
    }
  }
  static void committed(rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list, void* opaque) {
    self(opaque).committed(error, list);
  }
};

Consumer::Consumer(ConsumerSettings settings, Context context, Positions positions)
    : Trouble(context), settings_(std::move(settings)), positions_(std::move(positions)) {
  start_time_ = parse_time(settings_.start);
  Configuration configuration(settings_.connection, *this);
  configuration.set("group.id", settings_.group);
  configuration.set("partition.assignment.strategy", assignment_strategy());
  configuration.set("isolation.level", settings_.isolation);
  configuration.set("enable.auto.commit", "false");
  configuration.set("enable.auto.offset.store", "false");
  configuration.set("auto.offset.reset", "error");  // never in silence: see out_of_range
  configuration.set("enable.partition.eof", settings_.to_the_end ? "true" : "false");
  configuration.set("topic.metadata.refresh.interval.ms", "30000");  // topics that are made later
  // A full queue of its own makes librdkafka look again after up to a second (until 2.2 that cannot be set). Our buffer
  // bounds what is fetched ahead: while it is full the partitions are paused, which costs what was on its way.
  configuration.set("queued.min.messages", "10000000");
  configuration.set("queued.max.messages.kbytes", "32768");
  configuration.set("fetch.message.max.bytes", "262144");
  configuration.set("fetch.max.bytes", "8388608");
  configuration.set(settings_.connection.options);
  rd_kafka_conf_set_rebalance_cb(configuration.get(), Callbacks::rebalance);
  rd_kafka_conf_set_offset_commit_cb(configuration.get(), Callbacks::committed);
  client_ = std::move(configuration).make(Role::consumer);
  rd_kafka_poll_set_consumer(client_.get());
  queue_.reset(rd_kafka_queue_get_consumer(client_.get()));
  const PartitionList topics(rd_kafka_topic_partition_list_new(1));
  for (const auto& topic : settings_.subscription)
    rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  if (const auto error = rd_kafka_subscribe(client_.get(), topics.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    throw Misconfigured("cannot subscribe to '" + settings_.subscription.front() + "': " + rd_kafka_err2str(error));
  wait_for_partitions();
  this->context().log(Level::info, joins(settings_.group));
  thread_ = std::thread([this] { run(); });
}

Consumer::~Consumer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  rd_kafka_queue_yield(queue_.get());
  thread_.join();
  buffer_.clear();  // messages belong to the client: before it
  emitted_.clear();
  queue_.reset();
  if (!answered_) desert(std::move(client_));
}

void Consumer::run() {
  while (!stopping_) {
    wait_for_room();
    if (stopping_) break;
    receive();
    commit();
    look_for_brokers();
    if (settings_.to_the_end) context().wake();  // at_end may depend on the time alone
  }
  close();
}

/// Where nothing is published, no message says that the brokers are there.
void Consumer::look_for_brokers() {
  if (!in_doubt() || Clock::now() < next_look_) return;
  next_look_ = Clock::now() + kLook;
  const rd_kafka_metadata_t* metadata = nullptr;
  if (const auto error = rd_kafka_metadata(client_.get(), 0, nullptr, &metadata, kLookFor);
      error != RD_KAFKA_RESP_ERR_NO_ERROR)
    return away(rd_kafka_err2str(error));
  rd_kafka_metadata_destroy(metadata);
  over();
  bool assigned = false;
  {
    const std::lock_guard lock(mutex_);
    assigned = assigned_;
  }
  if (!assigned) wait_for_partitions();
}

void Consumer::wait_for_partitions() {
  context().not_ready("the group '" + settings_.group + "' has given it no partitions yet");
}

/// librdkafka would wait in there for an answer to every commit.
void Consumer::close() {
  std::set<Partition> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [partition, assignment] : owned_) all.insert(partition);
  }
  answered_ = commit_and_wait(all);
  if (answered_) rd_kafka_consumer_close(client_.get());  // which takes the partitions away, by revoke()
}

void Consumer::wait_for_room() {
  bool pause_now = false;
  bool resume_now = false;
  {
    std::unique_lock lock(mutex_);
    if (paused_) {
      resume_now = half_empty();
    } else if (full()) {
      pause_now = !changed_.wait_for(lock, kRoom, [this] { return stopping_ || !full(); });
    }
  }
  if (pause_now) pause(true);
  if (resume_now) pause(false);
}

void Consumer::pause(bool on) {
  const auto list = owned_list();
  const auto error =
      on ? rd_kafka_pause_partitions(client_.get(), list.get()) : rd_kafka_resume_partitions(client_.get(), list.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
    context().log(Level::warning, std::string(on ? "pausing" : "resuming") + " partitions: " + rd_kafka_err2str(error));
  paused_ = on;
}

PartitionList Consumer::owned_list() const {
  const std::lock_guard lock(mutex_);
  PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(owned_.size())));
  for (const auto& [partition, assignment] : owned_)
    rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.number);
  return list;
}

/// Waits for a message, and takes what else is there. What came before an event is kept before it is heard.
void Consumer::receive() {
  for (int wait = 1000; received_.size() < kAtOnce; wait = 0) {
    Message message(rd_kafka_consumer_poll(client_.get(), wait));
    if (!message) break;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      received_.push_back(std::move(message));
    } else {
      keep_received();
      hear(*message);
    }
  }
  keep_received();
}

void Consumer::hear(const rd_kafka_message_t& event) {
  switch (event.err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF: {
      {
        const std::lock_guard lock(mutex_);
        ended_.insert(partition_of(event));
      }
      over();
      context().wake();
      return context().log(Level::debug, to_string(partition_of(event)) + " was read to its end");
    }
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      return out_of_range(partition_of(event), rd_kafka_message_errstr(&event));
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
      return say(Level::warning, std::string(rd_kafka_message_errstr(&event)) + "; it is looked for again every 30 s");
    default:
      if (reaction_to(event.err) == Reaction::misconfigured) return set_fatal(rd_kafka_message_errstr(&event));
      return say(Level::warning, text_of(event));
  }
}

void Consumer::keep_received() {
  if (received_.empty()) return;
  over();
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = buffer_.empty();
    for_each_run(received_, [&](const Partition& partition, const auto& run) {
      if (!owned_.contains(partition)) return;
      ended_.erase(partition);
      for (auto& message : run) {
        bytes_ += message->len + message->key_len;
        buffer_.push_back(std::move(message));
      }
    });
  }
  received_.clear();
  if (first) context().wake();
}

// ------------------------------------------------------------------------------------------------ the session's side

std::deque<Message> Consumer::take(std::size_t count) {
  std::deque<Message> taken;
  bool room = false;
  {
    const std::lock_guard lock(mutex_);
    in_hand_ = true;
    if (buffer_.size() <= count) {
      taken = std::exchange(buffer_, {});
      bytes_ = 0;
    } else {
      const auto end = buffer_.begin() + static_cast<std::ptrdiff_t>(count);
      for (auto it = buffer_.begin(); it != end; ++it) bytes_ -= (*it)->len + (*it)->key_len;
      std::move(buffer_.begin(), end, std::back_inserter(taken));
      buffer_.erase(buffer_.begin(), end);
    }
    room = paused_ && half_empty();
  }
  changed_.notify_all();
  if (room) rd_kafka_queue_yield(queue_.get());  // the thread wakes and resumes
  return taken;
}

void Consumer::put_back(std::deque<Message> messages) {
  for (; !messages.empty(); messages.pop_back()) {
    if (!owned_.contains(partition_of(*messages.back()))) continue;
    bytes_ += messages.back()->len + messages.back()->key_len;
    buffer_.push_front(std::move(messages.back()));
  }
}

void Consumer::emitted(std::uint64_t token, std::deque<Message> messages, std::deque<Message> rest) {
  changed_.notify_all();
  const std::lock_guard lock(mutex_);
  in_hand_ = false;
  put_back(std::move(rest));
  if (messages.empty()) return;
  auto& batch = emitted_.emplace_back();
  batch.token = token;
  for_each_run(messages, [&](const Partition& partition, const auto& run) {
    batch.next[partition] = (*std::prev(run.end()))->offset + 1;
  });
  for (const auto& [partition, next] : batch.next) {
    auto& position = positions_[partition];
    position.next = next;
    unsaved_.insert(partition);
    if (const auto owned = owned_.find(partition); owned != owned_.end()) batch.generation[partition] = owned->second;
  }
  // Of the batches before only the offsets still count: another session would not have begun had theirs been undone.
  for (auto before = emitted_.begin(); before + 1 != emitted_.end(); ++before) before->messages.clear();
  batch.messages = std::move(messages);
}

void Consumer::give_back(std::uint64_t token) {
  std::map<Partition, std::int64_t> seek;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [partition, position] : positions_) unsaved_.insert(partition);
    if (emitted_.empty() || emitted_.back().token != token) return;  // it had only positions to save
    auto batch = std::move(emitted_.back());
    emitted_.pop_back();
    for (; !batch.messages.empty(); batch.messages.pop_back()) {
      auto& message = batch.messages.back();
      const auto partition = partition_of(*message);
      positions_[partition].next = message->offset;
      const auto owned = owned_.find(partition);
      if (owned == owned_.end()) continue;
      if (batch.generation[partition] == owned->second) {
        bytes_ += message->len + message->key_len;
        buffer_.push_front(std::move(message));
      } else {
        seek[partition] = message->offset;  // it went and came back in between, and was resumed too far on
      }
    }
    std::set<Partition> partitions;
    for (const auto& [partition, offset] : seek) partitions.insert(partition);
    drop_buffered(partitions);
  }
  if (seek.empty()) return;
  const auto list = list_of(seek);
  if (const auto error = text_of(rd_kafka_seek_partitions(client_.get(), list.get(), kRequest)); !error.empty())
    say(Level::error, "going back to what was undone: " + error);
}

void Consumer::durable(std::uint64_t token) {
  {
    const std::lock_guard lock(mutex_);
    for (; !emitted_.empty() && emitted_.front().token <= token; emitted_.pop_front()) {
      for (const auto& [partition, next] : emitted_.front().next) to_commit_[partition] = next;
    }
  }
  changed_.notify_all();
  commit();
}

Positions Consumer::changed_positions() {
  const std::lock_guard lock(mutex_);
  Positions changed;
  for (const auto& partition : std::exchange(unsaved_, {})) changed[partition] = positions_[partition];
  return changed;
}

bool Consumer::at_end() const {
  const std::lock_guard lock(mutex_);
  if (owned_.empty() && cooperative() && Clock::now() < assigned_at_ + kOthersGiveUp) return false;
  return assigned_ && buffer_.empty() &&
         std::ranges::all_of(owned_, [this](const auto& owned) { return ended_.contains(owned.first); });
}

std::uint64_t Consumer::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

void Consumer::drop_buffered(const std::set<Partition>& partitions) {
  if (partitions.empty()) return;
  std::erase_if(buffer_, [&](const Message& message) {
    if (!partitions.contains(partition_of(*message))) return false;
    bytes_ -= message->len + message->key_len;
    return true;
  });
}

// ---------------------------------------------------------------------------------------------------------- commits

/// One commit at a time is under way; what has become durable meanwhile goes with the next. Any thread; never waits.
void Consumer::commit() {
  const std::lock_guard lock(mutex_);
  if (committing_ || to_commit_.empty() || Clock::now() < commit_after_) return;
  std::erase_if(to_commit_, [this](const auto& entry) { return !owned_.contains(entry.first); });
  if (to_commit_.empty()) return;
  const auto list = list_of(to_commit_);
  const auto error = rd_kafka_commit(client_.get(), list.get(), 1);
  committing_ = error == RD_KAFKA_RESP_ERR_NO_ERROR;
  commit_after_ = Clock::now() + kCommitEvery;
}

/// For when there is no later: before partitions are given up. Until Kafka has confirmed it, but not for long. False:
/// it does not answer, as while the group waits for another member.
bool Consumer::commit_and_wait(const std::set<Partition>& only) {
  const Owned<rd_kafka_queue_s> answers(rd_kafka_queue_new(client_.get()));
  for (const auto deadline = Clock::now() + kLastWords; Clock::now() < deadline;) {
    std::map<Partition, std::int64_t> offsets;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [partition, offset] : to_commit_) {
        if (owned_.contains(partition) && only.contains(partition)) offsets[partition] = offset;
      }
    }
    if (offsets.empty()) return true;
    const auto list = list_of(offsets);
    if (rd_kafka_commit_queue(client_.get(), list.get(), answers.get(), nullptr, nullptr) != RD_KAFKA_RESP_ERR_NO_ERROR)
      return true;
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now()).count();
    const Owned<rd_kafka_event_t> answer(
        rd_kafka_queue_poll(answers.get(), static_cast<int>(std::max<std::int64_t>(left, 0))));
    if (!answer) return false;
    const auto error = rd_kafka_event_error(answer.get());
    confirmed(error, rd_kafka_event_topic_partition_list(answer.get()));
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, milliseconds(50), [] { return false; });
  }
  return true;
}

/// The answer to commit().
void Consumer::committed(int error, const rd_kafka_topic_partition_list_t* list) {
  confirmed(error, list);
  const std::lock_guard lock(mutex_);
  committing_ = false;
}

/// Notes what Kafka has.
void Consumer::confirmed(int error, const rd_kafka_topic_partition_list_t* list) {
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR || list == nullptr) {
    context().log(Level::info, std::string("committing offsets: ") +
                                   rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(error)) + "; tried again");
    return;
  }
  const std::lock_guard lock(mutex_);
  for (int i = 0; i < list->cnt; ++i) {
    const auto& element = list->elems[i];
    if (element.err != RD_KAFKA_RESP_ERR_NO_ERROR || element.offset < 0) continue;
    const auto partition = partition_of(element);
    auto& position = positions_[partition];
    position.confirmed = std::max(position.confirmed, element.offset);
    const auto waiting = to_commit_.find(partition);
    if (waiting != to_commit_.end() && waiting->second <= element.offset) to_commit_.erase(waiting);
  }
}

}  // namespace weir::kafka
