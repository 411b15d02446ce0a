#pragma once
// Runs the tests of flows: each on an engine and a store of its own, in a temporary folder, in virtual time. What
// reaches outside is replaced (stand_in.h), every connection is watched, and relationships that end somewhere are
// watched as well.

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "flow/definition.h"
#include "flowtest/compare.h"

namespace weir::flowtest {

struct Result {
  std::string flow;
  const flow::FlowTest* test = nullptr;
  std::vector<Failure> failures;                                ///< none: passed
  double seconds = 0;                                           ///< real time
  std::set<std::pair<std::uint32_t, std::uint32_t>> exercised;  ///< processor, relationship: something passed
};

/// `patience`, real time, is how long one test may take. Throws std::runtime_error if the test cannot be set up.
Result run(const flow::Flow& flow, const flow::FlowTest& test, Duration patience);

/// Relationships by which nothing passed in any of the tests of the flow ("check/suspect"), but for those of processors
/// that reach outside.
std::vector<std::string> never_exercised(const flow::Flow& flow, const std::vector<Result>& results);

}  // namespace weir::flowtest
