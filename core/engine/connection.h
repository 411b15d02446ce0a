#pragma once
// A connection is a log: every FlowFile that enters gets the next sequence number, and the consumer is a cursor.
//
//            cursor            taken                 next
//   done │ held, retry │ flights (sessions) │ queued │
//
// Sessions take ranges ("flights") and finish in any order, but are settled in the order of the log, so that the
// cursor is one number; what a settled session did not finish stays behind it as held or in retry. A connection has no
// lock of its own: every function is called under the engine's.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/session.h"
#include "flow/definition.h"
#include "store/store.h"

namespace weir::engine {

class Instance;

/// A range of entries under way in one session, from the log or from the retry set.
struct Flight {
  enum class State { running, finished, waiting };

  State state = State::running;
  std::uint64_t first = 0;
  std::uint32_t count = 0;
  std::uint64_t offset = 0;            ///< byte offset inside the first entry
  std::uint32_t attempts = 0;          ///< how often it was rolled back
  std::int64_t due = 0;                ///< of a waiting one
  bool alone = false;                  ///< entries are taken one by one, to find the bad one
  std::vector<std::uint64_t> retries;  ///< sequences, if it is from the retry set; then not part of the log's order
};

/// What take() gives: the flight, and the entries to build a session from. As long as `missing` is not empty, some are
/// only on disk, and the batch comes from Connection::complete() when they have been read.
struct Taken {
  struct Missing {
    std::uint64_t first;
    std::uint32_t count;
    store::BatchRef batch;  ///< what was read
  };
  std::shared_ptr<Flight> flight;
  store::BatchRef batch;
  std::uint32_t offset = 0;
  std::vector<std::uint64_t> sequences;  ///< of a flight from the retry set
  std::vector<std::uint32_t> attempts;   ///< of each of those
  std::vector<Missing> missing;

  /// Reads what is missing. Without the engine's lock: it may take as long as the disk does. The flight alone has
  /// these entries, and until it is settled they are alive, so nothing else can change them meanwhile. Throws IoError.
  void read(std::uint32_t connection, store::Store& store);
};

/// A FlowFile that a connection has now.
struct QueueEntry {
  enum class State { queued, active, held, retry };
  std::uint64_t sequence = 0;
  State state = State::queued;
  std::uint32_t attempts = 0;
  std::int64_t due = 0;   ///< of one in retry
  store::BatchRef batch;  ///< null: only on disk, or held
  std::uint32_t index = 0;
};

/// Sees what enters a connection, from sequence `first` on, under the engine's lock: quick, and no call to the engine.
using ConnectionTap =
    std::function<void(std::uint64_t first, const store::BatchRef& batch, std::uint32_t offset, std::uint32_t count)>;

class Connection {
 public:
  struct Retry {
    store::RetryEntry entry;
    store::BatchRef batch;  ///< null: only on disk
    std::uint32_t index = 0;
    bool in_flight = false;
  };

  Connection(std::uint32_t number, std::shared_ptr<const flow::Flow> flow, const flow::Connection& definition)
      : number_(number), flow_(std::move(flow)), definition_(&definition) {}

  std::uint32_t number() const { return number_; }
  const std::string& id() const { return definition_->id; }
  const flow::Connection& definition() const { return *definition_; }
  /// The flow that the definition is of: the processors it names are that one's.
  const std::shared_ptr<const flow::Flow>& shared_flow() const { return flow_; }
  /// Is the same connection in another version of its flow.
  void redefine(std::shared_ptr<const flow::Flow> flow, const flow::Connection& definition) {
    definition_ = &definition;
    flow_ = std::move(flow);
  }

  Instance* from = nullptr;
  Instance* to = nullptr;
  bool durable_only = false;  ///< its consumer sees only what a durable epoch holds
  ConnectionTap tap;          ///< empty unless somebody watches

  /// Takes over what the recovered epoch knew. Held entries are queued again, as retries that are due.
  void recover(const store::RecoveredConnection& recovered);

  /// Appends a batch; returns its first sequence.
  std::uint64_t push(store::BatchRef batch, std::uint32_t offset, std::uint32_t count, std::uint64_t bytes);

  /// Counts FlowFiles that nobody gets, and that are done as they come; returns the first sequence. The connection is
  /// idle.
  std::uint64_t pass(std::uint32_t count);

  /// True if take() would give something. `now` is the flow's clock.
  bool available(std::int64_t now, bool strict) const;
  /// When something that waits (a retry, a flight rolled back) is due; 0: nothing waits.
  std::int64_t next_due() const;
  /// What waits is due so much earlier: the clock was set back.
  void set_back(std::int64_t by);
  /// Takes up to `max_count` entries and `max_bytes` bytes (at least one entry). Empty if there is none.
  Taken take(std::int64_t now, std::uint32_t max_count, std::uint64_t max_bytes, bool strict);
  /// The same for an operator: entries below `below`, whoever waits for what; of the retry set, those due at `now`.
  Taken take_below(std::int64_t now, std::uint64_t below, std::uint32_t max_count, std::uint64_t max_bytes);
  /// Up to `limit` of the entries that are here, from sequence `first` on.
  std::vector<QueueEntry> collect(std::uint64_t first, std::uint32_t limit) const;
  bool alive(std::uint64_t sequence) const {
    return (sequence >= cursor_ && sequence < next_) || held_.contains(sequence) || retry_.contains(sequence);
  }
  /// Puts what was missing and has been read in its place.
  void complete(Taken& taken);
  /// The next flight to settle: the oldest, if it is finished.
  std::shared_ptr<Flight> to_settle();
  /// The front flight, or one from the retry set, is settled: the cursor moves behind `count` of its entries, or they
  /// leave the set; if that is not all, the rest is taken again, from a byte offset.
  void settle(const std::shared_ptr<Flight>& flight, std::uint32_t count, std::uint64_t offset,
              std::uint64_t done_bytes);
  /// Lets go of what is done. After settle(), once what stays behind the cursor is held or in retry.
  void forget_done();
  /// Gives a flight back, to be taken again in two: `count` entries of it, and the others.
  void take_again(const std::shared_ptr<Flight>& flight, std::uint32_t count);
  /// Gives a flight back: its entries are taken again once due.
  void roll_back(const std::shared_ptr<Flight>& flight, std::int64_t due, bool alone);
  /// Gives back all that sessions have, also those that have finished and wait for their turn: it is queued again in
  /// its order, as if they had never taken it. Returns the flights that were given back.
  std::vector<std::shared_ptr<Flight>> give_back();
  /// Puts an entry aside until due.
  void add_retry(const store::RetryEntry& entry, store::BatchRef batch, std::uint32_t index);
  /// `offset`: as far as it was consumed before.
  void hold(std::uint64_t sequence, std::uint64_t offset) {
    held_.emplace(sequence, offset);
    dirty = true;
  }
  void release(std::uint64_t sequence);

  /// Everything that changed since the last cut, and marks it as cut. Call only if dirty.
  store::ConnectionChange cut();
  /// The epoch of the last cut is durable: entries below `next` may leave memory.
  void made_durable(std::uint64_t next);
  /// Lets durable entries that no session will want soon leave memory.
  void unload();

  std::uint64_t next() const { return next_; }
  std::uint64_t cursor() const { return cursor_; }
  /// The first sequence not done in the last durable epoch: held entries and retries are not done.
  std::uint64_t durable_cursor() const { return durable_cursor_; }
  std::uint64_t durable_next() const { return durable_next_; }
  /// Queued and in sessions, not held.
  std::uint64_t queued_count() const { return next_ - cursor_ + retry_.size(); }
  std::uint64_t queued_bytes() const { return queued_bytes_; }
  std::uint64_t held_count() const { return held_.size(); }
  std::uint64_t retry_count() const { return retry_.size(); }
  /// When the first FlowFile that waits, or its first ancestor, entered Weir; 0: none waits, or it is only on disk and
  /// has not been looked up (see Engine::look_up_oldest()).
  std::int64_t oldest_born() const;
  /// The sequence of that FlowFile, if it has to be looked up.
  std::optional<std::uint64_t> unknown_oldest() const;
  void know_oldest(std::uint64_t sequence, std::int64_t born) { oldest_on_disk_ = {sequence, born}; }
  bool full() const {
    const auto& queue = definition_->queue;
    return (queue.max_count != 0 && queued_count() >= queue.max_count) ||
           (queue.max_bytes != 0 && queued_bytes_ >= queue.max_bytes);
  }
  bool idle() const { return queued_count() == 0 && flights_.empty(); }

  bool dirty = false;

 private:
  struct Segment {
    std::uint64_t first;
    std::uint32_t count;
    std::uint32_t offset;
    store::BatchRef batch;  ///< null: only on disk
    std::uint64_t end() const { return first + count; }
  };

  /// The first FlowFile that waits, queued or put aside; null: it is only on disk.
  struct First {
    std::uint64_t sequence;
    const abi::Item* item;
  };

  std::optional<First> first_waiting() const;
  bool strictly_available(std::int64_t now) const;
  std::uint64_t first_not_done() const;
  bool alive_below_cursor(std::uint64_t first, std::uint64_t end) const;
  std::uint64_t limit() const { return durable_only ? std::min(durable_next_, next_) : next_; }
  Taken take_retries(std::int64_t now, std::uint32_t max_count, std::uint64_t below = ~std::uint64_t{0});
  Taken take_log(std::uint64_t end, std::uint32_t max_count, std::uint64_t max_bytes);
  Taken make(std::shared_ptr<Flight> flight);
  void gather(Taken& taken) const;
  void gather_retries(Taken& taken) const;
  std::deque<Segment>::iterator segment_of(std::uint64_t sequence);
  void split(std::uint64_t sequence);

  const std::uint32_t number_;
  std::shared_ptr<const flow::Flow> flow_;
  const flow::Connection* definition_;
  std::deque<Segment> segments_;                 ///< from the cursor on
  std::deque<store::Segment> fresh_;             ///< not yet durable, and something in it is alive
  std::deque<std::shared_ptr<Flight>> flights_;  ///< ascending by first; not those from the retry set
  std::map<std::uint64_t, std::uint64_t> held_;  ///< and their byte offsets
  std::map<std::uint64_t, Retry> retry_;
  std::size_t retries_alone_ = 0;  ///< so many retries are taken one by one, to find the bad one
  std::uint64_t next_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t cursor_ = 0;
  std::uint64_t cursor_offset_ = 0;
  std::uint64_t queued_bytes_ = 0;
  std::uint64_t durable_next_ = 0;
  std::uint64_t durable_cursor_ = 0;
  std::uint64_t cut_cursor_ = 0;
  std::pair<std::uint64_t, std::int64_t> oldest_on_disk_{~std::uint64_t{0}, 0};  ///< a sequence, and when it was born
};

}  // namespace weir::engine
