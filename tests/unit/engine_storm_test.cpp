// Operators who do everything at once, at random, to processors that hang at random: nothing is lost, and nothing
// counts twice.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "engine/log.h"
#include "tests/unit/engine_fixture.h"

using namespace weir;
using namespace weir::test;
using engine::Instance;
using engine::Operation;
using Status = Instance::Status;

namespace {

using Steady = std::chrono::steady_clock;

/// For a run by hand: so many seconds of it.
Duration length() {
  const auto* seconds = std::getenv("WEIR_STORM_SECONDS");
  return std::chrono::seconds(seconds == nullptr ? 3 : std::atoi(seconds));
}

/// Keeps one caller in so many for a moment that is longer than others' patience, as long as the storm lasts.
class Squall {
 public:
  void pass(std::uint32_t one_in) {
    std::unique_lock lock(mutex_);
    if (is_over_ || random_() % one_in != 0) return;
    over_.wait_for(lock, std::chrono::milliseconds(20 + random_() % 300), [this] { return is_over_; });
  }
  void end() {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    over_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable over_;
  std::minstd_rand random_{std::random_device{}()};
  bool is_over_ = false;
};

std::uint64_t count_of(Session& session, const char* key) {
  const auto value = session.state(key);
  return value ? std::stoull(std::string(*value)) : 0;
}

void add_to(Session& session, const char* key, std::uint64_t more) {
  session.set_state(key, std::to_string(count_of(session, key) + more));
}

/// source -> act -> block -> sink: each counts in its state what it has done, and the sink, which holds what comes
/// until it is asked to flush, what the numbers are in all.
struct Storm : EngineTest {
  static constexpr const char* kNames[] = {"source", "act", "block", "sink"};

  Storm() {
    engine::configure_log(engine::LogFormat::text, weir::abi::Level::error);
    const auto make = [](const std::string& setting) {
      FlowBuilder flow;
      const auto set = [&](flow::Processor& processor) { processor.settings.put("setting", setting); };
      flow.processor("source", "Count").processor("act", "Do", set).processor("block", "Block", set);
      flow.processor("sink", "Do").connect("source", "success", "act", {.max_count = 300});
      flow.connect("act", "success", "block", {.max_count = 300}).connect("block", "success", "sink");
      return flow;
    };
    flows = {make("one").share(), make("other").share()};
    const auto flow = make("one");
    for (const auto* name : kNames) {
      auto& script = scripts()[name];
      script.start = [this](Context& context) {
        squall.pass(30);
        context.counter("starts", "Starts.").add(1);
        context.bulletin(weir::abi::Level::info, "starts");
      };
      script.stop = [this] { squall.pass(30); };
      script.process = [this](FlowFile file, Session& session) {
        squall.pass(1'000);
        add_to(session, "count", 1);
        session.transfer(file, 0);
      };
    }
    scripts()["source"].endless = true;
    scripts()["source"].poll = [this](Session& session, std::uint64_t) {
      squall.pass(30);
      const auto next = count_of(session, "count");
      if (is_dry) return;
      for (auto i = next; i < next + 20; ++i) {
        auto file = session.create();
        session.append(file, std::to_string(i));
        session.transfer(file, 0);
      }
      add_to(session, "count", 20);
      session.when_durable(next);
      session.again();
    };
    scripts()["sink"].process = [](FlowFile file, Session& session) { session.hold(file); };
    scripts()["sink"].flush = [this](Session& session) {
      for (std::uint32_t i = 0; i < session.held_count(); ++i) {
        auto file = session.take_held(i);
        add_to(session, "sum", std::stoull(std::string(file.content())));
        add_to(session, "count", 1);
        session.drop(file, "done");
      }
      squall.pass(30);
    };
    run = std::make_unique<Run>(folder.path(), flow, false, [](engine::Options& options) {
      options.workers = 2;
      options.stop_patience = std::chrono::milliseconds(250);
    });
  }
  ~Storm() {
    squall.end();
    engine::configure_log(engine::LogFormat::text, weir::abi::Level::info);
  }

  std::uint64_t state(const char* name, const char* key) {
    std::uint64_t value = 0;
    run->engine->inspect([&](const auto& instances, const auto&, const auto&) {
      for (const auto& instance : instances) {
        if (instance->processor_name() != name) continue;
        const auto at = instance->state.find(key);
        if (at != instance->state.end()) value = std::stoull(at->second);
      }
    });
    return value;
  }
  void operate(std::minstd_rand& random) {
    const std::string name = kNames[random() % std::size(kNames)];
    auto& engine = *run->engine;
    switch (random() % 8) {
      case 0:
        return engine.operate("test", name, Operation::stop, "anna");
      case 1:
      case 2:
        return engine.operate("test", name, Operation::start, "anna");
      case 3:
        return engine.operate("test", name, Operation::run_once, "anna", 7);
      case 4:
        engine.operate("test", name, Operation::stop, "anna");
        return engine.operate("test", name, Operation::terminate, "anna");
      case 5: {
        engine::ApplyOptions options;
        options.patience = std::chrono::milliseconds(100);
        return engine.apply({flows[random() % flows.size()]}, options);
      }
      case 6:  // nothing has failed anywhere: it stays
        engine.redrive("test/act/success/block", 50, "anna");
        return;
      default:
        engine.queue("test/block/success/sink", 0, 100);
        engine.state("test", name, "", 10, 100);
        engine.set_tap("test/act/success/block", [](auto, const auto&, auto, auto) {});
        engine.ready();
    }
  }
  void rage(const Duration& length) {
    const auto until = Steady::now() + length;
    std::vector<std::thread> operators;
    for (std::uint32_t seed = 1; seed <= 3; ++seed) {
      operators.emplace_back([this, until, seed] {
        std::minstd_rand random(seed);
        while (Steady::now() < until) {
          try {
            operate(random);
            ++done;
          } catch (const engine::NotNow&) {
          } catch (const engine::NotApplied&) {
          }
          std::this_thread::yield();
        }
      });
    }
    for (auto& each : operators) each.join();
  }
  bool calms_down() {
    is_dry = true;
    squall.end();
    return eventually([this] {
      bool all_run = true;
      for (const auto* name : kNames) {
        run->engine->operate("test", name, Operation::start, "anna");
        run->engine->inspect([&](const auto& instances, const auto&, const auto&) {
          for (const auto& instance : instances)
            all_run &= instance->status == Status::running && instance->stopped_by.empty();
        });
      }
      return all_run && state("sink", "count") == state("source", "count") && run->engine->left_behind().empty();
    });
  }

  Squall squall;
  std::atomic<bool> is_dry = false;
  std::atomic<std::uint64_t> done = 0;
  std::vector<std::shared_ptr<const flow::Flow>> flows;
  std::unique_ptr<Run> run;
};

}  // namespace

TEST_CASE_FIXTURE(Storm, "whatever operators do to whatever hangs, nothing is lost and nothing counts twice") {
  run->start();
  rage(length());
  CHECK(calms_down());
  const auto count = state("source", "count");
  MESSAGE(done.load() << " wishes, " << count << " FlowFiles");
  CHECK(count > 0);
  for (const auto* name : {"act", "block", "sink"}) CHECK(state(name, "count") == count);
  CHECK(state("sink", "sum") == count * (count - 1) / 2);
}
