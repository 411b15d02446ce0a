#pragma once
// A flow with a processor that hangs where the test says, and what an operator does with it.

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "engine/engine.h"
#include "tests/unit/engine_fixture.h"

namespace weir::test {

/// Keeps whoever comes, as often as was asked for, until it is opened.
class Latch {
 public:
  explicit Latch(std::uint32_t holds) : holds_(holds) {}
  /// True: it was kept.
  bool pass() {
    std::unique_lock lock(mutex_);
    if (taken_ == holds_) return false;
    ++taken_;
    opened_.wait(lock, [this] { return is_open_; });
    return true;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    opened_.notify_all();
  }
  bool holds(std::uint32_t count = 1) {
    return eventually([&] {
      const std::lock_guard lock(mutex_);
      return taken_ == count;
    });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  const std::uint32_t holds_;
  std::uint32_t taken_ = 0;
  bool is_open_ = false;
};

/// source -> act -> sink, and what a test asks of it. Latches are opened before the engine ends.
struct Terminated : EngineTest {
  Terminated() { scripts().clear(); }
  ~Terminated() {
    for (auto& latch : latches) latch.open();
  }
  void open(const std::string& type = "Do", const std::function<void(flow::Processor&)>& change = {},
            const std::function<void(engine::Options&)>& options = {}, WatchedStore::Watch watch = {}) {
    auto kept = scripts();
    FlowBuilder flow;
    flow.processor("source", "Count").processor("act", type, change).processor("sink", "Collect");
    flow.connect("source", "success", "act").connect("act", "success", "sink");
    scripts() = std::move(kept);
    scripts()["source"].endless = true;
    run = std::make_unique<Run>(
        folder.path(), flow, false,
        [&](engine::Options& each) {
          each.stop_patience = std::chrono::milliseconds(250);
          if (options) options(each);
        },
        std::move(watch));
  }
  void start() { run->start(); }
  void give(const std::string& content) { run->engine->give(0, 0, content, {}, 1); }
  void order(engine::Operation operation, const std::string& name = "act") {
    run->engine->operate("test", name, operation, "anna");
  }
  void terminate(const std::string& name = "act") {
    order(engine::Operation::stop, name);
    order(engine::Operation::terminate, name);
  }
  template <class Visit>
  void look(const std::string& name, const Visit& visit) {
    run->engine->inspect([&](const auto& instances, const auto&, const auto&) {
      for (const auto& instance : instances) {
        if (instance->processor_name() == name) visit(*instance);
      }
    });
  }
  engine::Instance::Status status(const std::string& name = "act") {
    auto status = engine::Instance::Status::finished;
    look(name, [&](const auto& instance) { status = instance.status; });
    return status;
  }
  bool becomes(engine::Instance::Status wanted, const std::string& name = "act") {
    return eventually([&] { return status(name) == wanted; });
  }
  std::uint64_t queued(std::size_t connection = 0) {
    std::uint64_t queued = 0;
    run->engine->inspect(
        [&](const auto&, const auto& connections, const auto&) { queued = connections[connection]->queued_count(); });
    return queued;
  }
  std::size_t threads_left(const std::string& name = "act") {
    std::size_t threads = 99;
    look(name, [&](const auto& instance) { threads = instance.threads_left(); });
    return threads;
  }
  std::string state(const std::string& key) {
    std::string value;
    look("act", [&](const auto& instance) {
      const auto at = instance.state.find(key);
      value = at == instance.state.end() ? "none" : at->second;
    });
    return value;
  }
  bool arrive(std::size_t count) {
    return eventually([&] { return collected().of("sink").size() == count; });
  }
  bool told(const std::string& message) {
    const auto bulletins = run->engine->bulletins();
    return std::any_of(bulletins.begin(), bulletins.end(),
                       [&](const auto& each) { return each.message.find(message) != std::string::npos; });
  }
  bool comes_back() {
    return eventually([&] { return told("has come back after") && run->engine->left_behind().empty(); });
  }
  /// Outlives the engine.
  Latch& hold(std::uint32_t holds = 1) { return latches.emplace_back(holds); }
  void hang_in_durable(Latch& latch) {
    scripts()["act"].durable = [&latch](std::uint64_t) { latch.pass(); };
    scripts()["act"].process = [](FlowFile file, Session& session) {
      session.when_durable(1);
      session.transfer(file, 0);
    };
  }
  void hang_at(Latch& latch, const std::string& content) {
    scripts()["act"].process = [&latch, content](FlowFile file, Session& session) {
      if (file.content() == content) latch.pass();
      session.transfer(file, 0);
    };
  }

  std::list<Latch> latches;
  std::unique_ptr<Run> run;
};

}  // namespace weir::test
