#pragma once
// What the tests of FileSink share.
#include <algorithm>
#include <string>

#include "plugins/common/test_files.h"
#include "weir/plugin.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace weir::file {

inline const auto* type() {
  return testkit::find_type(weir_plugin_abi_1(), "FileSink");
}

inline bool warned(const testkit::Runner& runner, const std::string& text) {
  const auto bulletins = runner.bulletins();
  return std::any_of(bulletins.begin(), bulletins.end(),
                     [&](const auto& b) { return b.message.find(text) != std::string::npos; });
}

/// Writes, ends and renames everything, as the end of a batch run does.
inline void end(testkit::Runner& runner) {
  runner.run();
  runner.finish();
  runner.durable();
  runner.run();
}

}  // namespace weir::file
