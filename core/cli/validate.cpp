#include "cli/validate.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "cli/connect.h"
#include "plugin/loader.h"

namespace weir::cli {

namespace {

/// Whether standard error is a terminal that shows colours (no-color.org).
bool colours() {
  static const bool wanted = isatty(STDERR_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  return wanted;
}

void print(const flow::Problem& problem) {
  auto text = flow::to_text(problem);
  if (colours()) {
    const auto word = problem.severity == flow::Severity::error ? std::string("error: ") : std::string("warning: ");
    const auto* colour = problem.severity == flow::Severity::error ? "\033[1;31m" : "\033[1;35m";
    if (const auto at = text.find(word); at != std::string::npos)
      text.replace(at, word.size(), colour + word + "\033[0m");
  }
  fmt::print(stderr, "{}", text);
}

void warn(const plugin::Refusal& refusal) {
  fmt::print(stderr, "weir: warning: plugin {}\n", to_string(refusal));
}

std::map<std::string, std::string> parse_parameters(const std::vector<std::string>& given,
                                                    std::vector<flow::Problem>& problems) {
  std::map<std::string, std::string> parameters;
  for (const auto& text : given) {
    const auto equals = text.find('=');
    if (equals != std::string::npos && equals > 0) {
      parameters[text.substr(0, equals)] = text.substr(equals + 1);
      continue;
    }
    flow::Problem problem;
    problem.message = fmt::format("--param {} says no value", text);
    problem.expected = "--param NAME=VALUE";
    problems.push_back(std::move(problem));
  }
  return parameters;
}

std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

/// Files of tests, NAME.tests.yaml, are none.
std::vector<std::filesystem::path> flow_files(const std::vector<std::string>& given,
                                              std::vector<flow::Problem>& problems) {
  std::vector<std::filesystem::path> files;
  for (const std::filesystem::path place : given) {
    std::error_code error;
    if (!std::filesystem::is_directory(place, error)) {
      files.push_back(place);  // one that is not there is the loader's to tell
      continue;
    }
    const auto before = files.size();
    for (const auto& entry : std::filesystem::directory_iterator(place, error)) {
      const auto& file = entry.path();
      if (file.extension() == ".yaml" && file.stem().extension() != ".tests" && !entry.is_directory())
        files.push_back(file);
    }
    std::sort(files.begin() + static_cast<std::ptrdiff_t>(before), files.end());
    if (files.size() > before) continue;
    flow::Problem problem;
    problem.message = error ? fmt::format("the folder {} cannot be read: {}", place.string(), error.message())
                            : fmt::format("there is no flow in the folder {}", place.string());
    problem.expected = "a flow file, or a folder of files *.yaml";
    problems.push_back(std::move(problem));
  }
  return files;
}

void load_plugins(const std::vector<std::string>& folders, plugin::Registry& registry) {
  for (const auto& refusal : plugin::load(plugin::search_path(folders), registry)) warn(refusal);
}

flow::LoadOptions load_options(const ValidateOptions& options, plugin::Registry& registry,
                               std::vector<flow::Problem>& problems) {
  flow::LoadOptions result;
  result.registry = &registry;
  result.surroundings = flow::process_surroundings();
  result.tests_beside = options.tests_beside;
  result.surroundings.parameters = parse_parameters(options.parameters, problems);
  return result;
}

void load_flows(const ValidateOptions& options, Loaded& loaded) {
  plugin::offer(plugin::search_path(options.plugins), loaded.registry, warn);
  std::vector<flow::Problem> problems;
  const auto how = load_options(options, loaded.registry, problems);
  loaded.result = flow::load(flow_files(options.flows, problems), how);
  loaded.result.problems.insert(loaded.result.problems.begin(), problems.begin(), problems.end());
  for (const auto& problem : loaded.result.problems) print(problem);
  loaded.ok = loaded.result.ok();
}

int run_validate(const ValidateOptions& options) {
  Loaded loaded;
  auto with_tests = options;
  with_tests.tests_beside = true;
  load_flows(with_tests, loaded);
  std::fflush(stderr);
  for (const auto& reads : loaded.result.reads) {
    fmt::print(
        "{}:{}:{}: note: '{}' reads {} (undeclared: with 'record:' on the source, names and types are checked)\n",
        reads.mark.file, reads.mark.line, reads.mark.column, reads.processor, listed(reads.fields));
  }
  for (const auto& flow : loaded.result.flows) {
    fmt::print("{}: {}: {}, {}: ok\n", flow.file, flow.name, counted(flow.processors.size(), "processor"),
               counted(flow.connections.size(), "connection"));
  }
  std::fflush(stdout);
  std::size_t errors = 0;
  for (const auto& problem : loaded.result.problems) errors += problem.severity == flow::Severity::error ? 1 : 0;
  const auto warnings = loaded.result.problems.size() - errors;
  if (errors + warnings > 0) fmt::print(stderr, "{}, {}\n", counted(errors, "error"), counted(warnings, "warning"));
  if (!loaded.ok || !options.connect) return loaded.ok ? 0 : 2;
  bool hanging = false;
  const auto failed = check_connections(loaded.result.flows, loaded.registry, hanging);
  std::fflush(stderr);
  if (hanging) _exit(2);  // without the destructors of what a thread still uses
  return failed == 0 ? 0 : 2;
}

}  // namespace weir::cli
