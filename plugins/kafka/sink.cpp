#include "sink.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>

namespace weir::kafka {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto kPatience = milliseconds(5000);  ///< how long a step waits for room
constexpr auto kReports = milliseconds(1000);   ///< for what spoilt a transaction
constexpr auto kConfirm = milliseconds(150);    ///< how long a flush waits for what is under way

/// Brokers take or refuse a batch as a whole: for its size, or for one of its messages, without saying which.
bool refuses_batch(int error) {
  return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || error == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE ||
         error == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP;
}

}  // namespace

bool KafkaSink::Held::knows(std::uint32_t record) const {
  return (record < confirmed.size() && confirmed[record]) ||
         std::ranges::any_of(rejected, [&](const auto& r) { return r.record == record; });
}

KafkaSink::KafkaSink(SinkSettings settings, Delivery delivery)
    : settings_(std::move(settings)), bounds_(settings_.compression != "none") {
  check(settings_, Role::producer);
  check(static_cast<const MessageSettings&>(settings_));
  if (const auto error = topic_error(settings_.progress_topic); !error.empty())
    throw Misconfigured("progress_topic: '" + settings_.progress_topic + "' " + error);
  if (settings_.progress_topic == settings_.topic)
    throw Misconfigured("progress_topic: has to be another than the topic of the data");
  const bool exactly_once = delivery == Delivery::exactly_once;
  if (exactly_once && settings_.acks != "all")
    throw Misconfigured("acks: is " + settings_.acks + ", and `delivery: exactly_once` needs all");
  Options own = {{"acks", settings_.acks}, {"enable.idempotence", settings_.acks == "all" ? "true" : "false"}};
  if (exactly_once) own.emplace_back("transactional.id", "weir");
  check_together(settings_.options, own);
}

void KafkaSink::start(Context& context) {
  context_ = context;
  exactly_once_ = context_.exactly_once();
  if (exactly_once_) lane_ = Lane(context_);
  if (lane_) failure_ = context_.relationship("failure");
  messages_metric_ = context_.counter("kafka_messages", "Messages that the brokers have.");
  rejected_metric_ = context_.counter("kafka_rejected", "Messages that went to failure.");
  commits_metric_ = context_.counter("kafka_commits", "Transactions committed.");
  uri_ = transit_uri(settings_, settings_.topic);
  maker_.emplace(settings_, context_);
  if (!settings_.of_flowfile()) records_ = Query(context).column("NULL").prepare();
  connect();
}

/// A producer; with exactly once, one that has the transactional id to itself and knows what is committed.
void KafkaSink::connect() {
  ProducerSettings settings{.connection = settings_,
                            .compression = settings_.compression,
                            .acks = settings_.acks,
                            .linger = std::chrono::duration_cast<milliseconds>(settings_.linger),
                            .one_by_one = one_by_one_};
  if (exactly_once_)
    settings.transactional_id =
        "weir-" + (lane_ ? lane_.id() : std::string(context_.store_id()) + "-" + std::string(context_.flow())) + "-" +
        std::string(context_.name());
  auto producer = std::make_unique<Producer>(
      settings, context_, [this](std::uint64_t tag, int error, const char* topic) { reported(tag, error, topic); });
  if (exactly_once_) join(*producer);
  bounds_.ask(*producer);
  sends_one_by_one_ = one_by_one_;
  producer_ = std::move(producer);
}

/// What it had under way, or in an open transaction, counts as not sent.
void KafkaSink::give_up_producer() {
  // Whatever became of the commit, the lane finds it out by beginning anew.
  if (lane_ && committing_) lane_.lost("what became of a transaction is not known: " + broken_);
  producer_.reset();
  committing_ = false;
  forget_sent();
}

/// What was sent and is not known to have arrived has to be sent again.
void KafkaSink::forget_sent() {
  broken_.clear();
  begin_again_ = in_transaction_ = false;
  give_up_at_.reset();
  for (auto& held : held_) {
    // Without transactions, what was confirmed stays so.
    if (!exactly_once_ && held.sent && held.outstanding == 0) continue;
    held.sent = false;
    held.outstanding = 0;
  }
}

void KafkaSink::throw_if_broken() {
  if (!fatal_.empty()) throw Misconfigured(fatal_);
  if (producer_ == nullptr) return;
  if (const auto fatal = producer_->fatal(); !fatal.empty()) {
    if (!lane_) throw Misconfigured(fatal);
    lane_.lost(fatal);
    throw Unavailable(fatal);
  }
  if (broken_.empty()) broken_ = producer_->broken();
  if (broken_.empty()) return;
  const auto why = broken_;
  give_up_producer();
  throw Unavailable(why);
}

/// A session may be rolled back after its step: what is held then is as it was before.
void KafkaSink::match_held(Session& session) {
  const auto count = session.held_count();
  if (finished_ > 0 && count == held_.size() - finished_)
    for (; finished_ > 0; --finished_, ++first_number_) held_.pop_front();
  finished_ = 0;
  if (count < held_.size()) {
    held_.resize(count);
    give_up_producer();  // it has messages under way of what is not here any more
  }
  if (count != held_.size()) throw std::logic_error("FlowFiles are held that this sink has not sent");
}

/// Everything that is held is sent, and there is a producer.
void KafkaSink::ready(Session& session) {
  taken_.clear();
  match_held(session);
  if (producer_ != nullptr) producer_->poll();
  if (!begins_again()) throw_if_broken();
  if (producer_ == nullptr) connect();
  if (!committing_) send_held(session);
}

void KafkaSink::step(Batch batch, Session& session) {
  if (batch.empty()) return settle(session);
  ready(session);
  if (committing_) throw Unavailable("the last transaction is not committed yet");
  // Before anything of this batch is sent, so that it need not be sent twice.
  wait_for_room(settings_.max_inflight / 2);
  const auto first = held_.size();
  const std::string connection(session.connection());
  if (exactly_once_ && !lane_) {
    const auto known = connections_.find(connection);
    if (known == connections_.end())
      throw std::logic_error("input from a connection that was not there at start: " + connection);
    auto& rejected = known->second.rejected;  // what is durably finished here cannot come again
    rejected.erase(rejected.begin(), rejected.lower_bound(session.durable_cursor()));
  }
  std::vector<FlowFile> files;
  for (const auto file : batch) {
    files.push_back(file);
    held_.push_back({.connection = connection, .sequence = file.sequence()});
  }
  try {
    send(session, files, first);
  } catch (...) {
    held_.resize(first);
    give_up_producer();
    throw;
  }
  hold_taken(session);
  for (const auto file : files) session.hold(file);
  session.tick_at(session.now() + 1'000'000'000);
}

/// What a producer that was given up had not delivered, in its order.
void KafkaSink::send_held(Session& session) {
  for (std::size_t i = 0; i < held_.size(); ++i) {
    if (held_[i].sent) continue;
    const auto file = session.take_held(static_cast<std::uint32_t>(i));
    taken_.emplace(i, file);
    try {
      send(session, {file}, i);
    } catch (...) {
      give_up_producer();
      throw;
    }
  }
}

/// `first`: of the files in held_.
void KafkaSink::send(Session& session, const std::vector<FlowFile>& files, std::size_t first) {
  std::vector<FlowFile> fresh;
  std::vector<std::size_t> indexes;
  for (std::size_t i = 0; i < files.size(); ++i) {
    auto& held = held_[first + i];
    held.sent = true;
    if (exactly_once_ && !lane_) {
      auto& connection = connections_.find(held.connection)->second;
      if (connection.progress.has(held.sequence)) {  // is there: only its outcome has to be repeated
        const auto rejected = connection.rejected.find(held.sequence);
        if (rejected != connection.rejected.end()) held.rejected = rejected->second;
        continue;
      }
      connection.progress.add(held.sequence);
    }
    if (exactly_once_ && !std::exchange(in_transaction_, true)) producer_->begin();
    fresh.push_back(files[i]);
    indexes.push_back(first + i);
  }
  maker_->run(
      session, fresh,
      [&](std::size_t i, std::uint32_t record, const Outgoing& message) {
        // Sent again is what is neither there nor refused.
        if (!held_[indexes[i]].knows(record)) send_message(indexes[i], record, message);
      },
      [&](std::size_t i, std::uint32_t record, std::string reason) {
        auto& held = held_[indexes[i]];
        if (!held.knows(record)) held.rejected.push_back({record, std::move(reason)});
      });
}

void KafkaSink::send_message(std::size_t index, std::uint32_t record, const Outgoing& message) {
  auto& held = held_[index];
  if (auto reason = bounds_.refusal(message); !reason.empty())
    return held.rejected.push_back({record, std::move(reason)});
  auto outgoing = message;
  outgoing.tag = std::uint64_t{first_number_ + static_cast<std::uint32_t>(index)} << 32 | record;
  wait_for_room(settings_.max_inflight);
  if (begin_again_) return;  // nothing of this transaction arrives: all of it is sent again
  int error = producer_->produce(outgoing);
  for (const auto deadline = Clock::now() + kPatience; error == RD_KAFKA_RESP_ERR__QUEUE_FULL;) {
    if (Clock::now() > deadline) throw Unavailable("librdkafka's queue is full");
    producer_->poll(milliseconds(100));
    error = producer_->produce(outgoing);
  }
  if (error == 0) {
    ++held.outstanding;
    return;
  }
  // The transaction, or the producer, is spoilt: its reports say by what, and what has to be done about it.
  for (const auto deadline = Clock::now() + kReports;
       (error == RD_KAFKA_RESP_ERR__STATE || error == RD_KAFKA_RESP_ERR__FATAL) && Clock::now() < deadline;) {
    producer_->poll(milliseconds(50));
    if (begin_again_) return;
    if (!broken_.empty()) throw Unavailable(broken_);
  }
  const auto topic = std::string(message.topic);
  if (judge(error) != Reaction::refused) {
    if (error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
      throw Unavailable("the topic '" + topic + "' does not exist; it is waited for");
    raise(error, "sending to '" + topic + "'");
  }
  auto reason = "Kafka does not take the message for '" + topic +
                "': " + rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(error));
  if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
    reason += " (" + std::to_string(message.value ? message.value->size() : 0) + " bytes; options: message.max.bytes)";
  held.rejected.push_back({record, std::move(reason)});
}

/// Waits until fewer bytes are under way, as long as some are confirmed now and then.
void KafkaSink::wait_for_room(std::uint64_t bytes) {
  auto deadline = Clock::now() + kPatience;
  for (auto before = producer_->bytes_in_flight(); before > bytes;) {
    producer_->poll(milliseconds(100));
    if (begin_again_) return;
    if (!broken_.empty()) throw Unavailable(broken_);
    const auto now = producer_->bytes_in_flight();
    if (now < before) deadline = Clock::now() + kPatience;
    if (Clock::now() > deadline) {
      const auto trouble = producer_->what();
      throw Unavailable(trouble.empty() ? "the brokers confirm nothing of what is under way" : trouble);
    }
    before = now;
  }
}

void KafkaSink::reported(std::uint64_t tag, int error, const char* topic) {
  const auto index = static_cast<std::uint32_t>(tag >> 32) - first_number_;
  auto* held = tag == kProgressTag || index >= held_.size() ? nullptr : &held_[index];
  if (error == 0) {
    if (held == nullptr) return;
    messages_metric_.add(1);
    if (--held->outstanding > 0 && !exactly_once_) held->confirm(static_cast<std::uint32_t>(tag));
    return;
  }
  // What failed stays outstanding, unless it is this message's own fault: with another producer it is sent again.
  const auto reaction = judge(error);
  const std::string text = rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(error));
  if (reaction == Reaction::misconfigured) {
    fatal_ = text;
  } else if (error == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP && bounds_.want(topic)) {
    broken_ = "a message of '" + std::string(topic) + "' has a time that the topic does not take";
    begin_again_ = exactly_once_;
  } else if (refuses_batch(error) && !sends_one_by_one_) {
    if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) bounds_.want(topic);
    one_by_one_ = true;  // that says nothing of this message
    begin_again_ = exactly_once_;
    broken_ = error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
                  ? "a batch is larger than the topic's max.message.bytes: its messages are sent one by one (options: "
                    "a batch.size below that is faster)"
                  : "a batch is refused (" + text + "): its messages are sent one by one";
  } else if (reaction == Reaction::refused && held != nullptr) {
    --held->outstanding;
    held->rejected.push_back({static_cast<std::uint32_t>(tag), "Kafka does not take the message: " + text});
    if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) bounds_.want(topic);
    if (exactly_once_) {
      broken_ = "the transaction has to begin again without a message: " + text;
      begin_again_ = true;
    }
  } else if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) {
    broken_ = "the topic '" + settings_.topic + "' does not exist; it is waited for";
  } else if (broken_.empty()) {  // what comes after the first is its consequence
    broken_ = text;
  }
}

/// A topic that the data named and that does not exist is the data's fault; one that the author named is waited for.
Reaction KafkaSink::judge(int error) const {
  if ((error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) &&
      settings_.topic_from_data())
    return Reaction::refused;
  return reaction_to(error);
}

/// All is sent that was held: messages may share batches again.
void KafkaSink::share_batches() {
  if (!one_by_one_ || finished_ < held_.size()) return;
  one_by_one_ = false;
  give_up_producer();
}

void KafkaSink::flush(Session& session) {
  if (session.held_count() == 0 && held_.empty()) return;
  if (!exactly_once_) return settle(session);
  commit(session);
}

/// Without transactions: finishes what the brokers have confirmed, in order.
void KafkaSink::settle(Session& session) {
  if (producer_ != nullptr && producer_->look_for_brokers()) session.tick_at(session.now() + 1'000'000'000);
  if (give_up_at_) give_up_if_late(session);
  if (exactly_once_ || (session.held_count() == 0 && held_.empty())) return;
  ready(session);
  if (producer_->what().empty()) producer_->flush(kConfirm);
  throw_if_broken();
  std::size_t count = 0;
  while (count < held_.size() && held_[count].sent && held_[count].outstanding == 0) ++count;
  conclude(session, count);
  share_batches();
  if (count < held_.size()) session.tick_at(session.now() + 1'000'000'000);
}

void KafkaSink::conclude(Session& session, std::size_t count) {
  if (count > 0) session.event("SEND", uri_);
  for (std::size_t i = 0; i < count; ++i) {
    const auto taken = taken_.find(i);
    const auto file = taken != taken_.end() ? taken->second : session.take_held(static_cast<std::uint32_t>(i));
    taken_.erase(i);
    conclude(session, file, held_[i]);
  }
  finished_ = count;
  hold_taken(session);
}

/// What was sent again goes on being held.
void KafkaSink::hold_taken(Session& session) {
  for (const auto& [index, file] : taken_) session.hold(file);
  taken_.clear();
}

/// The FlowFile ends; the records that were rejected go to `failure`.
void KafkaSink::conclude(Session& session, FlowFile file, const Held& held) {
  auto rejected = held.rejected;
  if (rejected.empty() || refused_before_commit(session)) return session.drop(file, {});
  rejected_metric_.add(static_cast<double>(rejected.size()));
  std::ranges::sort(rejected, {}, &RejectedRecord::record);
  if (settings_.of_flowfile() || rejects_whole(session, file, records_, rejected))
    return session.reject(file, rejected[0].message);
  if (reject_records(session, file, records_, rejected) > rejected.size()) session.drop(file, {});
}

}  // namespace weir::kafka
