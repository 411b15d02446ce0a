#pragma once
// Holds what passed against what a test expects, and says how they differ.

#include <boost/json/value.hpp>
#include <map>
#include <string>
#include <vector>

#include "flow/flow_test.h"

namespace weir::flowtest {

/// A FlowFile that passed a connection.
struct Passed {
  std::string content;
  std::map<std::string, std::string> attributes;
};

/// Something that is not as expected: where in the test that is written, and what was found, over several lines.
struct Failure {
  flow::Mark mark;
  std::string message;
};

/// What is different between two values, each on a line: "temperature: expected 21.5, found 21.4". `partly`: further
/// members of objects do not matter. Empty: nothing is.
std::vector<std::string> differences(const boost::json::value& expected, const boost::json::value& found,
                                     double tolerance, bool partly);

/// All that is not as expected. `place` names it for the reader.
std::vector<Failure> compare(const flow::Expectation& expected, const std::vector<Passed>& passed,
                             const std::string& place);

}  // namespace weir::flowtest
