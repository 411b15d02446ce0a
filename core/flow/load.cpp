#include "flow/load.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <map>
#include <set>
#include <tuple>

#include "flow/flow_reader.h"
#include "flow/graph.h"
#include "flow/scale_out.h"
#include "flow/test_reader.h"
#include "plugin/nearest.h"
#include "weir/sql.h"

namespace weir::flow {

namespace {

/// Problems by place, as a reader goes through the file; of two that are the same, one.
void sort(std::vector<Problem>& problems) {
  const auto key = [](const Problem& p) { return std::tie(p.mark.line, p.mark.column); };
  std::stable_sort(problems.begin(), problems.end(), [&](const auto& a, const auto& b) { return key(a) < key(b); });
  const auto same = [&](const Problem& a, const Problem& b) {
    return key(a) == key(b) && a.message == b.message && a.severity == b.severity;
  };
  problems.erase(std::unique(problems.begin(), problems.end(), same), problems.end());
}

/// Some rules only the processor itself knows, such as two properties that exclude each other: it is constructed, and
/// never started.
void try_constructing(const Draft& draft, const Reporter& report, const std::vector<std::string>& secrets) {
  for (std::size_t i = 0; i < draft.processors.size(); ++i) {
    const auto& beside = draft.processors[i];
    if (!beside.sound || beside.type == nullptr) continue;
    const SettingsNode settings(draft.flow.processors[i].settings, draft.flow.processors[i].exactly_once);
    abi::Processor* processor = nullptr;
    detail::Message message;
    const auto status = beside.type->type->create(&settings, &processor, &message);
    if (status == abi::Status::ok && processor != nullptr) {
      processor->destroy();
    } else {
      report.error(*beside.key,
                   fmt::format("'{}': {}", draft.flow.processors[i].name, masked(message.text(), secrets)));
    }
  }
}

class Loader {
 public:
  explicit Loader(const LoadOptions& options) : options_(options) {}

  void add(const Source& source) {
    std::vector<Problem> problems;
    const Reporter report(source, problems);
    if (const auto root = parse_yaml(source, problems)) {
      read(*root, report, problems);
    } else {
      parsed_all_ = false;
    }
    finish(problems);
    finish(beside_);
    beside_.clear();
  }

  void refuse(const std::filesystem::path& file, const std::string& why) {
    Problem problem;
    problem.mark.file = file.string();
    problem.message = why;
    result_.problems.push_back(std::move(problem));
  }

  LoadResult take() {
    for (const auto& [name, value] : options_.surroundings.parameters) {
      if (parameters_.contains(name)) continue;
      Problem problem;
      problem.message = fmt::format("--param {}: no flow declares the parameter '{}'", name, name);
      problem.expected = "a parameter declared under 'parameters:'";
      problem.nearest = nearest(name, {parameters_.begin(), parameters_.end()});
      // While a file could not be read, what it declares is not known.
      if (parsed_all_) result_.problems.push_back(std::move(problem));
    }
    if (has_errors(result_.problems)) drop_broken();
    return std::move(result_);
  }

  bool& parsed_all() { return parsed_all_; }

 private:
  void read(const Node& root, const Reporter& report, std::vector<Problem>& problems) {
    Parameters parameters(report, options_.surroundings);
    auto draft = FlowReader(report, problems, parameters, *options_.registry).read(root);
    if (const auto* declared = root.find("parameters")) {
      for (const auto& member : declared->members) parameters_.insert(member.key.text);
    }
    check_graph(draft, report);
    const auto reads = follow_records(draft, report);
    check_scale_out(draft, report);
    auto& secrets = draft.flow.secrets;
    secrets.assign(parameters.secrets().begin(), parameters.secrets().end());
    // One that begins with another would be left without its begin only.
    std::stable_sort(secrets.begin(), secrets.end(), [](auto& a, auto& b) { return a.size() > b.size(); });
    try_constructing(draft, report, secrets);
    // A mistyped use would make it look unused.
    if (!has_errors(problems)) parameters.warn_of_unused();
    check_name(draft, report);
    for (auto& problem : problems) {
      problem.message = masked(std::move(problem.message), secrets);
      problem.expected = masked(std::move(problem.expected), secrets);
    }
    for (const auto& [index, fields] : reads) {
      const auto& processor = draft.flow.processors[index];
      result_.reads.push_back({draft.flow.name, processor.name, processor.mark, fields});
    }
    if (has_errors(problems)) return;
    if (options_.tests_beside) read_tests_beside(draft.flow);
    result_.flows.push_back(std::move(draft.flow));
  }

  /// A file of tests has only `tests:`, and speaks of the flow whose name it has.
  void read_tests_beside(Flow& flow) {
    auto path = std::filesystem::path(flow.file).replace_extension(".tests.yaml");
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) return;
    try {
      const auto source = Source::read(path);
      const Reporter report(source, beside_);
      const auto root = parse_yaml(source, beside_);
      if (!root) return;
      const auto* tests = root->find("tests");
      if (tests == nullptr || root->members.size() != 1)
        return report.error(*root, "a file of tests has 'tests:' and nothing else", "tests: [{name: …, …}]");
      auto read = TestReader(report, flow).read(*tests);
      flow.tests.insert(flow.tests.end(), std::make_move_iterator(read.begin()), std::make_move_iterator(read.end()));
    } catch (const std::runtime_error& error) {
      refuse(path, error.what());
    }
  }

  /// Ids begin with the flow's name: two flows with one name would share queues and state.
  void check_name(const Draft& draft, const Reporter& report) {
    if (draft.name == nullptr || draft.flow.name.empty()) return;
    const auto mark = report.mark(*draft.name);
    const auto [known, fresh] = names_.emplace(draft.flow.name, mark);
    if (fresh) return;
    report.error(*draft.name,
                 fmt::format("the flow '{}' is also in {}:{}", draft.flow.name, known->second.file, known->second.line),
                 "a name of its own for each flow");
  }

  void finish(std::vector<Problem>& problems) {
    sort(problems);
    result_.problems.insert(result_.problems.end(), std::make_move_iterator(problems.begin()),
                            std::make_move_iterator(problems.end()));
  }

  /// A flow whose file turned out to have an error after all is none to run.
  void drop_broken() {
    std::set<std::string> broken;
    for (const auto& problem : result_.problems) {
      if (problem.severity == Severity::error) broken.insert(problem.mark.file);
    }
    std::erase_if(result_.flows, [&](const auto& flow) { return broken.contains(flow.file); });
  }

  const LoadOptions& options_;
  LoadResult result_;
  std::vector<Problem> beside_;  ///< of the file of tests
  std::map<std::string, Mark> names_;
  std::set<std::string> parameters_;
  bool parsed_all_ = true;
};

}  // namespace

Surroundings process_surroundings() {
  Surroundings surroundings;
  surroundings.environment = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
  surroundings.secrets_folder = surroundings.environment("WEIR_SECRETS").value_or("/run/secrets");
  return surroundings;
}

LoadResult load(const std::vector<std::filesystem::path>& files, const LoadOptions& options) {
  Loader loader(options);
  std::set<std::filesystem::path> seen;
  for (const auto& file : files) {
    std::error_code ignored;
    const auto real = std::filesystem::weakly_canonical(file, ignored);
    if (!seen.insert(real).second) {
      loader.refuse(file, "this file is given twice");
      continue;
    }
    try {
      loader.add(Source::read(file));
    } catch (const std::runtime_error& error) {
      loader.refuse(file, error.what());
      loader.parsed_all() = false;
    }
  }
  return loader.take();
}

LoadResult load_text(const std::string& name, const std::string& yaml, const LoadOptions& options) {
  Loader loader(options);
  loader.add(Source(name, yaml));
  return loader.take();
}

}  // namespace weir::flow
