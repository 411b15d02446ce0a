#pragma once
// `weir test`: runs the tests of flows, and says what is not as expected, at the line that expects it.

#include <string>

#include "cli/validate.h"
#include "weir/units.h"

namespace weir::cli {

struct TestOptions {
  ValidateOptions flows;
  std::string only;                              ///< run tests with this in their name
  std::string junit;                             ///< file for a report in JUnit's XML; empty: none
  Duration patience = std::chrono::seconds(30);  ///< for one test, real time
};

/// Returns the exit status: 0 all passed, 1 one failed, 2 a flow or the command line is wrong, or there is no test.
int run_tests(const TestOptions& options);

}  // namespace weir::cli
