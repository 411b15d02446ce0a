#include "tests/unit/engine_fixture.h"

#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <stdexcept>
#include <thread>

namespace weir::test {

std::map<std::string, Script>& scripts() {
  static std::map<std::string, Script> all;
  return all;
}

Collected& collected() {
  static Collected all;
  return all;
}

namespace {

struct NoSettings {};

class Count final : public Source {
 public:
  explicit Count(NoSettings) {}
  void start(Context& context) override {
    script_ = &scripts()[std::string(context.name())];
    if (script_->start) script_->start(context);
  }
  void poll(Session& session) override {
    const auto state = session.state("next");
    auto next = state ? std::stoull(std::string(*state)) : 0;
    if (script_->poll) {
      script_->poll(session, next);
    } else {
      for (std::uint64_t i = 0; i < script_->batch && next < script_->count; ++i, ++next) {
        auto file = session.create();
        session.append(file, std::to_string(next));
        session.transfer(file, 0);
      }
    }
    session.set_state("next", std::to_string(next));
    if (script_->endless) return;
    if (next < script_->count) {
      session.again();
    } else {
      session.finished();
    }
  }
  void durable(std::uint64_t token) override {
    if (script_->durable) script_->durable(token);
  }
  void stop() override {
    if (script_ != nullptr && script_->stop) script_->stop();
  }

 private:
  Script* script_ = nullptr;
};

class Do final : public Processor {
 public:
  explicit Do(NoSettings) {}
  void start(Context& context) override {
    script_ = &scripts()[std::string(context.name())];
    if (script_->start) script_->start(context);
  }
  void step(Batch batch, Session& session) override {
    if (batch.empty() && script_->woken) return script_->woken(session);
    Processor::step(batch, session);
  }
  void process(FlowFile file, Session& session) override {
    if (script_->process) return script_->process(file, session);
    session.transfer(file, 0);
  }
  void tick(Session& session) override {
    if (script_->tick) script_->tick(session);
  }
  void flush(Session& session) override {
    if (script_->flush) script_->flush(session);
  }
  void finish(Session& session) override {
    if (script_->finish) script_->finish(session);
  }
  void durable(std::uint64_t token) override {
    if (script_->durable) script_->durable(token);
  }
  void stop() override {
    if (script_ != nullptr && script_->stop) script_->stop();
  }

 private:
  Script* script_ = nullptr;
};

class Collect final : public Processor {
 public:
  explicit Collect(NoSettings) {}
  void start(Context& context) override { name_ = context.name(); }
  void process(FlowFile file, Session& session) override {
    {
      const std::lock_guard lock(collected().mutex);
      collected().contents[name_].emplace_back(file.content());
    }
    session.drop(file, "collected");
  }

 private:
  std::string name_;
};

const auto kCount = Spec<NoSettings>{"Count", "Counts."}.relationship({"success", "Numbers."}).source();
const auto kAwaited =
    Spec<NoSettings>{"Awaited", "Counts, and somebody waits."}.relationship({"success", "Numbers."}).source().awaited();
const auto kDo = Spec<NoSettings>{"Do", "Does what the test says."}
                     .relationship({"success", ""})
                     .relationship({"failure", ""})
                     .relationship({"other", ""})
                     .concurrent();
const auto kBlock = Spec<NoSettings>{"Block", "Does what the test says, and takes its time."}
                        .relationship({"success", ""})
                        .relationship({"failure", ""})
                        .relationship({"other", ""})
                        .concurrent()
                        .blocking();
const auto kCollect = Spec<NoSettings>{"Collect", "Collects."};

const std::map<std::string, const abi::ProcessorType*>& types() {
  static const auto count = type<Count>(kCount);
  static const auto awaited = type<Count>(kAwaited);
  static const auto act = type<Do>(kDo);
  static const auto block = type<Do>(kBlock);
  static const auto collect = type<Collect>(kCollect);
  static const std::map<std::string, const abi::ProcessorType*> all{
      {"Count", &count}, {"Awaited", &awaited}, {"Do", &act}, {"Block", &block}, {"Collect", &collect}};
  return all;
}

}  // namespace

std::function<void(FlowFile, Session&)> closed_until(const std::atomic<bool>& open) {
  return [&open](FlowFile file, Session& session) {
    if (!open) throw Unavailable("closed");
    session.transfer(file, 0);
  };
}

TemporaryFolder::TemporaryFolder() {
  auto name = (std::filesystem::temp_directory_path() / "weir-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

FlowBuilder::FlowBuilder() {
  flow_.name = "test";
  scripts().clear();
}

FlowBuilder& FlowBuilder::named(const std::string& name) {
  flow_.name = name;
  return *this;
}

FlowBuilder& FlowBuilder::member() {
  flow_.is_member = true;
  return *this;
}

FlowBuilder& FlowBuilder::processor(const std::string& name, const std::string& type,
                                    const std::function<void(flow::Processor&)>& change) {
  flow::Processor processor;
  processor.name = name;
  processor.type = types().at(type);
  const auto* spec = processor.type->spec();
  for (std::uint32_t i = 0; i < spec->relationship_count; ++i)
    processor.relationships.emplace_back(view(spec->relationships[i].name));
  if (change) change(processor);
  flow_.processors.push_back(std::move(processor));
  scripts()[name];
  return *this;
}

FlowBuilder& FlowBuilder::connect(const std::string& from, const std::string& relationship, const std::string& to,
                                  flow::QueueOptions queue, bool in_cycle) {
  flow::Connection connection;
  connection.id = flow_.name + "/" + from + "/" + relationship + "/" + to;
  for (std::uint32_t i = 0; i < flow_.processors.size(); ++i) {
    if (flow_.processors[i].name == from) connection.from = i;
    if (flow_.processors[i].name == to) connection.to = i;
  }
  const auto& names = flow_.processors[connection.from].relationships;
  for (std::uint32_t i = 0; i < names.size(); ++i) {
    if (names[i] == relationship) connection.relationship = i;
  }
  connection.queue = queue;
  connection.in_cycle = in_cycle;
  flow_.connections.push_back(std::move(connection));
  return *this;
}

Run::Run(const std::filesystem::path& folder, const FlowBuilder& builder, bool until_idle,
         const std::function<void(engine::Options&)>& change, WatchedStore::Watch watch)
    : flows(builder.build()) {
  store::Options store_options;
  store_options.directory = folder;
  store = store::Store::open(store_options);
  if (watch.read || watch.write) store = std::make_unique<WatchedStore>(std::move(store), std::move(watch));
  engine::Options options;
  options.data = folder;
  options.until_idle = until_idle;
  options.epoch_interval = std::chrono::milliseconds(10);
  if (change) change(options);
  engine = std::make_unique<engine::Engine>(flows, *store, options);
}

bool Run::finish() {
  const bool ended = engine->wait(std::chrono::seconds(20));
  if (!ended) {
    engine->inspect([](const auto& instances, const auto& connections, const auto&) {
      for (const auto& in : instances)
        std::fprintf(stderr, "%s: status %d, active %u, poll %d, tick %lld\n", in->full_name().c_str(),
                     static_cast<int>(in->status), in->active, in->poll_wanted, static_cast<long long>(in->tick_at));
      for (const auto& c : connections)
        std::fprintf(stderr, "%s: cursor %llu, next %llu, full %d, held %llu, retry %llu\n", c->id().c_str(),
                     static_cast<unsigned long long>(c->cursor()), static_cast<unsigned long long>(c->next()),
                     c->full(), static_cast<unsigned long long>(c->held_count()),
                     static_cast<unsigned long long>(c->retry_count()));
    });
  }
  engine->stop();
  return ended;
}

bool eventually(const std::function<bool()>& condition) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < until) {
    if (condition()) return true;
    never.wait_for(lock, std::chrono::milliseconds(2));
  }
  return condition();
}

EngineTest::EngineTest() {
  const std::lock_guard lock(collected().mutex);
  collected().contents.clear();
}

std::vector<std::string> numbers(std::uint64_t count) {
  std::vector<std::string> all;
  for (std::uint64_t i = 0; i < count; ++i) all.push_back(std::to_string(i));
  return all;
}

}  // namespace weir::test
