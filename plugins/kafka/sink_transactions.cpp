// What KafkaSink does for exactly once: its transactions, each with how far it is.
#include <algorithm>

#include "sink.h"

namespace weir::kafka {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto kTransaction = milliseconds(10'000);  ///< for joining and for a commit, before it is tried again
constexpr auto kReported = milliseconds(5000);       ///< how long a commit waits for reports
constexpr auto kOpen = std::chrono::seconds(20);     ///< for a transaction that waits for what it refused
constexpr std::size_t kProgressPart = 64 * KiB;      ///< in one message: whatever topics take there

}  // namespace

/// The producer has the transactional id to itself, and it is known what is committed.
void KafkaSink::join(Producer& producer) {
  make_progress_topic(producer, settings_.progress_topic);
  if (lane_) {
    claim_lane(producer);
  } else {
    producer.init_transactions(kTransaction);
    compare_progress();
  }
  producer.over();
}

StoredProgress KafkaSink::read_lane() {
  const auto stored = read_progress(settings_, context_, settings_.progress_topic, lane_.id());
  const auto found = stored.find(context_.name());
  auto progress = found == stored.end() ? StoredProgress() : found->second;
  if (generation_ == 0 || progress.generation == generation_) return progress;
  lane_.lost("another Weir has claimed it in " + settings_.brokers);
  throw Unavailable("the lane " + lane_.id() + " is another Weir's now");
}

/// Takes the transactional id, so that nobody else's transaction can end any more, and at first claims the lane. Later
/// it must still be ours: one who was cut off must not take it back.
void KafkaSink::claim_lane(Producer& producer) {
  if (generation_ != 0) read_lane();
  producer.init_transactions(kTransaction);
  auto progress = read_lane();
  if (generation_ != 0) return;
  ++progress.generation;
  producer.begin();
  if (const int error = send_progress(producer, lane_.id(), context_.name(), progress); error != 0)
    raise(error, "writing the progress to '" + settings_.progress_topic + "'");
  producer.commit(kTransaction);
  generation_ = progress.generation;
  claimed_ = static_cast<std::int64_t>(progress.next);
  lane_.claim(claimed_);
}

int KafkaSink::send_progress(Producer& producer, std::string_view owner, std::string_view id,
                             const StoredProgress& progress) {
  for (const auto& [key, value] : to_messages(progress_key(owner, id), progress, kProgressPart)) {
    const int error = producer.produce(
        {.topic = settings_.progress_topic, .value = value, .key = key, .partition = 0, .tag = kProgressTag});
    if (error != 0) return error;
  }
  return 0;
}

/// Before any input is taken, and after every producer that was given up: what is committed decides.
void KafkaSink::compare_progress() {
  const auto stored = read_progress(settings_, context_, settings_.progress_topic, context_.store_id());
  const auto where = "the topic " + settings_.progress_topic + " of " + settings_.brokers;
  const auto find = [&](const std::string& id) -> const StoredProgress* {
    const auto found = stored.find(id);
    return found == stored.end() ? nullptr : &found->second;
  };
  if (connections_.empty()) {
    for (const auto& input : context_.inputs()) {
      const std::string id(view(input.id));
      const auto* there = find(id);
      Connection connection{.progress =
                                ExactlyOnceProgress(input, there ? std::optional(there->next) : std::nullopt, where)};
      connection.committed = connection.in_doubt = connection.progress.next();
      if (there != nullptr) connection.rejected = there->rejected;
      connections_.insert_or_assign(id, std::move(connection));
    }
  } else {
    for (auto& [id, connection] : connections_) {
      const auto* there = find(id);
      const auto next = there == nullptr ? connection.committed : there->next;
      if (next != connection.committed && next != connection.in_doubt)
        throw Misconfigured("exactly once cannot go on: " + where + " has '" + id + "' up to FlowFile " +
                            std::to_string(next) +
                            ", which this process did not write. Is there a second Weir with a "
                            "copy of this data directory? Stop one of the two");
      connection.committed = connection.in_doubt = next;
      connection.progress.set(next);
      if (there != nullptr) connection.rejected = there->rejected;
    }
  }
  for (auto& held : held_) {
    const auto connection = connections_.find(held.connection);
    if (connection == connections_.end() || !connection->second.progress.has(held.sequence)) continue;
    held.sent = true;  // that commit did happen
    const auto rejected = connection->second.rejected.find(held.sequence);
    held.rejected = rejected == connection->second.rejected.end() ? std::vector<RejectedRecord>() : rejected->second;
  }
}

/// Something was refused, and nothing else is wrong: the rest is sent again at once, and no pause grows with each.
bool KafkaSink::begins_again() {
  if (!begin_again_ || !fatal_.empty() || !producer_->fatal().empty()) return false;
  if (!abort()) give_up_producer();
  return true;
}

/// Ends the transaction with nothing sent, and keeps the producer, which costs much less than another. False: another
/// is needed.
bool KafkaSink::abort() {
  if (committing_ || one_by_one_ != sends_one_by_one_ || !producer_->abort(kTransaction)) return false;
  for (auto& [id, connection] : connections_) connection.progress.set(connection.committed);
  forget_sent();
  bounds_.ask(*producer_);
  return true;
}

void KafkaSink::commit(Session& session) {
  ready(session);
  if (held_.empty()) return;
  for (const auto deadline = Clock::now() + kReported; !committing_ && !await_reports();) {
    if (Clock::now() > deadline) return send_anew(session);
    ready(session);
  }
  if (lane_ && !committing_) {
    if (send_refused(session)) return;
    give_up_at_.reset();
  }
  if (in_transaction_ && !committing_) {
    const auto must = [&](int error) {
      if (error == 0) return;
      give_up_producer();
      raise(error, "writing the progress to '" + settings_.progress_topic + "'");
    };
    if (lane_) {
      const auto next = static_cast<std::uint64_t>(std::max(lane_->end(), claimed_));
      must(send_progress(*producer_, lane_.id(), context_.name(),
                         {.next = next, .generation = generation_, .rejected = {}}));
    }
    for (const auto& held : held_) {
      if (lane_) break;
      auto& connection = connections_.find(held.connection)->second;
      if (!held.rejected.empty()) connection.rejected[held.sequence] = held.rejected;
    }
    for (auto& [id, connection] : connections_) {
      const auto next = connection.progress.next();
      if (next == connection.committed) continue;
      must(send_progress(*producer_, context_.store_id(), id,
                         {.next = next, .generation = 0, .rejected = connection.rejected}));
      connection.in_doubt = next;
    }
    committing_ = true;
  }
  if (committing_) {
    try {
      producer_->commit(kTransaction);
    } catch (const Unavailable&) {
      if (!lane_ && begins_again()) return send_anew(session);
      throw_if_broken();  // a message that was refused says more than the transaction that it spoilt
      throw;
    }
    committing_ = in_transaction_ = false;
    commits_metric_.add(1);
    producer_->over();
    for (auto& [id, connection] : connections_) connection.committed = connection.in_doubt = connection.progress.next();
  }
  conclude(session, held_.size());
  refusals_.forget();
  share_batches();
}

/// All that the brokers refuse is known before the commit begins. In a lane, one that they spoil would leave it open
/// what became of it; elsewhere, librdkafka would wait for what a spoilt transaction does not send any more. False: one
/// was refused, and the transaction has to begin again. Throws Unavailable when the brokers are silent for too long.
bool KafkaSink::await_reports() {
  const auto deadline = Clock::now() + kReported;
  while (true) {
    if (begins_again()) return false;
    throw_if_broken();
    if (std::ranges::none_of(held_, [](const auto& held) { return held.outstanding > 0; })) return true;
    if (Clock::now() >= deadline) break;
    producer_->flush(milliseconds(100));
  }
  const auto trouble = producer_->what();
  throw Unavailable(trouble.empty() ? "the brokers do not confirm what is under way" : trouble);
}

/// The next epoch commits.
void KafkaSink::send_anew(Session& session) {
  ready(session);
  hold_taken(session);
  session.tick_at(session.now());
}

/// Whether what is refused in a lane has to be at `failure` before the commit; else it ends here.
bool KafkaSink::refused_before_commit(const Session& session) const {
  return lane_ && session.routed(failure_);
}

/// The transaction stays open meanwhile.
bool KafkaSink::send_refused(Session& session) {
  if (!refused_before_commit(session)) return false;
  refusals_.match(session);
  std::size_t sent = 0;
  for (std::size_t i = 0; i < held_.size(); ++i) {
    const auto& held = held_[i];
    if (held.rejected.empty()) continue;
    if (!taken_.contains(i)) taken_.emplace(i, session.take_held(static_cast<std::uint32_t>(i)));
    sent += refusals_.send(session, taken_.at(i), held.connection, settings_.of_flowfile() ? nullptr : &records_,
                           held.rejected);
  }
  if (sent == 0) return false;
  rejected_metric_.add(static_cast<double>(sent));
  give_up_at_ = session.now() + std::chrono::nanoseconds(kOpen).count();
  session.tick_at(session.now() + 1'000'000'000);
  hold_taken(session);
  return true;
}

/// The brokers end a transaction that is open for too long, and that would cost the lane: before, all is sent anew.
void KafkaSink::give_up_if_late(Session& session) {
  if (session.now() < *give_up_at_) return session.tick_at(session.now() + 1'000'000'000);
  context_.log(Level::info, "the transaction is given up: what was refused is still on its way from failure");
  give_up_producer();
}

}  // namespace weir::kafka
