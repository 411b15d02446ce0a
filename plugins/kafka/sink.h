#pragma once
// KafkaSink: sends records or whole FlowFiles as messages, and keeps each FlowFile until the brokers have it.
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connection.h"
#include "outgoing.h"
#include "producer.h"
#include "progress_topic.h"
#include "topic_bounds.h"
#include "weir/delivery.h"
#include "weir/lane.h"
#include "weir/processor.h"
#include "weir/progress.h"
#include "weir/rejected.h"

namespace weir::kafka {

struct SinkSettings : ConnectionSettings, MessageSettings {
  std::string compression = "lz4";
  std::string acks = "all";
  Duration linger = std::chrono::milliseconds(5);
  std::uint64_t max_inflight = 16 * MiB;
  std::string progress_topic = "weir-progress";
};

extern const Spec<SinkSettings> sink_spec;

/// A step sends its inputs and holds them. Without transactions they are finished as the brokers confirm them; with
/// exactly once, flush() adds how far this sink is and commits, and finishes them all. Whatever breaks, the producer is
/// given up and what is held is sent again by another: with transactions, after asking what became of the last one.
class KafkaSink final : public Processor {
 public:
  KafkaSink(SinkSettings settings, Delivery delivery);

  void start(Context& context) override;
  void step(Batch batch, Session& session) override;
  void tick(Session& session) override { settle(session); }
  void flush(Session& session) override;
  void finish(Session& session) override { settle(session); }
  void stop() override { producer_.reset(); }

 private:
  /// A held FlowFile; held_ has them in the session's order.
  struct Held {
    std::string connection;
    std::uint64_t sequence = 0;
    bool sent = false;
    std::uint32_t outstanding = 0;  ///< messages without a report
    std::vector<RejectedRecord> rejected = {};
    std::vector<bool> confirmed = {};  ///< by record: what another producer need not send; not of the last one

    void confirm(std::uint32_t record) {
      if (record >= confirmed.size()) confirmed.resize(record + std::size_t{1});
      confirmed[record] = true;
    }
    /// Whether the record's outcome is known.
    bool knows(std::uint32_t record) const;
  };
  /// Exactly once: one input connection.
  struct Connection {
    ExactlyOnceProgress progress;
    std::uint64_t committed = 0;  ///< `next` as of the last commit that is known to have happened
    std::uint64_t in_doubt = 0;   ///< and of the commit that may have happened since
    std::map<std::uint64_t, std::vector<RejectedRecord>> rejected = {};  ///< that a crash could bring again
  };

  void match_held(Session& session);
  void ready(Session& session);
  void connect();
  void join(Producer& producer);
  void compare_progress();
  StoredProgress read_lane();
  void claim_lane(Producer& producer);
  int send_progress(Producer& producer, std::string_view owner, std::string_view id, const StoredProgress& progress);
  void give_up_producer();
  void forget_sent();
  void throw_if_broken();
  void send_held(Session& session);
  void send(Session& session, const std::vector<FlowFile>& files, std::size_t first);
  void send_message(std::size_t index, std::uint32_t record, const Outgoing& message);
  void wait_for_room(std::uint64_t bytes);
  void reported(std::uint64_t tag, int error, const char* topic);
  Reaction judge(int error) const;
  void share_batches();
  void settle(Session& session);
  void commit(Session& session);
  bool refused_before_commit(const Session& session) const;
  bool await_reports();
  bool begins_again();
  bool abort();
  void send_anew(Session& session);
  bool send_refused(Session& session);
  void give_up_if_late(Session& session);
  void conclude(Session& session, std::size_t count);
  void conclude(Session& session, FlowFile file, const Held& held);
  void hold_taken(Session& session);

  static constexpr std::uint64_t kProgressTag = ~0ULL;  ///< of messages that are progress, and no FlowFile's

  const SinkSettings settings_;
  Context context_;
  std::string uri_;
  bool exactly_once_ = false;
  std::optional<MessageMaker> maker_;
  Statement records_;

  std::deque<Held> held_;
  std::uint32_t first_number_ = 0;         ///< of held_'s front, by which reports name it; may wrap around
  std::map<std::size_t, FlowFile> taken_;  ///< of held_, in this session alone
  std::size_t finished_ = 0;               ///< of held_, by the last session: true once it is committed

  std::map<std::string, Connection, std::less<>> connections_;  ///< of exactly once
  Lane lane_;                     ///< of exactly once, in a flow that scales out; then there are no connections_
  std::uint64_t generation_ = 0;  ///< by which it has claimed that; 0: not yet
  std::int64_t claimed_ = 0;      ///< where it was then
  LaneRefusals refusals_;
  std::uint32_t failure_ = 0;  ///< the relationship
  bool in_transaction_ = false;
  std::optional<std::int64_t> give_up_at_;  ///< the transaction waits for what it refused; flow's clock
  bool committing_ = false;                 ///< a commit has begun, and its outcome is not known

  TopicBounds bounds_;             ///< of the topics that refused a message
  std::string broken_;             ///< why this producer has to be given up
  std::string fatal_;              ///< why nothing will go until the flow is changed
  bool begin_again_ = false;       ///< exactly once: for what was refused alone, and the brokers are well
  bool one_by_one_ = false;        ///< a batch was refused: find out which message it is
  bool sends_one_by_one_ = false;  ///< this producer does

  Metric messages_metric_;
  Metric rejected_metric_;
  Metric commits_metric_;
  std::unique_ptr<Producer> producer_;  ///< none: to be made anew. Last: it calls back
};

}  // namespace weir::kafka
