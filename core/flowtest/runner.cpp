#include "flowtest/runner.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <stdexcept>

#include "engine/engine.h"
#include "flow/database_tables.h"
#include "flowtest/records.h"
#include "flowtest/stand_in.h"
#include "store/store.h"
#include "weir/sql.h"

namespace weir::flowtest {

namespace {

constexpr auto kEnd = "(end)";  ///< no name that a flow can have

class TemporaryFolder {
 public:
  TemporaryFolder() {
    auto name = (std::filesystem::temp_directory_path() / "weir-flow-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder " + name);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// The flow as it runs under test.
flow::Flow under_test(const flow::Flow& original, const flow::FlowTest& test) {
  auto flow = original;
  flow::Processor end;
  end.name = kEnd;
  end.type = &stand_in();
  end.settings = answer_settings({});
  const auto end_index = static_cast<std::uint32_t>(flow.processors.size());
  for (std::uint32_t i = 0; i < end_index; ++i) {
    auto& processor = flow.processors[i];
    const auto answers = test.answers.find(i);
    if (answers != test.answers.end() || reaches_outside(*processor.type)) {
      const bool source = (processor.type->spec()->flags & abi::kSource) != 0;
      processor.type = source ? &source_stand_in() : &stand_in();
      processor.settings =
          source ? boost::property_tree::ptree()
                 : answer_settings(answers == test.answers.end() ? std::vector<flow::Answer>() : answers->second);
      processor.schedule = {};
      processor.exactly_once = false;
    }
    if (const auto given = test.tables.find(i); given != test.tables.end()) {
      for (auto& table : processor.tables) {
        const auto rows = given->second.find(table.snapshot.table);
        if (rows != given->second.end()) table = flow::with_rows(table, rows->second);
      }
    }
    for (const auto relationship : std::exchange(processor.dropped, {})) {  // seen before it ends
      flow::Connection connection;
      connection.id = flow.name + "/" + processor.name + "/" + processor.relationships[relationship] + "/" + kEnd;
      connection.from = i;
      connection.relationship = relationship;
      connection.to = end_index;
      flow.connections.push_back(std::move(connection));
    }
  }
  flow.processors.push_back(std::move(end));
  flow.provenance.index.clear();
  return flow;
}

/// What passed, by connection of the flow under test, in order.
class Watcher {
 public:
  void see(const engine::Connection& connection, const store::Batch& batch, std::uint32_t offset, std::uint32_t count) {
    const auto& definition = connection.definition();
    for (auto i = offset; i < offset + count; ++i) {
      const auto& item = batch.items[i];
      Seen seen{&definition, {}};
      if ((item.flags & abi::kExternal) != 0) {
        const auto& external = store::external_of(item);
        seen.file.content.resize(external.size);
        external.file->read(external.offset, seen.file.content.data(), external.size);
      } else {
        seen.file.content.assign(item.data, item.size);
      }
      for (std::uint16_t a = 0; a < item.attribute_count; ++a)
        seen.file.attributes.emplace(view(item.attributes[a].name), view(item.attributes[a].value));
      all_.push_back(std::move(seen));
    }
  }

  std::vector<Passed> into(std::uint32_t processor) const {
    std::vector<Passed> files;
    for (const auto& seen : all_) {
      if (seen.connection->to == processor) files.push_back(seen.file);
    }
    return files;
  }

  /// Of a relationship that forks, one branch: all get the same.
  std::vector<Passed> from(std::uint32_t processor, std::uint32_t relationship) const {
    std::vector<Passed> files;
    const flow::Connection* branch = nullptr;
    for (const auto& seen : all_) {
      if (seen.connection->from != processor || seen.connection->relationship != relationship) continue;
      if (branch == nullptr) branch = seen.connection;
      if (seen.connection == branch) files.push_back(seen.file);
    }
    return files;
  }

  std::set<std::pair<std::uint32_t, std::uint32_t>> exercised() const {
    std::set<std::pair<std::uint32_t, std::uint32_t>> ways;
    for (const auto& seen : all_) ways.emplace(seen.connection->from, seen.connection->relationship);
    return ways;
  }

 private:
  struct Seen {
    const flow::Connection* connection;
    Passed file;
  };
  std::vector<Seen> all_;
};

class Run {
 public:
  Run(const flow::Flow& flow, const flow::FlowTest& test, Duration patience)
      : flow_(flow),
        test_(test),
        deadline_(std::chrono::steady_clock::now() + patience),
        flows_{under_test(flow, test)},
        clock_(test.now) {}

  Result run() {
    const auto begin = std::chrono::steady_clock::now();
    store::Options store_options;
    store_options.directory = folder_.path() / "data";
    const auto store = store::Store::open(store_options);
    engine::Options options;
    options.data = store_options.directory;
    options.until_idle = test_.until_idle;
    options.clock = &clock_;
    options.tap = [this](const auto& connection, const auto& batch, auto offset, auto count) {
      watcher_.see(connection, batch, offset, count);
    };
    engine::Engine engine(flows_, *store, options);
    engine.start();
    drive(engine);
    engine.stop();
    if (result_.failures.empty()) judge(engine);
    result_.flow = flow_.name;
    result_.test = &test_;
    result_.exercised = watcher_.exercised();
    result_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return std::move(result_);
  }

 private:
  Duration left() const {
    return std::max(Duration::zero(),
                    std::chrono::duration_cast<Duration>(deadline_ - std::chrono::steady_clock::now()));
  }

  void drive(engine::Engine& engine) {
    auto now = test_.now;
    for (const auto& given : test_.given) {
      now = test_.now + given.at.count();
      if (!engine.advance(now, left())) return stuck(engine, given.mark);
      for (const auto& content : given.contents) {
        const auto records = records_of(content);
        engine.give(given.processor, given.relationship, content, given.attributes,
                    records ? static_cast<std::uint32_t>(records->size()) : 1);
      }
    }
    if (!engine.advance(now + test_.wait.count(), left())) return stuck(engine, test_.mark);
    if (!test_.until_idle) return;
    engine.end_sources();
    while (!engine.wait(std::chrono::milliseconds(1))) {
      if (!engine.advance(clock_.now(), left())) return stuck(engine, test_.mark);
      if (engine.wait(std::chrono::milliseconds(1))) return;
      const auto due = engine.next_due();  // what is put aside, or waits for a far side that a test made fail
      if (due == 0 || left() == Duration::zero()) return stuck(engine, test_.mark);
      if (!engine.advance(std::max(due, clock_.now() + 1), left())) return stuck(engine, test_.mark);
    }
  }

  void stuck(engine::Engine& engine, const flow::Mark& mark) {
    auto why = engine.fatal();
    if (why.empty()) {
      why = fmt::format("the flow did not come to rest by {} seconds after the test's start (virtual time)",
                        (clock_.now() - test_.now) / 1'000'000'000);
      engine.inspect([&](const auto&, const auto& connections, const auto&) {
        for (const auto& connection : connections) {
          if (!connection->idle() || connection->held_count() > 0)
            why += fmt::format("\n    {} keeps {} FlowFiles, {} of them held", connection->id(),
                               connection->queued_count() + connection->held_count(), connection->held_count());
        }
      });
    }
    for (const auto& bulletin : engine.bulletins())
      why += fmt::format("\n    {}: {}", bulletin.processor, bulletin.message);
    result_.failures.push_back({mark, std::move(why)});
  }

  void judge(const engine::Engine& engine) {
    const auto take = [this](std::vector<Failure> more) {
      result_.failures.insert(result_.failures.end(), std::make_move_iterator(more.begin()),
                              std::make_move_iterator(more.end()));
    };
    for (const auto& expected : test_.expected) {
      const auto& processor = flow_.processors[expected.processor];
      if (expected.relationship) {
        take(compare(expected, watcher_.from(expected.processor, *expected.relationship),
                     processor.name + "/" + processor.relationships[*expected.relationship]));
      } else {
        take(compare(expected, watcher_.into(expected.processor), "into " + processor.name));
      }
    }
    judge_bulletins(engine.bulletins());
    engine.inspect([this](const auto& instances, const auto&, const auto&) {
      for (const auto& [index, wanted] : test_.state) {
        const auto found = instances[index]->state.size();
        if (found != wanted.second)
          result_.failures.push_back({wanted.first, fmt::format("state of {}: expected {} entries, found {}",
                                                                flow_.processors[index].name, wanted.second, found)});
      }
    });
  }

  /// Unless the test speaks of bulletins, errors are none that its author expects.
  void judge_bulletins(const std::vector<engine::Bulletin>& bulletins) {
    const auto least = test_.bulletins ? abi::Level::warning : abi::Level::error;
    std::vector<bool> met(test_.bulletins ? test_.bulletins->size() : 0);
    for (const auto& bulletin : bulletins) {
      bool wanted = false;
      for (std::size_t i = 0; i < met.size(); ++i) {
        if (bulletin.message.find((*test_.bulletins)[i].text) == std::string::npos) continue;
        met[i] = wanted = true;
      }
      if (!wanted && bulletin.level >= least)
        result_.failures.push_back(
            {test_.mark, fmt::format("a bulletin that is not expected: {}: {}", bulletin.processor, bulletin.message)});
    }
    for (std::size_t i = 0; i < met.size(); ++i) {
      if (!met[i])
        result_.failures.push_back(
            {(*test_.bulletins)[i].mark, fmt::format("no bulletin has '{}' in it", (*test_.bulletins)[i].text)});
    }
  }

  const flow::Flow& flow_;
  const flow::FlowTest& test_;
  const std::chrono::steady_clock::time_point deadline_;
  const std::vector<flow::Flow> flows_;
  Watcher watcher_;
  engine::VirtualClock clock_;
  TemporaryFolder folder_;
  Result result_;
};

}  // namespace

Result run(const flow::Flow& flow, const flow::FlowTest& test, Duration patience) {
  return Run(flow, test, patience).run();
}

std::vector<std::string> never_exercised(const flow::Flow& flow, const std::vector<Result>& results) {
  std::vector<std::string> ways;
  for (std::uint32_t i = 0; i < flow.processors.size(); ++i) {
    if (reaches_outside(*flow.processors[i].type)) continue;  // what stands in for it does what the test says
    for (std::uint32_t r = 0; r < flow.processors[i].relationships.size(); ++r) {
      const bool used = std::any_of(results.begin(), results.end(),
                                    [&](const Result& result) { return result.exercised.contains({i, r}); });
      if (!used) ways.push_back(flow.processors[i].name + "/" + flow.processors[i].relationships[r]);
    }
  }
  return ways;
}

}  // namespace weir::flowtest
