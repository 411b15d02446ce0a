#pragma once
// Runs a processor in a unit test, without a runtime: its steps are real sessions, what it is given and what it makes
// stay in memory, and time passes when the test says so.
//
//   weir::testkit::Runner runner(weir::testkit::find_type(weir_plugin_abi_1(), "Checksum"), "attribute: crc");
//   runner.push("hello");
//   runner.run();
//   CHECK(runner.take("success").at(0).attributes.at("crc") == "3610a686");

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weir/abi.h"
#include "weir/lane.h"
#include "weir/units.h"

namespace weir::testkit {

using Attributes = std::map<std::string, std::string>;

/// A FlowFile that a relationship got.
struct Output {
  std::string content;
  Attributes attributes;
  std::uint32_t records = 1;
  std::vector<std::uint64_t>
      parents;  ///< sequences of the inputs it came from, ascending; its own if it passed through
};

struct Dropped {
  std::uint64_t sequence = 0;  ///< of the input; 0 for one the step had created
  std::string reason;
  std::string content;
};

struct Event {
  std::string type;
  std::string transit_uri;
  std::string details;
};

struct Bulletin {
  abi::Level level = abi::Level::info;
  std::string message;
};

struct Options {
  std::string record = {};    ///< YAML of the fields declared for the input, as under `records: NAME:`
  bool exactly_once = false;  ///< as with `delivery: exactly_once`
  bool until_idle = false;    ///< batch mode: a source ends when it has nothing more
  std::int64_t start = 1'700'000'000'000'000'000;  ///< the clock, nanoseconds since 1970
  std::uint32_t batch = 1000;                      ///< most inputs a step is given
  std::string name = "processor";
  std::string flow = "flow";
  abi::Lane* lane = nullptr;             ///< that it is in
  abi::LaneHolds* lane_holds = nullptr;  ///< the same lane, if it holds more than a round
  abi::LaneEnd* lane_end = nullptr;      ///< the same lane, if it can be given up
  bool scheduled = false;                ///< the flow gives it a `schedule:`
  std::string emits = {};  ///< YAML of the fields declared for what it emits, as `record:` beside a type names them
};

/// A type of a plugin, by name. Throws std::runtime_error if it has none.
const abi::ProcessorType* find_type(const abi::Plugin* plugin, std::string_view name);

/// One processor with one input connection. Used from one thread; the processor may have threads of its own.
///
/// What a step throws comes out of the function that ran it, as in the runtime: weir::Unavailable, weir::Misconfigured,
/// std::runtime_error for a defect. The step is rolled back then, and its inputs are queued as before.
class Runner {
 public:
  /// Validates the properties as a flow's are and starts the processor. Throws std::runtime_error with all that is
  /// wrong, or what start() threw.
  Runner(const abi::ProcessorType* type, const std::string& properties, Options options = {});
  ~Runner();  ///< stops the processor
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  /// Queues a FlowFile; returns its sequence, from 0.
  std::uint64_t push(std::string_view content, const Attributes& attributes = {}, std::uint32_t records = 1);

  /// @name Running
  /// @{
  /// Steps until nothing is left to do: no input that is due, no tick that is due, a source that asks for no more.
  /// Throws std::runtime_error after 1,000,000 steps.
  void run();
  /// One step: input, tick or poll. False if there was nothing to do. A source is always polled.
  bool step();
  /// Steps, whenever the processor wakes, until `done`; false if that takes longer than `within` (real time).
  bool run_until(const std::function<bool()>& done, std::chrono::milliseconds within = std::chrono::seconds(20));
  void tick();
  void flush();
  void finish();
  /// Moves the clock on, with each tick at the time that was asked for, then runs. By less than nothing: the clock is
  /// set back, and what waits is due so much earlier, as the engine has it.
  void advance(Duration duration);
  std::int64_t now() const;
  /// @}

  /// @name Durability
  /// @{
  /// Cuts an epoch, as the engine does: flush, all that was committed becomes durable, then Processor::durable for
  /// each token.
  void durable();
  /// kill -9 and a start: a new instance (the old one is destroyed without stop()) with state and queue of the last
  /// durable(). With exactly_once, inputs are durable as soon as they are pushed, as such sinks are given no others.
  /// What was transferred, dropped or reported before stays to be read.
  void crash();
  /// A stop and a start: durable(), stop(), a new instance.
  void restart();
  /// @}

  /// @name What came of it
  /// @{
  /// What a relationship got since the last take. Throws std::runtime_error if there is no such relationship.
  std::vector<Output> take(std::string_view relationship);
  std::uint64_t queued() const;
  std::uint64_t held() const;
  /// What was dropped by Session::drop, in order. Inputs that became parents are not among them.
  const std::vector<Dropped>& dropped() const;
  const std::vector<Event>& events() const;
  std::vector<Bulletin> bulletins() const;
  std::vector<Bulletin> logs() const;
  const std::map<std::string, std::string, std::less<>>& state() const;
  double metric(std::string_view name) const;  ///< 0 if it was never set
  std::string not_ready() const;               ///< what it said by Context::not_ready; empty since ready()
  bool finished() const;                       ///< the source said that nothing more will come
  std::int64_t next_tick() const;              ///< 0: none asked for
  std::string folder() const;                  ///< the processor's own directory; removed with the runner
  std::string connection() const;              ///< id of the input connection
                                               /// @}

 private:
  class Host;
  std::unique_ptr<Host> host_;
};

}  // namespace weir::testkit
