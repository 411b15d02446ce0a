#pragma once
// Loading flows from text in a test, with the types of tests/unit/plugins/good.cpp.

#include <string>
#include <vector>

#include "flow/load.h"

namespace weir::flow {

/// The types of good.cpp.
plugin::Registry& test_registry();

/// Loads text as "f.yaml", with parameters, environment and secrets of the test's own.
LoadResult load_yaml(const std::string& yaml, const Surroundings& surroundings = {});

/// Every problem on a line of its own.
std::string problems_of(const std::string& yaml, const Surroundings& surroundings = {});

/// A flow of a TestSource and one processor whose properties are given, indented by four.
std::string flow_with(const std::string& type, const std::string& properties, const std::string& top = "");

bool contains(const std::string& text, const std::string& part);

}  // namespace weir::flow
