#include "cli/connect.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "engine/to_show.h"
#include "flow/database_tables.h"
#include "flow/settings.h"
#include "weir/check.h"
#include "weir/errors.h"

namespace weir::cli {

namespace {

constexpr auto kPatience = std::chrono::seconds(15);  ///< for all of them together

struct Outcome {
  abi::Status status = abi::Status::ok;
  std::string text;
};

class Message final : public abi::Report {
 public:
  void message(abi::Text text) override { text_ = std::string(view(text)); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

struct Attempt {
  const flow::Flow* flow;
  const flow::Processor* processor;
  std::future<Outcome> outcome;
};

/// The check that the plugin has for a type; null: none.
const abi::Check* check_of(const plugin::Type& type) {
  if (type.file.empty()) return nullptr;
  // It is loaded: this only counts one more user of it.
  void* const library = ::dlopen(type.file.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) return nullptr;
  const auto entry = reinterpret_cast<abi::ChecksEntry>(::dlsym(library, abi::kChecksEntry));
  if (entry == nullptr) return nullptr;
  const auto* checks = entry();
  for (std::uint32_t i = 0; i < checks->count(); ++i) {
    if (view(checks->check(i)->type()) == type.name) return checks->check(i);
  }
  return nullptr;
}

/// On a thread of its own, which nobody waits for: a far side that hangs hangs only this.
std::future<Outcome> reach(const abi::Check& check, const flow::Processor& processor) {
  std::packaged_task<Outcome()> task([&check, tree = processor.settings] {
    const flow::SettingsNode settings(tree);
    Message message;
    const auto status = check.reach(&settings, &message);
    return Outcome{status, message.text()};
  });
  auto outcome = task.get_future();
  std::thread(std::move(task)).detach();
  return outcome;
}

/// Reads the columns of a database's table that a processor joins with, and checks its statement against them.
std::future<Outcome> reach(const flow::Processor& processor, const sql::DatabaseTableOptions& table) {
  std::packaged_task<Outcome()> task([table, &processor] {
    try {
      auto columns = sql::read_columns(table.read);
      for (const auto& wanted : table.snapshot.columns) {
        if (std::find(columns.begin(), columns.end(), wanted) == columns.end())
          throw Misconfigured(fmt::format("reference table '{}' has no column '{}'", table.snapshot.table, wanted));
      }
      auto text = fmt::format("the table '{}' with {}", table.snapshot.table, fmt::join(columns, ", "));
      if (!table.snapshot.columns.empty()) columns = table.snapshot.columns;
      const auto problem = flow::problem_with_columns(processor, table.snapshot.table, columns);
      if (!problem.empty()) throw Misconfigured(problem);
      return Outcome{abi::Status::ok, std::move(text)};
    } catch (const Unavailable& error) {
      return Outcome{abi::Status::unavailable, error.what()};
    } catch (const std::exception& error) {
      return Outcome{abi::Status::misconfigured, error.what()};
    }
  });
  auto outcome = task.get_future();
  std::thread(std::move(task)).detach();
  return outcome;
}

}  // namespace

std::size_t check_connections(const std::vector<flow::Flow>& flows, plugin::Registry& registry, bool& hanging) {
  std::vector<Attempt> attempts;
  for (const auto& flow : flows) {
    for (const auto& processor : flow.processors) {
      if (!processor.enabled) continue;
      const auto name = std::string(view(processor.type->spec()->type));
      const auto* type = registry.find(name);
      const auto* check = type == nullptr ? nullptr : check_of(*type);
      if (check != nullptr) attempts.push_back({&flow, &processor, reach(*check, processor)});
      for (const auto& table : processor.tables) attempts.push_back({&flow, &processor, reach(processor, table)});
    }
  }
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  std::size_t failed = 0;
  for (auto& [flow, processor, future] : attempts) {
    const auto& mark = processor->mark;
    const auto place = fmt::format("{}:{}:{}", mark.file, mark.line, mark.column);
    Outcome outcome{abi::Status::unavailable, fmt::format("no answer within {} s", kPatience.count())};
    if (future.wait_until(deadline) == std::future_status::ready) {
      outcome = future.get();
      outcome.text = engine::to_show(outcome.text, flow->secrets);
    } else {
      hanging = true;
    }
    if (outcome.status == abi::Status::ok) {
      fmt::print("{}: '{}' reaches {}\n", place, processor->name, outcome.text);
    } else {
      ++failed;
      fmt::print(stderr, "{}: error: '{}' cannot {}: {}\n", place, processor->name,
                 outcome.status == abi::Status::unavailable ? "reach its far side" : "work with its far side",
                 outcome.text);
    }
  }
  if (attempts.empty()) fmt::print("no processor here has a far side that can be checked\n");
  std::fflush(stdout);
  return failed;
}

}  // namespace weir::cli
