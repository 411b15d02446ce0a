// What every sink promises: a flow of generated records, whose source is exact, into it.

#include <algorithm>
#include <chrono>

#include "conformance/program.h"
#include "conformance/records.h"
#include "weir/conformance.h"

namespace weir::conformance {

namespace {

constexpr int kKills = 4;
constexpr std::int64_t kFew = 2'000;
constexpr std::int64_t kRecordsPerFlowFile = 10;
constexpr const char* kName = "conformance/sink:";
constexpr const char* kWrong = "wrong-secret-that-nobody-may-see";
const std::string kExactly = "\ndelivery: exactly_once";

/// A sink in a flow, behind a source that makes the suite's records.
class Flow {
 public:
  Flow(Sink& sink, const std::string& processor) : processor_(indented(processor)) {
    if (const auto relationships = sink.drop(); !relationships.empty())
      processor_ += "    drop: " + relationships + "\n";
  }

  /// The flow makes this many records over all its lives; so many a second, or as fast as it may.
  void make(std::int64_t count, std::int64_t rate = 0) const {
    program.set_flow("flow: conformance\nprocessors:\n  made:\n    type: GenerateFlowFile\n    count: " +
                     std::to_string(count) + (rate > 0 ? "\n    rate: " + std::to_string(rate) + "/s" : "") +
                     "\n    batch: 10\n    records_per_flowfile: " + std::to_string(kRecordsPerFlowFile) +
                     "\n    select: SELECT seq AS n, 'k' || seq % 7 AS key, 'forty characters that make it look "
                     "real....' AS pad FROM seq\n    to: {success: {to: sink, queue: {max_count: 20}}}\n  sink:\n" +
                     processor_);
  }
  /// Records that the sink has taken from its queue in this life.
  std::int64_t taken() { return static_cast<std::int64_t>(program.metric("weir_in_records_total", kSink)); }
  void run_to_its_end() {
    program.start(true);
    program.finish();
  }
  void check(Sink& sink, std::int64_t count, bool once) const {
    const auto wrong = objection(sink.arrived(), count, once, sink.ordered());
    if (!wrong.empty()) program.fail(wrong);
  }
  void wait_for_trouble() {
    program.wait_until([&] { return program.not_ready().find(kName) != std::string::npos; }, "/readyz names the sink");
  }

  Program program;

 private:
  static constexpr const char* kSink = "processor=\"sink\"";
  std::string processor_;
};

void survive_kills(Sink& sink, const std::string& delivery, bool once) {
  Flow flow(sink, sink.processor() + delivery);
  Chance chance;
  const auto load = sink.load();
  flow.make(load, load / 2);  // lives of several epochs
  for (int kill = 0; kill < kKills; ++kill) {
    flow.program.start();
    const auto until = chance.between(1, load / (kKills + 2));
    flow.program.wait_until([&] { return flow.taken() >= until; }, std::to_string(until) + " records have been taken");
    flow.program.kill();
  }
  if (complete(sink.arrived(), load)) flow.program.fail("the kills tried nothing: all had arrived before the last");
  flow.run_to_its_end();
  flow.check(sink, load, once);
}

void find_server_again(Sink& sink, Server& server, const std::string& delivery, bool once) {
  Flow flow(sink, sink.processor() + delivery);
  const auto load = sink.load();
  flow.make(load, load);
  flow.program.start(true);
  const auto until = Chance().between(1, load / 2);
  flow.program.wait_until([&] { return flow.taken() >= until; }, std::to_string(until) + " records have been taken");
  server.stop_server();
  flow.wait_for_trouble();
  server.start_server();
  flow.program.finish();
  flow.check(sink, load, once);
}

}  // namespace

void sink_delivers(Sink& sink) {
  Flow flow(sink, sink.processor());
  flow.make(1);
  flow.run_to_its_end();
  flow.check(sink, 1, true);
  flow.make(kFew);
  flow.run_to_its_end();
  flow.check(sink, kFew, true);
}

void sink_stops_and_goes_on(Sink& sink) {
  Flow flow(sink, sink.processor());
  flow.make(kFew, kFew);
  flow.program.start();
  flow.program.wait_until([&] { return flow.taken() >= kFew / 4; }, "a quarter of the records have been taken");
  flow.program.stop();
  if (complete(sink.arrived(), kFew)) flow.program.fail("it was not midway: all had arrived");
  flow.run_to_its_end();
  flow.check(sink, kFew, false);
}

void sink_survives_kills(Sink& sink) {
  survive_kills(sink, {}, false);
}

void sink_survives_kills_exactly_once(Sink& sink) {
  survive_kills(sink, kExactly, true);
}

void sink_waits_for_server(Sink& sink, Server& server) {
  Flow flow(sink, sink.processor());
  const auto load = sink.load();
  flow.make(load);
  server.stop_server();
  flow.program.start();
  flow.wait_for_trouble();
  flow.program.wait_until([&] { return flow.program.metric("weir_queue_fullness_ratio") >= 1; }, "the queue is full");
  const auto made = flow.program.metric("weir_out_records_total", "processor=\"made\"");
  if (made >= static_cast<double>(load)) flow.program.fail("nobody takes records, and the source has made them all");
  flow.program.stop();  // also while there is nobody to say goodbye to
  flow.program.start(true);
  flow.wait_for_trouble();
  server.start_server();
  flow.program.finish();
  flow.check(sink, load, false);
}

void sink_finds_server_again(Sink& sink, Server& server) {
  find_server_again(sink, server, {}, false);
}

void sink_finds_server_again_exactly_once(Sink& sink, Server& server) {
  find_server_again(sink, server, kExactly, true);
}

void sink_connection_is_checked(Sink& sink, Server& server, Login& login) {
  Flow right(sink, sink.processor());
  right.make(1);
  Flow wrong(sink, login.with_secret(kWrong));
  wrong.make(1);
  check_connection(right.program, wrong.program, server, "'sink'", kWrong);
  if (!sink.arrived().empty()) right.program.fail("the check has moved data");
}

void sink_reports_wrong_login(Sink& sink, Login& login) {
  Flow flow(sink, login.with_secret(kWrong));
  flow.make(kFew);
  flow.program.start();
  flow.wait_for_trouble();
  const auto said = flow.program.not_ready();
  flow.program.stop();
  if ((said + flow.program.log()).find(kWrong) != std::string::npos) flow.program.fail("the secret is shown: " + said);
  if (!sink.arrived().empty()) flow.program.fail("a wrong secret let records through");
}

}  // namespace weir::conformance
