#pragma once
// From flow files to flows that the engine can run, or to everything that is wrong with them.
//
// The way: source.h reads a file, yaml.h makes a tree that knows where each value stands, parameters.h substitutes,
// settings.h holds properties against the processors' specs, flow_reader.h reads the rest, graph.h looks at how it all
// hangs together, records.h and statements.h follow the declared records and compile the SQL.

#include <filesystem>
#include <string>
#include <vector>

#include "flow/definition.h"
#include "flow/parameters.h"
#include "flow/problem.h"
#include "plugin/registry.h"

namespace weir::flow {

struct LoadOptions {
  plugin::Registry* registry = nullptr;
  Surroundings surroundings;
  bool tests_beside = false;  ///< also read the tests in NAME.tests.yaml beside NAME.yaml
};

/// The process's own environment, and secrets from the folder in WEIR_SECRETS, or /run/secrets.
Surroundings process_surroundings();

/// The fields that a processor's statements read of a record that is not declared.
struct FieldsRead {
  std::string flow;
  std::string processor;
  Mark mark;
  std::vector<std::string> fields;
};

struct LoadResult {
  std::vector<Flow> flows;        ///< only those without an error
  std::vector<Problem> problems;  ///< by file in the order given, then by place
  std::vector<FieldsRead> reads;

  bool ok() const { return !has_errors(problems); }
};

LoadResult load(const std::vector<std::filesystem::path>& files, const LoadOptions& options);

/// As load(), from text: for tests and for what does not come from a file.
LoadResult load_text(const std::string& name, const std::string& yaml, const LoadOptions& options);

}  // namespace weir::flow
