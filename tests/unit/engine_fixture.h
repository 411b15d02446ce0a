#pragma once
// Small processors and a runner for tests of the engine: flows are put together by hand, run on a real store in a
// temporary folder, and can be stopped and started again.

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "flow/definition.h"
#include "store/store.h"
#include "weir/plugin.h"

namespace weir::test {

/// What the Collect processors of one test received, by processor name; survives restarts of the engine.
struct Collected {
  std::mutex mutex;
  std::map<std::string, std::vector<std::string>> contents;
  std::vector<std::string> of(const std::string& processor) {
    const std::lock_guard lock(mutex);
    return contents[processor];
  }
};

/// Everything the test processors do beyond passing on is decided here, by processor name.
struct Script {
  std::function<void(Context&)> start;
  std::function<void(FlowFile, Session&)> process;    ///< of a Do processor
  std::function<void(Session&, std::uint64_t)> poll;  ///< of a source: what it emits, given its position
  std::function<void(Session&)> woken, tick, flush, finish;
  std::function<void(std::uint64_t)> durable;
  std::function<void()> stop;
  std::uint64_t count = 0;  ///< a source emits this many FlowFiles, "0", "1", …
  std::uint64_t batch = 100;
  bool endless = false;  ///< a source asks for nothing and never ends
};

/// The scripts of the running test.
std::map<std::string, Script>& scripts();
Collected& collected();

/// What a Do processor does that has no far side until `open`, and then passes on. `open` outlives the run.
std::function<void(FlowFile, Session&)> closed_until(const std::atomic<bool>& open);

class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A flow made by hand. Types: Count (a source), Do (scripted; success, failure, other), Block (the same, with threads
/// of its own), Collect (a sink).
class FlowBuilder {
 public:
  FlowBuilder();
  /// Of the flow; "test" unless said. Before anything is in it.
  FlowBuilder& named(const std::string& name);
  /// It is the member of a flow that scales out: its source speaks for the lanes.
  FlowBuilder& member();
  FlowBuilder& processor(const std::string& name, const std::string& type,
                         const std::function<void(flow::Processor&)>& change = {});
  FlowBuilder& connect(const std::string& from, const std::string& relationship, const std::string& to,
                       flow::QueueOptions queue = {}, bool in_cycle = false);
  std::vector<flow::Flow> build() const { return {flow_}; }
  std::shared_ptr<const flow::Flow> share() const { return std::make_shared<const flow::Flow>(flow_); }

 private:
  flow::Flow flow_;
};

/// A store that tells the test before it reads queue entries back, and before it writes; everything is passed on.
class WatchedStore final : public store::Store {
 public:
  struct Watch {
    std::function<void(std::uint32_t connection, std::uint64_t first, std::uint32_t count)> read = {};
    std::function<void(const store::Epoch&)> write = {};
  };
  WatchedStore(std::unique_ptr<store::Store> store, Watch watch) : store_(std::move(store)), watch_(std::move(watch)) {}
  const std::string& id() const override { return store_->id(); }
  std::uint64_t last_epoch() const override { return store_->last_epoch(); }
  std::uint32_t connection_number(const std::string& id) override { return store_->connection_number(id); }
  std::uint32_t processor_number(const std::string& name) override { return store_->processor_number(name); }
  void rename_connection(const std::string& from, const std::string& to) override {
    store_->rename_connection(from, to);
  }
  void rename_processor(const std::string& from, const std::string& to) override { store_->rename_processor(from, to); }
  std::vector<store::RecoveredConnection> connections() override { return store_->connections(); }
  std::map<std::string, std::string> state(std::uint32_t processor) override { return store_->state(processor); }
  void write(const store::Epoch& epoch) override {
    if (watch_.write) watch_.write(epoch);
    store_->write(epoch);
  }
  void maintain() override { store_->maintain(); }
  store::BatchRef read(std::uint32_t connection, std::uint64_t first, std::uint32_t count) override {
    if (watch_.read) watch_.read(connection, first, count);
    return store_->read(connection, first, count);
  }
  void retain(std::uint32_t processor, const store::Retention& retention) override {
    store_->retain(processor, retention);
  }
  store::BatchRef retained(std::uint32_t connection, std::uint64_t sequence) override {
    return store_->retained(connection, sequence);
  }
  std::uint64_t retained_bytes() const override { return store_->retained_bytes(); }
  std::unique_ptr<store::ContentWriter> write_content() override { return store_->write_content(); }
  std::uint64_t room() const override { return store_->room(); }

 private:
  std::unique_ptr<store::Store> store_;
  Watch watch_;
};

/// Runs flows in batch mode until all has ended; fails the test if that takes longer than 20 s.
struct Run {
  Run(const std::filesystem::path& folder, const FlowBuilder& builder, bool until_idle = true,
      const std::function<void(engine::Options&)>& change = {}, WatchedStore::Watch watch = {});
  void start() { engine->start(); }
  bool finish();
  std::vector<flow::Flow> flows;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<engine::Engine> engine;
};

/// What every test begins with: nothing collected yet, and a folder of its own.
struct EngineTest {
  EngineTest();
  TemporaryFolder folder;
};

/// "0", "1", … : what a source emits.
std::vector<std::string> numbers(std::uint64_t count);

/// Waits until the condition holds; false after 10 s.
bool eventually(const std::function<bool()>& condition);

}  // namespace weir::test
