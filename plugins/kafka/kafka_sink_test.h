#pragma once
// A KafkaSink that runs in the test kit, and what it has delivered.
#include <chrono>
#include <string>
#include <vector>

#include "kafka_test.h"
#include "tests/servers/kafka.h"
#include "weir/errors.h"
#include "weir/plugin.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace weir::kafka::testing {

inline const auto* type() {
  return weir::testkit::find_type(weir_plugin_abi_1(), "KafkaSink");
}

inline std::string settings(const std::string& brokers, const std::string& more) {
  return "brokers: " + brokers + "\n" + more;
}

/// As the engine does: steps that find the far side away are tried again.
inline bool deliver(weir::testkit::Runner& runner, std::chrono::seconds within = std::chrono::seconds(40)) {
  const auto deadline = std::chrono::steady_clock::now() + within;
  while (runner.held() + runner.queued() > 0) {
    try {
      runner.run();
      runner.durable();
    } catch (const weir::Unavailable&) {
    }
    if (std::chrono::steady_clock::now() > deadline) return false;
  }
  return true;
}

inline std::string values(const std::vector<Received>& messages) {
  std::string all;
  for (const auto& message : messages) all += message.value.value_or("(none)") + ",";
  return all;
}

inline std::string numbers(int from, int to) {
  std::string all;
  for (int i = from; i < to; ++i) all += "{\"n\":" + std::to_string(i) + "},";
  return all;
}

/// All cases have the same data directory, so each needs a name of its own.
inline weir::testkit::Options exactly_once_as(const std::string& name) {
  return {.exactly_once = true, .name = name};
}

}  // namespace weir::kafka::testing
