#pragma once
// What stands in a flow under test in place of processors that reach outside: sources and whatever may wait for the
// outside world. Nothing leaves the process.

#include "flow/definition.h"

namespace weir::flowtest {

/// Gives nothing of its own: the test puts FlowFiles out in its name.
const abi::ProcessorType& source_stand_in();
/// Answers as the test says, or takes FlowFiles in as a sink does.
const abi::ProcessorType& stand_in();

/// Whether the type is replaced in tests.
bool reaches_outside(const abi::ProcessorType& type);

/// The settings of a stand_in(): its answers.
boost::property_tree::ptree answer_settings(const std::vector<flow::Answer>& answers);

}  // namespace weir::flowtest
