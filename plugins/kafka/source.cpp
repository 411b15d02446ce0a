#include "source.h"

#include <librdkafka/rdkafka.h>
#include <regex.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include "chunks.h"
#include "message_attributes.h"

namespace weir::kafka {
namespace {

constexpr std::string_view kSessions = "sessions";
constexpr std::size_t kBatch = 10'000;  ///< messages in one session

/// With the functions by which librdkafka reads patterns.
void check_pattern(const std::string& pattern) {
  regex_t compiled{};
  const int error = ::regcomp(&compiled, pattern.c_str(), REG_EXTENDED | REG_NOSUB);
  if (error != 0) {
    char text[256];
    ::regerror(error, &compiled, text, sizeof text);
    throw Misconfigured("pattern: '" + pattern + "' is no regular expression (POSIX, extended): " + text);
  }
  ::regfree(&compiled);
}

}  // namespace

KafkaSource::KafkaSource(SourceSettings settings) : settings_(std::move(settings)) {
  check(settings_, Role::consumer);
  if (!settings_.topic.empty()) subscription_.push_back(settings_.topic);
  subscription_.insert(subscription_.end(), settings_.topics.begin(), settings_.topics.end());
  for (const auto& topic : subscription_) {
    if (const auto error = topic_error(topic); !error.empty())
      throw Misconfigured("topic: '" + topic + "' " + error + " (a regular expression goes into `pattern`)");
  }
  if (!settings_.pattern.empty()) {
    // Kafka's own clients match the whole name; librdkafka would take a part of it.
    subscription_.push_back("^(" + settings_.pattern + ")$");
    check_pattern(subscription_.back());
  }
  if (subscription_.empty()) throw Misconfigured("topic: say what to read, by 'topic', 'topics' or 'pattern'");
  if (settings_.start != "earliest" && settings_.start != "latest" && !parse_time(settings_.start))
    throw Misconfigured("start: '" + settings_.start +
                        "' is none of earliest, latest, or a time as 2024-02-29T12:00:00Z");
}

void KafkaSource::start(Context& context) {
  context_ = context;
  buffered_ = context_.gauge("kafka_buffered_bytes", "Received and not yet in the flow.");
  std::string what = settings_.pattern;
  for (const auto& topic : subscription_) {
    if (!topic.starts_with('^')) what = topic + (what.empty() ? "" : "," + what);
  }
  uri_ = transit_uri(settings_, what);
  if (auto* lanes = static_cast<abi::Lanes*>(context_.raw()->interface(abi::kLanesInterface))) {
    member_ = std::make_shared<GroupMember>(MemberSettings{settings_, subscription_, group(), settings_.start},
                                            context_, *lanes);
    member_->enlist(member_);
  } else if (const Lane lane(context_); lane) {
    lane_ = std::make_unique<LaneSource>(
        LaneSourceSettings{settings_, group(), settings_.isolation, uri_}, context_, lane,
        [this](Session& session, auto& from, auto& emitted) { emit(session, from, emitted); });
  }
}

void KafkaSource::stop() {
  consumer_.reset();
  lane_.reset();
  if (member_) member_->close();
  member_.reset();
}

std::string KafkaSource::group() const {
  return settings_.group.empty() ? "weir-" + std::string(context_.flow()) + "-" + std::string(context_.name())
                                 : settings_.group;
}

/// Finds how far the durable epoch is, and only then joins the group.
void KafkaSource::open(Session& session) {
  Positions positions;
  session.scan_state("", "", [&](std::string_view key, std::string_view value) {
    if (const auto partition = partition_of(key)) positions[*partition] = Position::decode(value);
    return true;
  });
  const auto count = session.state(kSessions);
  if (count) std::from_chars(count->data(), count->data() + count->size(), sessions_);
  consumer_ = std::make_unique<Consumer>(ConsumerSettings{.connection = settings_,
                                                          .subscription = subscription_,
                                                          .group = group(),
                                                          .isolation = settings_.isolation,
                                                          .start = settings_.start,
                                                          .buffer_max = settings_.buffer_max,
                                                          .to_the_end = context_.until_idle()},
                                         context_, std::move(positions));
}

void KafkaSource::poll(Session& session) {
  if (lane_) return lane_->poll(session);
  if (member_) {
    if (const auto fatal = member_->fatal(); !fatal.empty()) throw Misconfigured(fatal);
    return;
  }
  if (!consumer_) {
    open(session);
  } else if (session.state(kSessions).value_or("0") != std::to_string(sessions_)) {
    consumer_->give_back(sessions_--);  // the last session was rolled back
  }
  if (const auto fatal = consumer_->fatal(); !fatal.empty()) throw Misconfigured(fatal);
  auto messages = consumer_->take(kBatch);
  const bool full = messages.size() == kBatch;
  std::deque<Message> emitted;
  try {
    emit(session, messages, emitted);
  } catch (...) {
    std::move(messages.begin(), messages.end(), std::back_inserter(emitted));
    consumer_->emitted(0, {}, std::move(emitted));
    throw;
  }
  const bool more = full || !messages.empty();
  consumer_->emitted(sessions_ + 1, std::move(emitted), std::move(messages));
  save(session);
  buffered_.set(static_cast<double>(consumer_->bytes()));
  if (context_.until_idle() && consumer_->at_end()) return session.finished();
  if (more) session.again();
}

void KafkaSource::emit(Session& session, std::deque<Message>& from, std::deque<Message>& emitted) {
  Chunks chunks(session, settings_.chunk_size);
  while (!from.empty() && !session.over_budget()) {
    emitted.push_back(std::move(from.front()));
    from.pop_front();
    if (settings_.emit == "each" || !chunks.add(*emitted.back())) emit(session, *emitted.back());
  }
  chunks.end();
  if (!emitted.empty()) session.event("RECEIVE", uri_);
}

void KafkaSource::emit(Session& session, const rd_kafka_message_s& message) {
  const auto file = session.create();
  if (message.len > 0) session.append(file, {static_cast<const char*>(message.payload), message.len});
  set_attributes(session, file, message);
  session.transfer(file, 0);
}

/// The positions become part of the epoch that has the messages.
void KafkaSource::save(Session& session) {
  const auto changed = consumer_->changed_positions();
  if (changed.empty()) return;
  for (const auto& [partition, position] : changed) session.set_state(to_string(partition), position.encode());
  session.set_state(kSessions, std::to_string(++sessions_));
  session.when_durable(sessions_);
}

/// From the committer's thread.
void KafkaSource::durable(std::uint64_t token) {
  lane_ ? lane_->durable(token) : consumer_->durable(token);
}

}  // namespace weir::kafka
