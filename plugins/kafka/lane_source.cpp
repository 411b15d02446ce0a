#include "lane_source.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "assignment.h"
#include "weir/errors.h"

namespace weir::kafka {
namespace {

constexpr std::string_view kRounds = "rounds";
constexpr std::size_t kMostMessages = 10'000;  ///< in a round
constexpr std::int64_t kAskAgain = 50'000'000;

}  // namespace

LaneSource::LaneSource(LaneSourceSettings settings, Context context, Lane lane, Emit emit)
    : Trouble(context),
      settings_(std::move(settings)),
      lane_(std::move(lane)),
      partition_{std::string(view(lane_->topic())), lane_->partition()},
      emit_(std::move(emit)),
      member_(GroupMember::find(view(lane_->flow()), context.name())) {
  if (!member_) throw Unavailable("this Weir is not in the group '" + settings_.group + "'");
  member_->join(partition_, this->context());
}

LaneSource::~LaneSource() {
  member_->leave(partition_);
  waiting_.clear();  // messages belong to the client: before it
  emitted_.clear();
  if (queue_) rd_kafka_queue_cb_event_enable(queue_.get(), nullptr, nullptr);
  queue_.reset();
}

/// Where the group is counts only once every sink has claimed its place: until then an owner before may move both.
bool LaneSource::open(Session& session) {
  if (start_) return true;
  if (lane_->claimed()) start_ = member_->position(partition_);
  if (!start_) {
    session.tick_at(session.now() + kAskAgain);
    return false;
  }
  for (const auto& [processor, kept] : start_->kept)
    lane_->restore(to_text(processor), start_->needed_from, to_text(kept));
  lane_->go_on(start_->next);
  if (auto* holds = lane_.holds()) holds->windows_at(start_->held_from);
  done_ = end_ = start_->needed_from;
  Configuration configuration(settings_.connection, *this);
  configuration.set("group.id", settings_.group);  // which it does not join
  configuration.set("isolation.level", settings_.isolation);
  configuration.set("enable.auto.commit", "false");
  configuration.set("enable.auto.offset.store", "false");
  configuration.set("auto.offset.reset", "error");
  // A full queue makes librdkafka look again only after up to a second (until 2.2 that cannot be set).
  configuration.set("queued.min.messages", "10000000");
  configuration.set("queued.max.messages.kbytes", "16384");
  configuration.set("fetch.message.max.bytes", "1048576");
  auto options = settings_.connection.options;
  std::erase_if(options, [](const auto& option) { return option.first == "group.instance.id"; });
  configuration.set(options);
  client_ = std::move(configuration).make(Role::consumer);
  rd_kafka_poll_set_consumer(client_.get());
  queue_.reset(rd_kafka_queue_get_consumer(client_.get()));
  rd_kafka_queue_cb_event_enable(
      queue_.get(), [](rd_kafka_t*, void* self) { static_cast<LaneSource*>(self)->context().wake(); }, this);
  check_claims();
  read_from(start_->needed_from);
  context().log(Level::info, to_string(partition_) + ": goes on at " + std::to_string(start_->next) +
                                 (start_->needed_from < start_->next
                                      ? ", with what is open from " + std::to_string(start_->needed_from) + " on"
                                      : ""));
  return true;
}

/// A topic that was made anew begins at 0 again: sinks that are further would take nothing, for long and in silence.
void LaneSource::check_claims() {
  std::int64_t low = 0;
  std::int64_t high = 0;
  if (const auto error = rd_kafka_query_watermark_offsets(client_.get(), partition_.topic.c_str(), partition_.number,
                                                          &low, &high, kRequest);
      error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    start_.reset();
    throw Unavailable(to_string(partition_) + ": asking where it ends: " + rd_kafka_err2str(error));
  }
  const auto claim = lane_->stop_after(std::max(high, start_->next));
  if (claim == std::numeric_limits<std::int64_t>::max()) return;
  throw Misconfigured("a sink has all of " + to_string(partition_) + " before " + std::to_string(claim) +
                      ", and the partition ends at " + std::to_string(high) +
                      ": the topic was made anew. Give the flow another name, or delete what its sinks have stored of "
                      "the lane " +
                      lane_.id() + " (weir_lanes in databases, the progress topic in Kafka, progress_prefix in S3)");
}

void LaneSource::read_from(std::int64_t offset) {
  const PartitionList list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), partition_.topic.c_str(), partition_.number)->offset = offset;
  if (const auto error = rd_kafka_assign(client_.get(), list.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    throw Unavailable(to_string(partition_) + " cannot be read: " + rd_kafka_err2str(error));
}

void LaneSource::poll(Session& session) {
  if (!open(session)) return;
  if (const auto why = fatal(); !why.empty()) throw Misconfigured(why);
  if (session.state(kRounds).value_or("0") != std::to_string(rounds_)) {  // the last session was rolled back
    --rounds_;
    std::move(waiting_.begin(), waiting_.end(), std::back_inserter(emitted_));
    waiting_.swap(emitted_);
    end_ = done_;
  }
  emitted_.clear();
  done_ = end_;
  // While it reads again what windows and sinks have open, the group is further than it.
  const bool again = done_ < start_->next;
  bool goes_on = false;
  if (again) {
    goes_on = member_->done(partition_, std::nullopt);
  } else {
    auto* holds = lane_.holds();
    LanePosition position{.next = done_,
                          .held_from = holds != nullptr ? holds->held_from(done_) : done_,
                          .needed_from = lane_->needed_from(done_),
                          .kept = {}};
    struct Visitor final : abi::StateVisitor {
      std::map<std::string, std::string>& kept;
      explicit Visitor(std::map<std::string, std::string>& to) : kept(to) {}
      bool entry(abi::Text processor, abi::Text value) override {
        kept.emplace(view(processor), view(value));
        return true;
      }
    } visitor{position.kept};
    lane_->visit_kept(&visitor);
    goes_on = tell_done(session, position);
  }
  if (!goes_on) return;  // until it is woken
  take();
  if (waiting_.empty()) return;
  const auto stop = lane_->stop_after(done_);
  std::deque<Message> round;
  while (!waiting_.empty() && waiting_.front()->offset < stop) {
    round.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  if (round.empty()) {  // what lay between is there no more: compacted, or a transaction's own
    end_ = stop;
    lane_->round(done_, end_);
    return session.again();
  }
  // The processors see the round when this session has ended.
  try {
    emit_(session, round, emitted_);
  } catch (...) {
    std::move(round.begin(), round.end(), std::back_inserter(emitted_));
    std::move(waiting_.begin(), waiting_.end(), std::back_inserter(emitted_));
    waiting_ = std::exchange(emitted_, {});
    throw;
  }
  note(session, again);
  const bool whole = round.empty() && !waiting_.empty() && waiting_.front()->offset >= stop;
  end_ = whole ? stop : emitted_.back()->offset + 1;
  std::move(waiting_.begin(), waiting_.end(), std::back_inserter(round));
  waiting_.swap(round);
  lane_->round(done_, end_);
  session.set_state(kRounds, std::to_string(++rounds_));
}

/// False: the lane has to wait.
bool LaneSource::tell_done(Session& session, const LanePosition& position) {
  {
    const std::lock_guard lock(mutex_);
    told_.emplace_back(++token_, position);
    session.when_durable(token_);
  }
  return member_->done(partition_, position);
}

void LaneSource::durable(std::uint64_t token) {
  std::optional<LanePosition> position;
  {
    const std::lock_guard lock(mutex_);
    for (; !told_.empty() && told_.front().first <= token; told_.pop_front())
      position = std::move(told_.front().second);
  }
  if (position) member_->durable(partition_, *position);
}

/// So that lineage leads to the messages, also where their content is not kept.
void LaneSource::note(Session& session, bool again) const {
  if (emitted_.empty()) return;
  const auto first = std::to_string(emitted_.front()->offset);
  const auto last = std::to_string(emitted_.back()->offset);
  session.event("RECEIVE", settings_.uri,
                to_string(partition_) + (first == last ? ", offset " + first : ", offsets " + first + " to " + last) +
                    (again ? ", again for windows that were open" : ""));
}

/// What has come, up to a round's worth.
void LaneSource::take() {
  while (waiting_.size() <= kMostMessages) {
    Message message(rd_kafka_consumer_poll(client_.get(), 0));
    if (!message) return;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      waiting_.push_back(std::move(message));
    } else if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
      out_of_range();
    } else {
      if (reaction_to(message->err) == Reaction::misconfigured) set_fatal(rd_kafka_message_errstr(message.get()));
      say(Level::warning, rd_kafka_message_errstr(message.get()));
    }
  }
}

/// The broker does not have the offset any more (retention), or not yet (the topic was made anew).
void LaneSource::out_of_range() {
  std::int64_t low = 0;
  std::int64_t high = 0;
  if (const auto error = rd_kafka_query_watermark_offsets(client_.get(), partition_.topic.c_str(), partition_.number,
                                                          &low, &high, kRequest);
      error != RD_KAFKA_RESP_ERR_NO_ERROR)
    throw Unavailable(to_string(partition_) + ": asking where it begins: " + rd_kafka_err2str(error));
  const auto next = waiting_.empty() ? done_ : waiting_.back()->offset + 1;
  context().bulletin(Level::error,
                     to_string(partition_) + ": offset " + std::to_string(next) + " is not there; it has " +
                         std::to_string(low) + " to " + std::to_string(high) +
                         (next < start_->next ? ". Windows and objects that are open lack what was deleted before it"
                                              : ". What lay between is lost to this flow") +
                         ". Reading goes on at " + std::to_string(low));
  waiting_.clear();
  done_ = end_ = low;
  if (low > start_->next || high < start_->next) {
    start_->next = low;
    lane_->go_on(low);
  }
  read_from(low);
}

}  // namespace weir::kafka
