// What every source promises: a flow from it into a file, whose sink is exact.

#include <algorithm>
#include <chrono>
#include <fstream>
#include <future>
#include <utility>

#include "conformance/program.h"
#include "conformance/records.h"
#include "weir/conformance.h"

namespace weir::conformance {

namespace {

constexpr int kKills = 4;
constexpr std::int64_t kFew = 2'000;
constexpr std::int64_t kParts = 20;  ///< of what is published at once: a file or an object each
constexpr const char* kSource = "processor=\"source\"";
constexpr const char* kName = "conformance/source:";
constexpr const char* kWrong = "wrong-secret-that-nobody-may-see";

/// Publishes in a thread of its own: some far sides answer only once Weir has taken what they have.
class Publishing {
 public:
  Publishing(Source& source, std::int64_t first, std::int64_t count)
      : done_(std::async(std::launch::async, [&source, first, count] {
          const auto part = std::max<std::int64_t>(1, count / kParts);
          for (auto n = first; n < first + count; n += part) source.publish(n, std::min(part, first + count - n));
        })) {}
  /// Waits for its end; throws what publish() threw.
  void join() {
    if (done_.valid()) done_.get();
  }
  /// Throws what publish() threw, if it has.
  void check() {
    if (done_.valid() && done_.wait_for(std::chrono::seconds(0)) == std::future_status::ready) done_.get();
  }

 private:
  std::future<void> done_;
};

/// A source in a flow, and what it has brought.
class Flow {
 public:
  explicit Flow(const std::string& processor, const std::string& queue = "{max_count: 1000}") {
    program.set_flow("flow: conformance\nprocessors:\n  source:\n" + indented(processor) +
                     "    to: {success: {to: out, queue: " + queue + "}}\n  out:\n    type: FileSink\n" +
                     "    path: gate/out.ndjson\n    delivery: exactly_once\n    drop: failure\n");
  }

  std::filesystem::path output() const { return program.file("gate/out.ndjson"); }
  std::int64_t lines() const { return lines_in(output()); }
  void wait_for(std::int64_t count, Publishing publishing) {
    const auto arrived = [&] {
      publishing.check();
      return complete(numbers_in(output()), count);
    };
    program.wait_until(arrived, "all of " + std::to_string(count) + " records have arrived");
    publishing.join();
  }
  void wait_for_lines(std::int64_t count) {
    program.wait_until([&] { return lines() >= count; }, std::to_string(count) + " records have arrived");
  }
  void check(const Source& source, std::int64_t count) const {
    const auto wrong = objection(numbers_in(output()), count, source.once(), source.ordered());
    if (!wrong.empty()) program.fail(wrong);
  }
  void wait_for_trouble() {
    program.wait_until([&] { return program.not_ready().find(kName) != std::string::npos; },
                       "/readyz names the source");
  }

  Program program;
};

}  // namespace

void source_delivers(Source& source) {
  Flow flow(source.processor());
  flow.program.start();
  flow.wait_for(1, Publishing(source, 0, 1));
  flow.wait_for(kFew, Publishing(source, 1, kFew - 1));
  flow.program.stop();
  flow.check(source, kFew);
}

void source_stops_and_goes_on(Source& source) {
  Flow flow(source.processor());
  flow.program.start();
  Publishing first(source, 0, kFew);
  flow.wait_for_lines(1);
  flow.program.stop();
  flow.program.start();
  first.join();
  flow.wait_for(2 * kFew, Publishing(source, kFew, kFew));
  flow.program.stop();
  flow.check(source, 2 * kFew);
}

void source_pauses(Source& source) {
  Flow flow(source.processor(), "{max_count: 1}");
  std::ofstream(flow.program.file("gate")) << "a file where the sink needs a folder";
  flow.program.start();
  Publishing(source, 0, 1).join();
  flow.program.wait_until([&] { return flow.program.metric("weir_queue_fullness_ratio") >= 1; }, "the queue is full");
  Publishing rest(source, 1, kFew);
  // That nothing happens can only be watched for a while.
  const auto watched_until = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  flow.program.wait_until([&] { return std::chrono::steady_clock::now() > watched_until; }, "half a second is over");
  const auto read = flow.program.metric("weir_out_records_total", kSource);
  if (read > 1)
    flow.program.fail("with a full queue behind it, the source has read " + std::to_string(read - 1) + " more records");
  std::filesystem::remove(flow.program.file("gate"));
  flow.wait_for(kFew + 1, std::move(rest));
  flow.program.stop();
  flow.check(source, kFew + 1);
}

void source_survives_kills(Source& source) {
  Flow flow(source.processor());
  Chance chance;
  const auto load = source.load();
  const auto part = load / (kKills + 1);
  for (int kill = 0; kill < kKills; ++kill) {
    flow.program.start();
    Publishing publishing(source, kill * part, part);
    flow.wait_for_lines(flow.lines() + chance.between(1, part * 3 / 4));
    flow.program.kill();
    flow.program.start();  // a publisher that waits for Weir is not to wait for ever
    publishing.join();
    flow.program.kill();
  }
  flow.program.start();
  flow.wait_for(load, Publishing(source, kKills * part, load - kKills * part));
  flow.program.stop();
  flow.check(source, load);
}

void source_waits_for_server(Source& source, Server& server) {
  Flow flow(source.processor());
  server.stop_server();
  flow.program.start();
  flow.wait_for_trouble();
  flow.program.stop();  // also while there is nobody to say goodbye to
  flow.program.start();
  flow.wait_for_trouble();
  server.start_server();
  flow.wait_for(kFew, Publishing(source, 0, kFew));
  flow.program.wait_until([&] { return flow.program.not_ready().empty(); }, "/readyz says that it is ready");
  flow.program.stop();
  flow.check(source, kFew);
}

void source_finds_server_again(Source& source, Server& server) {
  Flow flow(source.processor());
  Chance chance;
  const auto load = source.load();
  Publishing(source, 0, load / 2).join();
  flow.program.start();
  flow.wait_for_lines(chance.between(1, load / 4));
  server.stop_server();
  flow.wait_for_trouble();
  server.start_server();
  flow.wait_for(load, Publishing(source, load / 2, load - load / 2));
  flow.program.stop();
  flow.check(source, load);
}

void source_connection_is_checked(Source& source, Server& server, Login& login) {
  Flow right(source.processor());
  Flow wrong(login.with_secret(kWrong));
  check_connection(right.program, wrong.program, server, "'source'", kWrong);
}

void source_reports_wrong_login(Source& source, Login& login) {
  Publishing(source, 0, 1).join();
  Flow flow(login.with_secret(kWrong));
  flow.program.start();
  flow.wait_for_trouble();
  const auto said = flow.program.not_ready();
  flow.program.stop();
  if ((said + flow.program.log()).find(kWrong) != std::string::npos) flow.program.fail("the secret is shown: " + said);
  if (flow.lines() != 0) flow.program.fail("what a wrong secret guards was read");
}

}  // namespace weir::conformance
