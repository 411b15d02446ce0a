#pragma once
// The engine runs flows: it wires processors to connections, runs their sessions on a pool of workers, settles what
// they did, and has the committer make it durable, epoch by epoch.
//
// Threads: a pool of workers, one per core, runs sessions; processors that block have a thread each; one committer
// writes epochs; one timer thread wakes what is due. One lock guards the graph. It is held for microseconds: sessions
// run, outcomes are prepared, and epochs are written without it.
//
//   engine.cpp     start, stop, batch mode          scheduler.cpp  what runs when
//   settle.cpp     how a session takes effect       committer.cpp  epochs
//   operate.cpp    start and stop of a processor    queue.cpp      an operator at queues and state
//   terminate.cpp  one that does not come back      end.cpp        the end of all of it
//   lane.cpp       rounds of a lane                 apply.cpp      a changed flow, while it runs
//   graph.cpp      the graph it leads to            test_control.cpp  what a test does: time, input

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/clock.h"
#include "engine/connection.h"
#include "engine/instance.h"
#include "engine/prepare.h"
#include "engine/quality.h"
#include "flow/definition.h"
#include "store/provenance.h"
#include "store/store.h"

namespace weir::abi {
class Lanes;
}

namespace weir::engine {

class Engine;
class Lane;
struct LaneStatus;
struct LaneView;

/// Sees what enters a connection, under the engine's lock: `count` items from `offset` on. For tests and taps; quick.
using Tap =
    std::function<void(const Connection&, const store::Batch& batch, std::uint32_t offset, std::uint32_t count)>;

struct Options {
  unsigned workers = 0;                                      ///< 0: one per core
  Duration epoch_interval = std::chrono::milliseconds(100);  ///< when nobody waits for an epoch
  std::uint64_t memory_budget = 256 * MiB;                   ///< of FlowFiles in memory
  std::filesystem::path data;                                ///< where processors have their folders
  bool until_idle = false;
  Duration stop_patience = std::chrono::seconds(10);  ///< of stop(), for sessions; about as much for all else
  Tap tap;                                            ///< may be empty
  VirtualClock* clock = nullptr;                      ///< null: real time; else time passes only in Engine::advance()
  const Clock* wall = nullptr;  ///< null: the system's clock; else one that passes by itself, for tests of its jumps
  /// All of this engine is a lane: it works in rounds, and only its lineage goes to disk (lane.h, lane_host.h).
  std::shared_ptr<Lane> lane;
  std::function<abi::Lanes*(const std::string& flow)> lanes;  ///< of flows that scale out, for their members; or empty
  std::function<std::string()> lanes_not_ready;               ///< why they are not; or empty
  std::function<LaneView()> lanes_view;                       ///< what they do; or empty
  std::function<std::vector<LaneStatus>(const std::string& flow)> lanes_of;    ///< how each stands; or empty
  std::function<std::shared_ptr<Engine>(const flow::LaneName&)> lane_engine;   ///< of one; or empty
  std::function<void(std::chrono::steady_clock::time_point until)> end_lanes;  ///< before the last epoch; or empty
  QualityLedgers* quality = nullptr;  ///< for what processors find out about data, in place of its own; outlives it
  /// Gets what there is to report, in place of the log and this engine's own bulletins; or empty.
  std::function<void(abi::Level, const std::string& processor, const std::string& message)> report;
};

/// It cannot be done as things stand; the message says what to do.
class NotNow : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A changed flow could not be applied; what ran before runs on. The message says why.
class NotApplied : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The flows of an engine. They are never changed: a changed one is another.
using Flows = std::vector<std::shared_ptr<const flow::Flow>>;

struct ApplyOptions {
  std::string who;  ///< for bulletins
  /// For the sessions under way to end, and then again for what is new to start. A start that takes longer is taken
  /// to be waiting for its far side.
  Duration patience = std::chrono::seconds(30);
  /// Called when all that is new has started and before any data flows; if it throws, nothing is applied. For what has
  /// to be so exactly if the flow was applied, such as the flow's file.
  std::function<void()> keep;
};

enum class Operation { start, stop, run_once, terminate };

/// What a queue has, oldest first.
struct QueueListing {
  std::vector<QueueEntry> entries;  ///< each with its batch
  bool more = false;
};

struct StateListing {
  struct Entry {
    std::string key;
    std::string value;     ///< its begin
    std::size_t size = 0;  ///< of all of it
  };
  std::vector<Entry> entries;
  std::size_t total = 0;
  bool more = false;
};

/// What became of FlowFiles that were to be sent back to where they failed.
struct Redriven {
  std::uint64_t redriven = 0;
  std::uint64_t kept = 0;                   ///< those that do not say where they failed, or whose place is gone
  std::map<std::string, std::uint64_t> to;  ///< how many, by connection
};

/// A processor that has not returned from a call.
struct LeftBehind {
  std::string name;         ///< FLOW/PROCESSOR
  bool terminated = false;  ///< by an operator; else it hung when all had to end
};

/// A message for the operator.
struct Bulletin {
  std::uint64_t id = 0;
  std::int64_t time = 0;
  abi::Level level = abi::Level::info;
  std::string flow;
  std::string processor;
  std::string message;
};

/// Of the epochs since start.
struct EpochStatistics {
  std::uint64_t count = 0;
  std::uint64_t failed = 0;            ///< disk full
  double seconds = 0;                  ///< spent writing
  double longest = 0;                  ///< seconds
  std::uint64_t last = 0;              ///< number of the last durable one
  std::vector<std::uint64_t> buckets;  ///< cumulative, by kLatencyBounds
};

class Engine {
 public:
  /// The store outlives the engine.
  Engine(Flows flows, store::Store& store, Options options);
  /// The flows outlive the engine, too.
  Engine(const std::vector<flow::Flow>& flows, store::Store& store, Options options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Recovers, starts processors, sinks before sources, and lets data flow.
  void start();
  /// Lets the sessions under way end, makes a last epoch, stops processors. Returns within seconds, also if a processor
  /// does not return from a call: see left_behind(). Idempotent.
  void stop();
  /// What has not returned when stop() did. The engine's end waits for it, without a bound: who cannot wait ends the
  /// process, and not the engine.
  std::vector<LeftBehind> left_behind() const;
  /// Waits until everything has ended (batch mode), something fatal happened, or stop_waiting() was called. `at_most`
  /// zero: as long as it takes. Returns true if everything ended.
  bool wait(Duration at_most = Duration::zero());
  void stop_waiting();
  /// With a virtual clock: waits until nothing can run at the present time and all that was done is durable, then moves
  /// time on to `to`, stopping wherever something is due: it happens at its own time, and what follows from it before
  /// the next. With `to` in the past, or now, only waits. False: something did not come to rest within `patience`,
  /// which is real time, or something fatal happened.
  bool advance(std::int64_t to, Duration patience);
  /// The next time at which something is due; 0: nothing waits for time.
  std::int64_t next_due() const;
  /// Puts a FlowFile out by a relationship, as if the processor had created it.
  void give(std::size_t instance, std::uint32_t relationship, std::string_view content,
            const std::map<std::string, std::string>& attributes, std::uint32_t records);
  /// Sources have nothing more to give: in batch mode, what follows them ends once it has done its work.
  void end_sources();
  /// What made the engine stop by itself, or a batch end in failure; empty: nothing did.
  std::string fatal() const;
  /// True as long as every processor has started and reaches its far side, and the disk takes epochs. Otherwise
  /// `why_not` gets a line for each thing that is not so.
  bool ready(std::string* why_not = nullptr) const;

  /// Calls `visit` under the lock: for metrics and status. Must be quick.
  void inspect(
      const std::function<void(const std::vector<std::shared_ptr<Instance>>&,
                               const std::vector<std::shared_ptr<Connection>>&, const EpochStatistics&)>& visit) const;
  /// Reads what Connection::oldest_born() needs of queues whose first FlowFile is only on disk, as after a start.
  /// Before inspect(), not in it. Any thread.
  void look_up_oldest() const;
  /// What the lanes of flows that scale out have and have done, of which this engine runs the members alone.
  LaneView lanes() const;
  /// Those lanes of one flow, each as it stands; none, if it does not scale out.
  std::vector<LaneStatus> lanes_of(const std::string& flow) const;
  /// One of them, to look into its queues and state; null: it does not run here.
  std::shared_ptr<Engine> lane(const flow::LaneName& name) const;
  std::vector<Bulletin> bulletins(std::uint64_t after_id = 0) const;
  /// Has `listener` called at each bulletin from now on, under the lock: quick, and without a call to the engine.
  /// Empty: nobody.
  void on_bulletin(std::function<void()> listener);
  /// Durable connections with data in them that no flow has now.
  std::vector<store::RecoveredConnection> orphans() const;

  // A changed flow, while it runs (apply.cpp). From any thread but a processor's; one at a time, another throws NotNow.

  /// The flows that run.
  Flows flows() const;
  /// Runs `flows` in place of those that ran: stops and starts only the processors that differ (flow::compare), and
  /// keeps all queues and states. Returns when what is new has started, or waits for its far side, and all is in force;
  /// nothing has flowed through it before. Throws NotApplied when something that is new does not start, or what has to
  /// stop does not in time: then all is as it was. Throws NotNow while Weir starts or stops, and in batch mode.
  void apply(Flows flows, const ApplyOptions& options);
  /// The same for one whole flow: `flow` comes, or takes the place of the one with its name; or that flow goes. What is
  /// queued there stays on disk, and flows on if the flow comes back.
  void add(std::shared_ptr<const flow::Flow> flow, const ApplyOptions& options);
  void remove(const std::string& flow, const ApplyOptions& options);

  /// Queues a FlowFile that left a source again, as a new one, with a REPLAY event; returns its sequence, which is
  /// durable. Any thread but a processor's; takes as long as an epoch. Throws std::invalid_argument (no flow has this
  /// connection), store::NotRetained, and std::runtime_error when the engine stops before it is durable.
  std::uint64_t replay(const store::Place& place);

  /// Starts a processor, stops it for good (over restarts, too), or has it run one session of at most `flowfiles`
  /// FlowFiles. Returns at once: the processor's status tells how far that is. What is so already stays so. Terminating
  /// one that is stopping and does not return from a call abandons what it is at: it is stopped at once, as its last
  /// settled session left it, and a start makes a new object, whatever becomes of the old one. Any thread but a
  /// processor's. Throws std::invalid_argument (there is no such processor), NotNow.
  void operate(const std::string& flow, const std::string& processor, Operation operation, const std::string& who,
               std::uint32_t flowfiles = 1);

  // For an operator, from any thread but a processor's. Those that change something return once that is durable. All
  // throw std::invalid_argument for a connection or processor that there is not; those that change something, NotNow.

  /// Up to `limit` FlowFiles of a queue, from sequence `first` on, as they are now. Reads from the disk what is only
  /// there. Throws store::IoError.
  QueueListing queue(const std::string& connection, std::uint64_t first, std::uint32_t limit);
  /// Drops what waits with a sequence below `below`, each with a DROP event; returns how many. Those that a session has
  /// now, or holds, are not dropped; nor those behind one that does not end.
  std::uint64_t drop_queued(const std::string& connection, std::uint64_t below, const std::string& who);
  /// Sends the oldest `limit` FlowFiles of a queue back to where they failed, as their error.* attributes say, without
  /// these. The consumer must be stopped.
  Redriven redrive(const std::string& connection, std::uint64_t limit, const std::string& who);
  /// State after the key `after`, of each value the first `most_bytes`.
  StateListing state(const std::string& flow, const std::string& processor, const std::string& after,
                     std::uint32_t limit, std::size_t most_bytes);
  /// The processor must be stopped. Returns how many entries it had.
  std::uint64_t clear_state(const std::string& flow, const std::string& processor, const std::string& who);
  /// Shows `tap` what enters a connection from now on; empty: nobody watches any more. One a connection.
  void set_tap(const std::string& connection, ConnectionTap tap);

  /// Of a lane: how far it is, once that is known.
  void tell_position(LaneStatus& status) const;
  /// Makes lineage, and what goes with it, of another engine part of this one's next epoch: for lanes. `durable` is
  /// called when that is on disk, by the committer: be quick. If it never comes to that, it is not called. Any thread.
  void take_in(store::Epoch part, std::function<void()> durable);

  // For Instance, from any thread.
  void wake(Instance& instance);
  void report(const Instance* instance, abi::Level level, std::string message);
  std::int64_t now() const { return clock_->now(); }
  const Options& options() const { return options_; }
  store::Store& store() { return store_; }
  /// What processors found out about the quality of data; any thread.
  QualityLedgers& quality() { return options_.quality != nullptr ? *options_.quality : quality_; }
  std::unique_lock<std::mutex> lock() const { return std::unique_lock(mutex_); }
  /// Of terminated processors of this number, threads that have not come back. With the lock.
  std::size_t threads_left(std::uint32_t number) const;

 private:
  struct Executor;
  using Lock = std::unique_lock<std::mutex>;
  struct Step {
    abi::Trigger trigger;
    Connection* connection = nullptr;
  };
  struct Timer {
    std::int64_t when;
    Instance* instance;
    bool operator>(const Timer& other) const { return when > other.when; }
  };

  /// What was taken in since the last cut.
  struct TakenIn {
    std::map<std::uint32_t, store::ConnectionChange> connections;
    std::vector<store::StateChange> states;
    std::vector<std::function<void()>> durable;
  };
  using Tokens = std::vector<std::pair<std::shared_ptr<Instance>, std::uint64_t>>;  ///< each instance's together
  /// Who is told when an epoch is durable.
  struct WhenDurable {
    Tokens tokens;
    std::vector<std::function<void()>> taken_in;
  };
  /// Who is told by the store that an epoch is durable, later than it was written, may be gone by then.
  struct Listening {
    std::mutex mutex;
    bool over = false;  ///< guarded by it, and not set while somebody is told
  };

  struct Graph;
  class GraphBuilder;
  struct Applying;
  /// An operator's work on the graph, which does not change as long as it lasts.
  class Operating {
   public:
    /// `lock` is the engine's, and held.
    Operating(Engine& engine, Lock& lock) : engine_(engine), lock_(lock) { ++engine_.operators_; }
    ~Operating() {
      if (!lock_.owns_lock()) lock_.lock();
      if (--engine_.operators_ == 0) engine_.quiet_.notify_all();
    }
    Operating(const Operating&) = delete;
    Operating& operator=(const Operating&) = delete;

   private:
    Engine& engine_;
    Lock& lock_;
  };

  /// A thread in a processor's code. Begins and ends with the lock.
  class InCall {
   public:
    explicit InCall(Instance& instance) : instance_(instance) { instance_.calls.push_back(std::this_thread::get_id()); }
    ~InCall() { std::erase(instance_.calls, std::this_thread::get_id()); }
    InCall(const InCall&) = delete;
    InCall& operator=(const InCall&) = delete;

   private:
    Instance& instance_;
  };

  /// One that was terminated, until all its threads have come back.
  struct Abandoned {
    std::shared_ptr<Instance> instance;                    ///< null: its last thread is about to leave
    std::vector<std::shared_ptr<Connection>> connections;  ///< it may look at these, wherever they are by now
    std::string who;                                       ///< terminated it; empty: it hung when all had to end
    std::chrono::steady_clock::time_point since;
  };

  // engine.cpp
  void wire();
  void find_components();
  bool create(Instance& instance);
  bool start_processor(Instance& instance, std::uint64_t number);
  void start_first(bool sources);
  void fail(std::string message);
  void report_orphan(const store::RecoveredConnection& orphan);
  bool all_flushed() const;
  bool nothing_will_run() const;
  bool everything_ended() const;

  void end_batch(std::string message);

  // scheduler.cpp
  std::optional<Step> next_step(Instance& instance);
  bool blocked(Instance& instance, const Connection* input);
  /// True if the connection holds more than its consumer takes in a moment, and the consumer is busy, or waits for one
  /// that is. What waits in a queue over a cut is written to disk; what passes within an epoch is not. So while
  /// consumers keep up, queues of large FlowFiles are kept short; once one stops, they fill to their thresholds.
  /// `depth`: of the consumers' consumers that are asked.
  static bool runs_ahead(const Connection& connection, int depth);
  static bool runs_ahead(const Connection& connection) { return runs_ahead(connection, 0); }
  bool may_finish(const Instance& instance) const;
  void consider(Instance& instance);
  void consider_timers(Instance& instance);
  void set_timer(Instance& instance, std::int64_t when);
  bool work(Instance& instance);
  bool read_back(Connection& connection, Taken& taken, Lock& lock);
  void run_step(Instance& instance, const Step& step, Lock& lock);
  void check_ends();
  void timer_loop();
  std::int64_t clock_lead() const;
  void follow_clock(Lock& lock);

  // lane.cpp
  bool lane_at_rest(const Instance* besides = nullptr) const;
  bool lane_is_done(const Instance& source) const;
  bool lane_flushes(const Instance& instance) const;
  void end_round();
  void forget_changes(store::Epoch& epoch);
  void pass_by(const PreparedOutput& output, const Connection& connection, std::uint64_t first, std::int64_t before);

  // operate.cpp
  void recover_stops();
  void recover_stop(Instance& instance, const std::map<std::string, std::string>& stops);
  std::shared_ptr<Instance> instance_of(const std::string& flow, const std::string& processor) const;
  void begin_start(Instance& instance);
  void begin_stop(Instance& instance);
  void go_on_stopping(Instance& instance);
  void end_stops();
  bool destroy_processor(Instance& instance, abi::Processor* processor);
  void note_stopped(Instance& instance, const std::string& who);

  // terminate.cpp
  void terminate(const std::string& flow, const std::string& processor, const std::string& who, Lock& lock);
  void check_hangs(const Instance& instance) const;
  void abandon(const std::shared_ptr<Instance>& instance, const std::string& who);
  void replace_abandoned(const std::shared_ptr<Instance>& instance, const std::shared_ptr<Instance>& successor);
  void came_back(Instance& instance, Lock& lock);

  // end.cpp
  bool is_member(const Instance& instance) const;
  void end_lanes(std::chrono::steady_clock::time_point until, Lock& lock);
  bool nobody_in_call() const;
  void end_committer(Lock& lock);
  void end_processors(Lock& lock);
  bool stop_processor(Instance& instance);
  void abandon_hanging();

  // graph.cpp
  Graph present() const;
  Graph wanted(const Graph& now, Flows flows, Applying& change);
  void install(const Graph& graph);

  // apply.cpp
  void forget(Instance& instance);
  void wait_quiesced(Applying& change, Lock& lock);
  std::string start_new(Applying& change, Lock& lock);
  void resume_unchanged(Applying& change);
  void roll_back_graph(Applying& change, const Graph& before, Lock& lock);
  void put_in_force(Applying& change);
  void change_flows(const std::function<Flows(Flows)>& next, const ApplyOptions& options);
  std::string try_change(const std::function<Flows(Flows)>& next, Applying& change, Lock& lock);
  void stop_changing(Applying& change, Graph& before);
  void prepare_fresh(Applying& change, const std::map<std::string, std::string>& stops);
  std::string keep_change(const Applying& change, Lock& lock);
  void tell(const Applying& change, const std::string& failed);
  void check_going_on() const;

  // queue.cpp
  std::shared_ptr<Connection> connection_of(const std::string& id) const;
  void check_up() const;
  void check_operable() const;
  void wait_durable(Lock& lock);
  SessionInput input_of(Instance& instance, const Connection& connection, Taken& taken) const;
  void settle_for_operator(Instance& instance, Connection& connection, const std::shared_ptr<Flight>& flight,
                           Prepared prepared);
  std::uint64_t queue_again(const std::vector<std::shared_ptr<Flight>>& flights, Lock& lock);
  Connection* where_it_failed(const Connection& connection, const abi::Item& item);
  void send_back(Connection& connection, Taken& taken, const std::string& who, Redriven& result);

  // test_control.cpp
  bool at_rest() const;
  bool come_to_rest(std::chrono::steady_clock::time_point deadline, Lock& lock);

  // settle.cpp
  void settle_finished(Instance& instance, Connection& connection);
  void settle(Instance& instance, Connection* connection, const std::shared_ptr<Flight>& flight, Prepared& prepared);
  void push(Instance& instance, PreparedOutput& output);
  void index(const std::string& name, const PreparedOutput& output, std::uint32_t connection, std::uint64_t first);
  void retain(Instance& instance, const PreparedOutput& output,
              std::vector<std::pair<std::uint32_t, std::uint64_t>> places);
  /// Before the next attempt, after so many in a row that failed; in nanoseconds.
  std::int64_t pause_after(std::uint32_t failures);
  void roll_back(Instance& instance, const Step& step, const std::shared_ptr<Flight>& flight,
                 std::unique_ptr<SessionBuilder> session, abi::Status status, const std::string& message, Lock& lock);
  void reject_inputs(Instance& instance, Connection& connection, const std::shared_ptr<Flight>& flight,
                     std::unique_ptr<SessionBuilder> session, std::string_view kind, const std::string& message);
  void report_unlocked(const Instance& instance, abi::Level level, std::string message, Lock& lock);
  void touch(bool urgent = false);

  // committer.cpp
  void committer_loop();
  void drain(Lock& lock);
  bool drained() const;
  void end_drain();
  void flush_processors(Lock& lock);
  void maintain_store(Lock& lock);
  store::Epoch cut(WhenDurable* told);
  void write(const store::Epoch& epoch, Lock& lock);
  void tell_durable(const Tokens& tokens, Lock& lock);
  void made_durable(const store::Epoch& epoch, WhenDurable told, Lock& lock);

  store::Store& store_;
  const Options options_;
  RealClock real_clock_;
  VirtualClock* const virtual_clock_;  ///< null: time is real
  const Clock* clock_;
  QualityLedgers quality_;

  mutable std::mutex mutex_;
  Flows flows_;
  std::vector<std::shared_ptr<Instance>> instances_;  ///< shared with who looked one up, and applies a changed flow
  std::vector<std::shared_ptr<Connection>> connections_;
  std::vector<store::RecoveredConnection> orphans_;
  std::vector<store::LineageRow> lineage_;
  std::vector<store::RetainedBatch> retained_;
  std::vector<store::IndexedAttribute> attributes_;
  std::vector<store::Bulletin> new_bulletins_;
  TakenIn taken_in_;
  std::shared_ptr<Listening> listening_ = std::make_shared<Listening>();
  std::deque<Bulletin> bulletins_;
  std::uint64_t bulletin_id_ = 0;
  std::function<void()> bulletin_listener_;
  EpochStatistics epochs_;
  std::map<const Flight*, Prepared> prepared_;  ///< of finished flights that wait for their turn

  std::list<Abandoned> abandoned_;
  const Instance* telling_ = nullptr;  ///< the committer tells it what is durable, since:
  std::chrono::steady_clock::time_point telling_since_;

  std::unique_ptr<Executor> executor_;
  std::thread committer_;
  std::thread timer_thread_;
  std::condition_variable commit_wanted_;
  std::condition_variable flushed_;
  std::condition_variable drained_;
  bool draining_ = false;  ///< sources pause: see drain()
  std::chrono::steady_clock::time_point drain_until_;
  std::uint32_t cuts_per_drain_ = 1;
  std::uint32_t cuts_to_drain_ = 1;   ///< the next drain is before the cut that this counts to
  std::vector<Instance*> run_ahead_;  ///< stopped by runs_ahead(): to be considered when something has run
  bool cut_is_next_ = false;          ///< all have flushed
  std::condition_variable timer_changed_;
  std::condition_variable quiet_;  ///< a worker ended, or a state that someone waits for changed
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  std::minstd_rand jitter_{std::random_device{}()};
  std::int64_t clock_lead_ = 0;  ///< of the flow's clock before a steady one, when last looked at; of timer_loop()
  std::chrono::steady_clock::time_point dirty_since_;
  std::chrono::steady_clock::time_point last_cut_;
  bool dirty_ = false;
  bool urgent_ = false;
  bool committing_ = false;      ///< an epoch was cut, and those who wait for it were not all told yet
  bool sources_paused_ = false;  ///< the disk is full
  bool stopping_ = false;        ///< no new sessions but flushes
  bool committer_stop_ = false;
  bool committer_ended_ = false;
  bool started_ = false;
  bool over_ = false;  ///< no new sessions at all: the last epoch is written
  bool stopped_ = false;
  bool stop_waiting_ = false;
  bool ended_ = false;
  std::uint64_t held_bytes_ = 0;  ///< held since the last cut
  std::uint32_t active_ = 0;      ///< posted or running, of all instances
  std::uint64_t epoch_number_ = 0;
  std::uint64_t cuts_ = 0;             ///< those that found nothing to write count too
  std::uint64_t cuts_durable_ = 0;     ///< of those
  std::uint32_t operator_number_ = 0;  ///< under which the store keeps what an operator stopped
  StateChanges stop_changes_;          ///< of that, since the last cut
  bool up_ = false;                    ///< start() is through
  bool round_begun_ = false;           ///< of a lane: its source has put something out
  bool round_moves_ = false;           ///< of a lane: something was done since its processors were last asked to flush
  bool applying_ = false;              ///< a changed flow is being applied
  std::uint32_t operators_ = 0;        ///< see Operating
  std::string fatal_;                  ///< the store is not to be written any more
  std::string batch_failure_;          ///< batch mode cannot end well, but what was done is kept
};

}  // namespace weir::engine
