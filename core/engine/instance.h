#pragma once
// A processor as it runs: the plugin's object, its place in the graph, its state, and what the scheduler knows of it.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/connection.h"
#include "engine/session.h"
#include "flow/definition.h"
#include "weir/abi.h"
#include "weir/record.h"

namespace weir::abi {
class Lanes;
}

namespace weir::engine {

class Engine;
class QualityLedger;

/// What passed by one relationship, or came in.
struct Traffic {
  std::uint64_t files = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  void add(std::uint64_t f, std::uint64_t r, std::uint64_t b) {
    files += f;
    records += r;
    bytes += b;
  }
  bool operator==(const Traffic&) const = default;
};

/// Counted since start; under the engine's lock.
struct Statistics {
  Traffic in;
  std::vector<Traffic> out;  ///< by relationship
  Traffic dropped;
  std::uint64_t sessions = 0;
  std::uint64_t rolled_back = 0;
  std::uint64_t errors = 0;
  std::int64_t busy = 0;          ///< nanoseconds in the processor's code
  std::int64_t last_success = 0;  ///< flow's clock
  double latency_sum = 0;         ///< seconds from a FlowFile's birth to its end here; with latency_count
  std::uint64_t latency_count = 0;
  std::vector<std::uint64_t> latency_buckets;  ///< cumulative, by kLatencyBounds
};

inline constexpr double kLatencyBounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60};

class InstanceMetric final : public abi::Metric {
 public:
  InstanceMetric(std::string metric_name, std::string metric_help, bool counter)
      : name(std::move(metric_name)), help(std::move(metric_help)), is_counter(counter) {}
  void add(double value) override { value_.fetch_add(value); }
  void set(double value) override { value_.store(value); }
  double value() const { return value_.load(); }
  const std::string name;
  const std::string help;
  const bool is_counter;

 private:
  std::atomic<double> value_{0};
};

class Instance final : public abi::Context, private abi::Readiness, public std::enable_shared_from_this<Instance> {
 public:
  enum class Status { starting, running, stopping, misconfigured, stopped, finished };

  Instance(Engine& engine, std::shared_ptr<const flow::Flow> flow, const flow::Processor& definition,
           std::uint32_t number);
  ~Instance();

  /// Both are those of the flow as it is now. What was got without the engine's lock stays what it is as long as a
  /// session, or the start, in which it was got.
  const flow::Processor& definition() const { return *definition_.load(std::memory_order_acquire); }
  const flow::Flow& flow_definition() const { return *flow_.load(std::memory_order_acquire); }
  /// The flow, for who wants to keep it. With the engine's lock.
  const std::shared_ptr<const flow::Flow>& shared_flow() const { return flows_.back(); }
  const std::string& flow_name() const { return flow_name_; }
  const std::string& processor_name() const { return name_; }
  std::uint32_t number() const { return number_; }
  bool is_source() const { return (flags_ & abi::kSource) != 0; }
  /// Nothing leads on from it but failures.
  bool is_sink() const;
  bool is_blocking() const { return (flags_ & abi::kBlocking) != 0; }
  /// Someone outside waits for what it does to be durable.
  bool is_awaited() const { return (flags_ & abi::kAwaited) != 0; }
  /// Added to the numbers that it gives to its windows: see Lane.
  std::uint64_t first_group() const { return first_group_; }
  std::string full_name() const { return flow_name_ + "/" + name_; }
  /// The last that is durable. Any thread.
  std::uint64_t epoch() const;

  // What follows is guarded by the engine's lock, but for `processor`, which the running session uses alone.
  abi::Processor* processor = nullptr;
  std::vector<Connection*> inputs;
  std::vector<std::vector<Connection*>> outputs;  ///< by relationship
  std::vector<bool> routed;                       ///< by relationship: whether a connection begins there
  StateMap state;                                 ///< changed only between its sessions
  StateChanges changed_state;                     ///< since the last cut
  std::vector<HeldEntry> held;                    ///< oldest first; changed only between its sessions
  std::vector<std::uint64_t> tokens;              ///< asked for by when_durable since the last cut
  Status status = Status::starting;
  std::string status_message;
  std::string unavailable;   ///< why its last session was rolled back, or its start failed: the far side is away
  std::uint32_t active = 0;  ///< sessions under way, or about to be
  std::vector<std::thread::id> calls;  ///< the threads that are in its code
  std::size_t next_input = 0;          ///< round robin
  std::int64_t not_before = 0;         ///< backing off until then
  std::uint32_t failures = 0;          ///< in a row
  std::string told;                    ///< the last `unavailable` that the operator was told, and when
  std::int64_t told_at = 0;
  std::int64_t tick_at = 0;
  std::int64_t timer_at = 0;        ///< the earliest timer that is set; 0: none
  std::int64_t next_scheduled = 0;  ///< with a schedule: when it may run
  std::int64_t set_back = 0;        ///< so far was the clock set back since the sessions under way began
  std::uint32_t component = 0;      ///< strongly connected component
  bool poll_wanted = false;         ///< a source has been woken
  bool is_ahead = false;            ///< it stands in Engine::run_ahead_
  bool flush_wanted = false;
  bool finish_wanted = false;
  bool finish_done = false;
  bool source_ended = false;

  // What an operator asked for (operate.cpp).
  std::string stopped_by;          ///< who; empty: nobody
  std::int64_t stopped_at = 0;     ///< flow's clock
  std::uint32_t once = 0;          ///< it runs once, with so many FlowFiles; 0: it goes on
  bool once_done = false;          ///< and that is under way, or over
  bool start_after_stop = false;   ///< it is wanted again
  bool in_start = false;           ///< in the processor's start()
  bool stop_flushed = false;       ///< of one that stops: was asked to flush
  std::uint64_t stop_cut = 0;      ///< all it did is in this cut; 0: something of it still runs
  std::uint64_t start_number = 0;  ///< a start under way that has another is not wanted any more
  bool paused = false;             ///< while a changed flow is applied (apply.cpp): begins no session but flushes

  std::int64_t retain_credit = 0;  ///< of a source: bytes that may be retained now (see Engine::retain)
  std::chrono::steady_clock::time_point retain_credit_at{};
  Statistics statistics;

  // abi::Context, from any thread.
  abi::Text flow() const override { return {flow_name_.data(), flow_name_.size()}; }
  abi::Text name() const override { return {name_.data(), name_.size()}; }
  abi::Text folder() override;
  abi::Text store_id() const override;
  std::uint32_t input_count() const override { return static_cast<std::uint32_t>(inputs.size()); }
  abi::Input input(std::uint32_t index) const override;
  std::uint32_t relationship(abi::Text name) const override;
  bool exactly_once() const override { return definition().exactly_once; }
  bool until_idle() const override;
  std::int64_t now() const override;
  void wake() override;
  void log(abi::Level level, abi::Text message) override;
  void bulletin(abi::Level level, abi::Text message) override;
  abi::Metric* metric(abi::Text name, abi::Text help, bool counter) override;
  void* interface(const char* name) override;

  /// Is the same processor in another version of its flow, where all that it works by is the same.
  void redefine(std::shared_ptr<const flow::Flow> flow, const flow::Processor& definition);
  /// Takes over what a stopped one of the same number has and what is known of it: state, statistics, who stopped it.
  void inherit(Instance& from);
  /// Is as it was before it ever ran, but for its state, its statistics, and what an operator asked for.
  void forget_run();
  /// It was terminated (terminate.cpp): what its threads and its object still do has no effect. With the engine's lock.
  void abandon();
  bool is_abandoned() const { return abandoned_.load(std::memory_order_relaxed); }
  /// Takes the place of an abandoned one of the same definition, with what that one's last settled session left. Copies
  /// all of it: the other's threads may still read theirs.
  void succeed(const Instance& abandoned);
  /// Of terminated ones of its number, threads that have not come back. With the engine's lock.
  std::size_t threads_left() const;
  /// What keeps it from its work, by its own account or the engine's; empty: nothing does. With the engine's lock.
  std::string not_ready() const;
  /// Calls `visit` with each metric that the processor made.
  void each_metric(const std::function<void(const InstanceMetric&)>& visit) const;

 private:
  class MemberLanes;

  void waits_for(abi::Text what) override;
  void copy_metrics(const Instance& from);
  std::shared_ptr<sql::DatabaseTables> database_tables();
  abi::Lanes* lanes();

  Engine& engine_;
  std::vector<std::shared_ptr<const flow::Flow>> flows_;  ///< the last is in force; older ones may still be read
  std::atomic<const flow::Flow*> flow_;
  std::atomic<const flow::Processor*> definition_;
  const std::string flow_name_;
  const std::string name_;
  const std::uint32_t number_;
  const std::uint32_t flags_;  ///< of its spec
  const std::uint64_t first_group_;
  std::atomic<bool> abandoned_{false};
  std::shared_ptr<QualityLedger> quality_;  ///< of an abandoned one: what it tells goes there, where nobody looks
  std::string folder_;
  std::unique_ptr<MemberLanes> lanes_;
  std::shared_ptr<abi::Sql> sql_;
  std::unique_ptr<abi::DeclaredRecord> record_;
  std::unique_ptr<abi::EmittedRecord> emitted_;
  mutable std::mutex mutex_;  ///< of quality_, folder_, lanes_, sql_, record_, emitted_, waits_for_ and metrics_
  std::string waits_for_;
  std::list<InstanceMetric> metrics_;
};

}  // namespace weir::engine
