#include "cli/run.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "api/access.h"
#include "api/assets.h"
#include "api/audit.h"
#include "api/flow_texts.h"
#include "api/live.h"
#include "api/pages.h"
#include "api/server.h"
#include "cli/failpoint.h"
#include "cli/service.h"
#include "cli/validate.h"
#include "engine/engine.h"
#include "engine/lane_host.h"
#include "engine/log.h"
#include "flow/scale_out.h"
#include "store/store.h"

namespace weir::cli {

namespace {

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kWrong = 2;
constexpr std::uint64_t kLargestBody = 512 * KiB;  ///< a flow's text, as JSON

/// Reads the flow files again when it is asked to, on a thread of its own: it takes as long as processors take to stop
/// and to start.
class Reloading {
 public:
  Reloading() = default;
  ~Reloading() { end(); }
  Reloading(const Reloading&) = delete;
  Reloading& operator=(const Reloading&) = delete;
  void begin(api::FlowTexts& texts) {
    thread_ = std::thread([this, &texts] { loop(texts); });
  }
  /// When the engine has stopped: one under way gives up then.
  void end() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  void ask() {
    const std::lock_guard lock(mutex_);
    asked_ = true;
    changed_.notify_all();
  }

 private:
  void loop(api::FlowTexts& texts) {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return asked_ || over_; });
      if (over_) return;
      asked_ = false;
      lock.unlock();
      const bool done = texts.reload("SIGHUP");
      tell_service_manager(done ? "STATUS=the flow files were read again"
                                : "STATUS=the flow files were read again and not applied, see the log");
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool asked_ = false;
  bool over_ = false;
  std::thread thread_;
};

/// Ends the run on SIGINT or SIGTERM, and has the flow files read again on SIGHUP. Signals are blocked in every thread
/// and taken by this one; a second one ends the process at once, which loses nothing that was acknowledged.
class Signals {
 public:
  Signals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
  }
  ~Signals() {
    if (!thread_.joinable()) return;
    over_ = true;
    pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
  }
  void watch(engine::Engine& engine, Reloading& reloading) {
    thread_ = std::thread([this, &engine, &reloading] {
      for (int times = 0;; ++times) {
        int signal = 0;
        sigwait(&set_, &signal);
        if (over_) return;
        // It is also how a terminal says that it has been closed.
        if (signal == SIGHUP && !(on_terminal_ && isatty(STDERR_FILENO) == 0)) {
          reloading.ask();
          --times;
          continue;
        }
        if (times > 0) _exit(kFailed);
        engine::log_line(abi::Level::info, nullptr, "stopping; again to stop at once");
        engine.stop_waiting();
      }
    });
  }

 private:
  sigset_t set_{};
  const bool on_terminal_ = isatty(STDERR_FILENO) != 0;
  std::atomic<bool> over_{false};
  std::thread thread_;
};

/// Rewrites a line on the terminal every second.
class Live {
 public:
  Live(const engine::Engine& engine, bool wanted) {
    if (!wanted) return;
    thread_ = std::thread([this, &engine] {
      api::LiveLine line(engine);
      std::unique_lock lock(mutex_);
      while (!changed_.wait_for(lock, std::chrono::seconds(1), [this] { return over_; }))
        engine::show_live_line(line.text());
      engine::show_live_line(line.text());
      engine::end_live_line();
    });
  }
  ~Live() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::thread thread_;
};

/// A core file would hold what the API masks, and what is sent to others as a key. A process without secrets keeps
/// leaving one.
void leave_no_core(const RunOptions& options, const engine::Flows& flows) {
  const bool secrets = std::any_of(flows.begin(), flows.end(), [](const auto& flow) { return !flow->secrets.empty(); });
  if (secrets || !options.tls_key.empty() || std::getenv("OPENLINEAGE_API_KEY") != nullptr) ::prctl(PR_SET_DUMPABLE, 0);
}

/// Ends the process although processors have not returned from a call: their threads may still use all that is there,
/// so nothing is taken down. The last epoch is on disk, and what they were at comes again.
[[noreturn]] void end_without(const std::vector<engine::LeftBehind>& left, bool lanes_ended, bool failed) {
  std::string hanging;
  for (const auto& processor : left) {
    if (processor.terminated) {
      engine::log_line(abi::Level::warning, nullptr,
                       processor.name + " was terminated and has not come back: the process ends without it");
    } else {
      hanging += (hanging.empty() ? "" : ", ") + processor.name;
    }
  }
  if (!lanes_ended) hanging += (hanging.empty() ? "" : ", ") + std::string("a lane");
  if (!hanging.empty()) {
    engine::log_line(
        abi::Level::error, nullptr,
        "ends without " + hanging + ", not having returned from a call; what was under way there comes again");
    tell_service_manager("STATUS=ended without " + hanging + ", not having returned from a call");
  }
  _exit(failed || !hanging.empty() ? kFailed : kDone);
}

store::Options store_options(const RunOptions& options, const engine::Flows& flows) {
  store::Options result;
  result.directory = options.data;
  result.keep_provenance_for = 0;
  result.keep_provenance_bytes = 0;
  for (const auto& flow : flows) {  // one store for all flows: the most generous counts
    result.keep_provenance_for = std::max(result.keep_provenance_for, flow->provenance.keep_for.count());
    result.keep_provenance_bytes = std::max(result.keep_provenance_bytes, flow->provenance.keep_bytes);
  }
  return result;
}

}  // namespace

int run(const RunOptions& options) {
  // Blocks of FlowFiles come and go by the megabyte: keep them in the process instead of giving them back each time.
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  // An arena a worker is enough: of one a thread, and of a thread for each processor that blocks, most lie idle.
  mallopt(M_ARENA_MAX, std::max(2, static_cast<int>(std::thread::hardware_concurrency())));
  engine::configure_log(options.log_format == "json" ? engine::LogFormat::json : engine::LogFormat::text,
                        options.log_level == "debug"     ? abi::Level::debug
                        : options.log_level == "warning" ? abi::Level::warning
                        : options.log_level == "error"   ? abi::Level::error
                                                         : abi::Level::info);
  Loaded loaded;
  const ValidateOptions load{options.flows, options.plugins, options.parameters};
  load_flows(load, loaded);
  if (!loaded.ok) return kWrong;
  engine::Flows flows;
  for (const auto& flow : loaded.result.flows) {
    flows.push_back(std::make_shared<const flow::Flow>(flow.scale_out ? flow::member_of(flow) : flow));
    if (!flow.scale_out || !options.until_idle) continue;
    fmt::print(stderr, "weir: {}: the flow '{}' scales out: it has no end, so --until-idle cannot run it\n", flow.file,
               flow.name);
    return kWrong;
  }
  leave_no_core(options, flows);

  Reloading reloading;
  Signals signals;
  std::unique_ptr<store::Store> store;
  try {
    store = store::Store::open(store_options(options, flows));
    set_failpoint(*store);
  } catch (const std::exception& error) {
    engine::log_line(abi::Level::error, nullptr, error.what());
    return kFailed;
  }
  engine::Options engine_options;
  engine_options.workers = options.workers;
  engine_options.memory_budget = options.memory;
  engine_options.data = options.data;
  engine_options.until_idle = options.until_idle;
  engine::Engine* keeper = nullptr;  // of what lanes report, find and leave behind: they come once it runs
  engine::LaneHost lanes(
      loaded.result.flows,
      {engine_options, options.data, store.get(),
       [&](store::Epoch part, std::function<void()> durable) { keeper->take_in(std::move(part), std::move(durable)); },
       [&](abi::Level level, const std::string& message) { keeper->report(nullptr, level, message); },
       [&] { return &keeper->quality(); }});
  engine_options.lanes = [&](const std::string& flow) { return lanes.lanes(flow); };
  engine_options.lanes_not_ready = [&] { return lanes.not_ready(); };
  engine_options.lanes_view = [&] { return lanes.seen(); };
  engine_options.lanes_of = [&](const std::string& flow) { return lanes.lanes_of(flow); };
  engine_options.lane_engine = [&](const flow::LaneName& name) { return lanes.engine_of(name); };
  bool lanes_ended = true;
  engine_options.end_lanes = [&](auto until) { lanes_ended = lanes.stop(until); };
  engine::Engine engine(flows, *store, engine_options);
  keeper = &engine;
  std::vector<flow::Problem> told_at_start;
  const auto texts = std::make_shared<api::FlowTexts>(
      engine, load_options(load, loaded.registry, told_at_start),
      [&options](std::vector<flow::Problem>& problems) { return flow_files(options.flows, problems); });
  std::unique_ptr<api::Server> server;
  try {
    if (options.listen == "none" && !options.openlineage.empty())
      throw std::invalid_argument("--openlineage goes with the HTTP server: --listen none leaves out both");
    if (options.listen != "none") {
      api::Options api_options;
      api_options.listen = api::parse_endpoint(options.listen);
      api_options.allow_unauthenticated_network = options.allow_network;
      api_options.host_names = options.host_names;
      if (char name[HOST_NAME_MAX + 1] = ""; ::gethostname(name, sizeof name - 1) == 0)
        api_options.host_names.emplace_back(name);
      api_options.max_body = kLargestBody;
      const auto& listen = api_options.listen;
      const bool open_network = !api::names_loopback(api::authority(listen.host, listen.port));
      const auto lineage = api::LineageOptions::from(options.openlineage);
      api_options.authenticated = api::Access(options.data).required();
      api_options.tls = {options.tls_certificate, options.tls_key};
      api_options.notice = [&engine](const std::string& what) { engine.report(nullptr, abi::Level::warning, what); };
      const auto audit = std::make_shared<api::Audit>(options.data);
      api_options.refused = [audit](const api::Request& request, int status, const std::string& why) {
        audit->note_refused(request, status, why);
      };
      if (open_network && options.tls_certificate.empty()) {
        api_options.notice(
            "tokens and data pass this network in the clear: give --tls-cert and --tls-key, or put a proxy with TLS in "
            "front");
      }
      server = std::make_unique<api::Server>(
          api::with_ui(api::pages(engine, WEIR_VERSION, open_network, lineage, texts, audit),
                       api::Assets(api::ui_directory())),
          api_options);
      engine::log_line(abi::Level::info, nullptr, "listening on " + server->url());
    }
  } catch (const std::invalid_argument& error) {
    engine::log_line(abi::Level::error, nullptr, error.what());
    return kWrong;
  } catch (const std::exception& error) {
    engine::log_line(abi::Level::error, nullptr, error.what());
    return kFailed;
  }
  reloading.begin(*texts);
  signals.watch(engine, reloading);
  engine.start();
  tell_service_manager(fmt::format("READY=1\nSTATUS={} {}{}", flows.size(),
                                   flows.size() == 1 ? "flow runs" : "flows run",
                                   server ? ", see " + server->url() : ""));
  bool ended = false;
  {
    const Live live(engine, options.live);
    ended = engine.wait(options.run_for.value_or(Duration::zero()));
  }
  tell_service_manager("STOPPING=1\nSTATUS=the last epoch is written");
  engine.stop();
  reloading.end();
  if (server) server->stop();
  const auto fatal = engine.fatal();
  if (fatal.empty()) {
    engine::log_line(abi::Level::info, nullptr,
                     ended ? "done: everything has flowed" : "stopped; what is queued is kept");
  } else {
    engine::log_line(abi::Level::error, nullptr, "stopped: " + fatal);
  }
  if (const auto left = engine.left_behind(); !left.empty() || !lanes_ended)
    end_without(left, lanes_ended, !fatal.empty());
  return fatal.empty() ? kDone : kFailed;
}

}  // namespace weir::cli
