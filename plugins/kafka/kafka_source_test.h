#pragma once
// What the tests of KafkaSource share: how it is run, and what it gave and said.
#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "kafka_test.h"
#include "weir/plugin.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace weir::kafka::testing::source {

using testkit::Output;
using testkit::Runner;

inline const auto* type() {
  return testkit::find_type(weir_plugin_abi_1(), "KafkaSource");
}

inline std::string settings(const std::string& brokers, const std::string& more) {
  return "brokers: " + brokers + "\n" + more;
}

/// Runs until so many FlowFiles came, and returns them.
inline std::vector<Output> take(Runner& runner, std::size_t count) {
  std::vector<Output> all;
  runner.run_until([&] {
    for (auto& output : runner.take("success")) all.push_back(std::move(output));
    return all.size() >= count;
  });
  return all;
}

inline std::vector<std::string> contents(const std::vector<Output>& outputs) {
  std::vector<std::string> all;
  for (const auto& output : outputs) all.push_back(output.content);
  return all;
}

inline std::vector<std::string> numbers(int from, int to) {
  std::vector<std::string> all;
  for (int i = from; i < to; ++i) all.push_back(std::to_string(i));
  return all;
}

inline bool said(Runner& runner, const std::string& text) {
  return std::ranges::any_of(runner.bulletins(),
                             [&](const auto& b) { return b.message.find(text) != std::string::npos; });
}

/// Waits, without a step, until the processor's own thread has logged it; false if it does not.
inline bool logs(Runner& runner, const std::string& text) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::ranges::none_of(runner.logs(), [&](const auto& log) { return log.message == text; })) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace weir::kafka::testing::source
