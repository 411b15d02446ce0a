#pragma once
// A SqlSink that writes to a real server.

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "servers_test.h"
#include "weir/errors.h"
#include "weir/plugin.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace weir::db {

using testkit::Options;
using testkit::Runner;

inline const char* const kRecord = R"(
id: {type: text, required: true}
at: {type: time, format: unix_ms}
temperature: {type: number}
n: {type: integer}
ok: {type: boolean}
)";

inline const Options kAtLeastOnce{.record = kRecord};
inline const Options kExactlyOnce{.record = kRecord, .exactly_once = true};

template <class On>
std::unique_ptr<Runner> sink(const std::string& more, const Options& options = kAtLeastOnce) {
  return std::make_unique<Runner>(testkit::find_type(weir_plugin_abi_1(), "SqlSink"), On::login() + more, options);
}

template <class On>
std::string refusal(const std::string& properties, const Options& options = kAtLeastOnce) {
  try {
    Runner runner(testkit::find_type(weir_plugin_abi_1(), "SqlSink"), properties, options);
  } catch (const Unavailable& error) {
    return std::string("unavailable: ") + error.what();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "accepted";
}

inline void write(Runner& runner, std::string_view content) {
  runner.push(content);
  runner.run();
  runner.durable();
}

inline std::string reason(const std::vector<testkit::Output>& failed, const std::string& record) {
  for (const auto& output : failed) {
    if (output.content.find(record) != std::string::npos) return output.attributes.at("error.message");
  }
  return "not found: " + record;
}

/// Tries again as the engine does, until the server takes it.
inline void until_durable(Runner& runner) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (true) {
    try {
      runner.run();
      runner.durable();
      if (runner.queued() == 0 && runner.held() == 0) return;
    } catch (const Unavailable&) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      try {
        runner.flush();
      } catch (const Unavailable&) {
        // Not yet.
      }
    }
  }
}

#define ON_EVERY_SERVER(name) TEST_CASE_TEMPLATE(name, On, OnPostgresql, OnMariadb)
#define NEEDS_SERVER()          \
  if (!On::available()) return; \
  On::execute("DROP TABLE IF EXISTS t")

}  // namespace weir::db
