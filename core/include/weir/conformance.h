#pragma once
// The conformance suite of connectors: what every source and every sink promises, as tests that run the real weir
// against the real far side, and kill either of them. A test describes the far side by a class, and registers what is
// promised of it:
//
//   class Orders final : public weir::conformance::Source, public weir::conformance::Server {
//     std::string processor() override { return "type: OrderSource\nurl: " + server_.url(); }
//     void publish(std::int64_t first, std::int64_t count) override { … server_.add(weir::conformance::record(n)); … }
//     void stop_server() override { server_.kill(); }
//     void start_server() override { server_.start(); }
//   };
//   WEIR_CONFORMANCE(Orders)
//
// Each promise makes an object of the class, and so a far side with nothing in it. docs/plugins.md says more.
//
// The program is `weir` in the folder that the environment variable WEIR_BUILD names, else on the PATH; plugins are
// found as it finds them, by WEIR_PLUGINS for instance.

#include <cstdint>
#include <deque>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace weir::conformance {

/// Thrown by a constructor where the far side cannot be had: the promise is skipped, and a line says so. Without a
/// reason, somebody has said it already.
class Missing : public std::runtime_error {
 public:
  explicit Missing(const std::string& why = {}) : std::runtime_error(why) {}
};

/// Thrown where a promise is not kept: what was expected, what was seen, and the end of Weir's log.
class Broken : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The record with this number, as one line of JSON without its end: {"n":17,"key":"k3","pad":"…"}.
std::string record(std::int64_t number);
/// The number of a record that looks so, whatever else is in it. Throws Broken if there is none.
std::int64_t number_of(std::string_view record);

/// What a source reads from. Used from one thread at a time, not always the same.
class Source {
 public:
  virtual ~Source() = default;
  /// The processor in YAML, line by line from the margin: its type and what it needs to be quick (short intervals and
  /// pauses between attempts, small chunks). Where `success` goes is added.
  virtual std::string processor() = 0;
  /// Puts record(first), record(first + 1), … there; returns once the far side has them for certain, and tries for as
  /// long as that takes.
  virtual void publish(std::int64_t first, std::int64_t count) = 0;
  /// Whether they come in the order in which they were published.
  virtual bool ordered() const { return true; }
  /// Whether none comes twice, whoever dies: where Weir keeps its position in the far side's data.
  virtual bool once() const { return true; }
  /// Records to publish in all where something is killed under load.
  virtual std::int64_t load() const { return 20'000; }
};

/// What a sink writes to.
class Sink {
 public:
  virtual ~Sink() = default;
  /// As Source::processor; `delivery` is added where exactly once is tried.
  virtual std::string processor() = 0;
  /// Its relationships, as `drop:` names them; empty if it has none.
  virtual std::string drop() { return "failure"; }
  /// The numbers of all records that are there for others to see, in the order in which they arrived.
  virtual std::vector<std::int64_t> arrived() = 0;
  virtual bool ordered() const { return true; }
  virtual std::int64_t load() const { return 20'000; }
};

/// Derived from as well: a sink that promises `delivery: exactly_once`.
class ExactlyOnce {};

/// Derived from as well: the far side is a server of its own, which can die.
class Server {
 public:
  virtual ~Server() = default;
  /// Kills it, as a crash would.
  virtual void stop_server() = 0;
  /// Starts it at the same address with what it had, and returns once it serves.
  virtual void start_server() = 0;
};

/// Derived from as well: the far side asks who is there.
class Login {
 public:
  virtual ~Login() = default;
  /// As processor(), with this as the password or key, which is wrong.
  virtual std::string with_secret(const std::string& wrong) = 0;
};

/// @name The promises; each throws Broken where it is not kept
/// @{
void source_delivers(Source&);
void source_stops_and_goes_on(Source&);
void source_pauses(Source&);
void source_survives_kills(Source&);
void source_waits_for_server(Source&, Server&);
void source_finds_server_again(Source&, Server&);
void source_reports_wrong_login(Source&, Login&);
void sink_delivers(Sink&);
void sink_stops_and_goes_on(Sink&);
void sink_survives_kills(Sink&);
void sink_survives_kills_exactly_once(Sink&);
void sink_waits_for_server(Sink&, Server&);
void sink_finds_server_again(Sink&, Server&);
void sink_finds_server_again_exactly_once(Sink&, Server&);
void sink_reports_wrong_login(Sink&, Login&);
void source_connection_is_checked(Source&, Server&, Login&);
void sink_connection_is_checked(Sink&, Server&, Login&);
/// @}

namespace detail {

void say_skipped(const Missing& why);

template <class Side, auto promise>
void keep() {
  try {
    Side side;
    if constexpr (std::is_invocable_v<decltype(promise), Side&, Side&>) {
      promise(side, side);
    } else if constexpr (std::is_invocable_v<decltype(promise), Side&, Side&, Side&>) {
      promise(side, side, side);
    } else {
      promise(side);
    }
  } catch (const Missing& missing) {
    say_skipped(missing);
  }
}

}  // namespace detail

/// Calls `add(name, function)` for every promise that a far side of this class has to keep; `function` takes nothing
/// and throws Broken. For a test framework: WEIR_CONFORMANCE does it for doctest.
template <class Side, class Add>
int each_promise(Add&& add) {
  constexpr bool source = std::is_base_of_v<Source, Side>;
  constexpr bool sink = std::is_base_of_v<Sink, Side>;
  constexpr bool server = std::is_base_of_v<Server, Side>;
  constexpr bool once = std::is_base_of_v<ExactlyOnce, Side>;
  static_assert(source != sink, "a far side is one of a Source or one of a Sink");
  if constexpr (source) {
    add("one record and then many arrive, complete and in order", &detail::keep<Side, source_delivers>);
    add("stopped and started again, it goes on where it was", &detail::keep<Side, source_stops_and_goes_on>);
    add("while nobody takes what it read, it reads no further", &detail::keep<Side, source_pauses>);
    add("killed again and again under load, it loses nothing", &detail::keep<Side, source_survives_kills>);
  }
  if constexpr (source && server) {
    add("a server that is away at the start is waited for", &detail::keep<Side, source_waits_for_server>);
    add("a server that dies under load costs nothing", &detail::keep<Side, source_finds_server_again>);
  }
  if constexpr (source && std::is_base_of_v<Login, Side>)
    add("a wrong secret is reported, and not shown", &detail::keep<Side, source_reports_wrong_login>);
  if constexpr (source && server && std::is_base_of_v<Login, Side>)
    add("weir validate --connect tells whether it is there and lets us in",
        &detail::keep<Side, source_connection_is_checked>);
  if constexpr (sink) {
    add("one record and then many arrive, complete and in order", &detail::keep<Side, sink_delivers>);
    add("told to stop midway, it ends within seconds and goes on later", &detail::keep<Side, sink_stops_and_goes_on>);
    add("killed again and again under load, it loses nothing", &detail::keep<Side, sink_survives_kills>);
  }
  if constexpr (sink && once)
    add("killed again and again under load, it delivers exactly once",
        &detail::keep<Side, sink_survives_kills_exactly_once>);
  if constexpr (sink && server) {
    add("a server that is away at the start is waited for, and the source with it",
        &detail::keep<Side, sink_waits_for_server>);
    add("a server that dies under load costs nothing", &detail::keep<Side, sink_finds_server_again>);
  }
  if constexpr (sink && server && once)
    add("over a server that dies under load, it delivers exactly once",
        &detail::keep<Side, sink_finds_server_again_exactly_once>);
  if constexpr (sink && std::is_base_of_v<Login, Side>)
    add("a wrong secret is reported, and not shown", &detail::keep<Side, sink_reports_wrong_login>);
  if constexpr (sink && server && std::is_base_of_v<Login, Side>)
    add("weir validate --connect tells whether it is there and lets us in",
        &detail::keep<Side, sink_connection_is_checked>);
  return 0;
}

}  // namespace weir::conformance

/// Registers the promises of a far side as test cases of doctest, which the file has included; they are called
/// `PROMISE<Side>`.
#define WEIR_CONFORMANCE(Side)                                                                                      \
  [[maybe_unused]] static const int weir_conformance_of_##Side =                                                    \
      weir::conformance::each_promise<Side>([](const char* name, void (*promise)()) {                               \
        doctest::detail::regTest(                                                                                   \
            doctest::detail::TestCase(promise, __FILE__, __LINE__, doctest::detail::TestSuite(), #Side, 0) * name); \
      });
