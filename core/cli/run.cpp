#include "cli/run.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "api/access.h"
#include "api/assets.h"
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

/// Ends the run on SIGINT or SIGTERM. Signals are blocked in every thread and taken by this one; a second one ends the
/// process at once, which loses nothing that was acknowledged.
class Signals {
 public:
  Signals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
  }
  ~Signals() {
    if (!thread_.joinable()) return;
    over_ = true;
    pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
  }
  void watch(engine::Engine& engine) {
    thread_ = std::thread([this, &engine] {
      for (int times = 0;; ++times) {
        int signal = 0;
        sigwait(&set_, &signal);
        if (over_) return;
        if (times > 0) _exit(kFailed);
        engine::log_line(abi::Level::info, nullptr, "stopping; again to stop at once");
        engine.stop_waiting();
      }
    });
  }

 private:
  sigset_t set_{};
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

/// A core file would hold what the API masks. A process without secrets keeps leaving one.
void leave_no_core(const RunOptions& options, const std::vector<flow::Flow>& flows) {
  const bool secrets = std::any_of(flows.begin(), flows.end(), [](const auto& flow) { return !flow.secrets.empty(); });
  if (secrets || !options.tls_key.empty()) ::prctl(PR_SET_DUMPABLE, 0);
}

store::Options store_options(const RunOptions& options, const std::vector<flow::Flow>& flows) {
  store::Options result;
  result.directory = options.data;
  result.keep_provenance_for = 0;
  result.keep_provenance_bytes = 0;
  for (const auto& flow : flows) {  // one store for all flows: the most generous counts
    result.keep_provenance_for = std::max(result.keep_provenance_for, flow.provenance.keep_for.count());
    result.keep_provenance_bytes = std::max(result.keep_provenance_bytes, flow.provenance.keep_bytes);
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
  load_flows({options.flows, options.plugins, options.parameters}, loaded);
  if (!loaded.ok) return kWrong;
  std::vector<flow::Flow> flows;
  for (const auto& flow : loaded.result.flows) {
    flows.push_back(flow.scale_out ? flow::member_of(flow) : flow);
    if (!flow.scale_out || !options.until_idle) continue;
    fmt::print(stderr, "weir: {}: the flow '{}' scales out: it has no end, so --until-idle cannot run it\n", flow.file,
               flow.name);
    return kWrong;
  }
  leave_no_core(options, flows);

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
  engine::Engine* reporter = nullptr;  // lanes come once it runs
  engine::LaneHost lanes(loaded.result.flows,
                         {engine_options, options.data, [&](abi::Level level, const std::string& message) {
                            reporter->report(nullptr, level, message);
                          }});
  engine_options.lanes = [&](const std::string& flow) { return lanes.lanes(flow); };
  engine_options.lanes_not_ready = [&] { return lanes.not_ready(); };
  engine::Engine engine(flows, *store, engine_options);
  reporter = &engine;
  std::unique_ptr<api::Server> server;
  try {
    if (options.listen == "none" && !options.openlineage.empty())
      throw std::invalid_argument("--openlineage goes with the HTTP server: --listen none leaves out both");
    if (options.listen != "none") {
      api::Options api_options;
      api_options.listen = api::parse_endpoint(options.listen);
      api_options.allow_unauthenticated_network = options.allow_network;
      const auto& listen = api_options.listen;
      const bool open_network = !api::names_loopback(api::authority(listen.host, listen.port));
      const auto lineage = api::LineageOptions::from(options.openlineage);
      api_options.authenticated = api::Access(options.data).required();
      api_options.tls = {options.tls_certificate, options.tls_key};
      api_options.notice = [&engine](const std::string& what) { engine.report(nullptr, abi::Level::warning, what); };
      if (open_network && options.tls_certificate.empty()) {
        api_options.notice(
            "tokens and data pass this network in the clear: give --tls-cert and --tls-key, or put a proxy with TLS in "
            "front");
      }
      server = std::make_unique<api::Server>(
          api::with_ui(api::pages(engine, WEIR_VERSION, open_network, lineage), api::Assets(api::ui_directory())),
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
  signals.watch(engine);
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
  lanes.stop();
  if (server) server->stop();
  if (const auto fatal = engine.fatal(); !fatal.empty()) {
    engine::log_line(abi::Level::error, nullptr, "stopped: " + fatal);
    return kFailed;
  }
  engine::log_line(abi::Level::info, nullptr,
                   ended ? "done: everything has flowed" : "stopped; what is queued is kept");
  return kDone;
}

}  // namespace weir::cli
