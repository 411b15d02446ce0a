#include "cli/test.h"

#include <fmt/core.h>

#include <cstdio>
#include <fstream>

#include "engine/log.h"
#include "flowtest/runner.h"

namespace weir::cli {

namespace {

std::string escaped(std::string_view text) {
  std::string xml;
  for (const char c : text) {
    switch (c) {
      case '&':
        xml += "&amp;";
        break;
      case '<':
        xml += "&lt;";
        break;
      case '>':
        xml += "&gt;";
        break;
      case '"':
        xml += "&quot;";
        break;
      default:  // XML has no way to write the other control characters
        xml += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? ' ' : c;
    }
  }
  return xml;
}

std::string place(const flow::Mark& mark) {
  return fmt::format("{}:{}:{}", mark.file, mark.line, mark.column);
}

bool write_junit(const std::string& path, const std::vector<flowtest::Result>& results) {
  std::size_t failed = 0;
  double seconds = 0;
  for (const auto& result : results) failed += result.failures.empty() ? 0 : 1, seconds += result.seconds;
  std::string xml = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<testsuites>\n<testsuite name=\"weir\" tests=\"{}\" failures=\"{}\" time=\"{:.3f}\">\n",
      results.size(), failed, seconds);
  for (const auto& result : results) {
    xml += fmt::format("<testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\" time=\"{:.3f}\"",
                       escaped(result.flow), escaped(result.test->name), escaped(result.test->mark.file),
                       result.test->mark.line, result.seconds);
    if (result.failures.empty()) {
      xml += "/>\n";
      continue;
    }
    xml += ">\n";
    for (const auto& failure : result.failures) {
      const auto first = failure.message.substr(0, failure.message.find('\n'));
      xml += fmt::format("<failure message=\"{}\">{}: {}</failure>\n", escaped(first), escaped(place(failure.mark)),
                         escaped(failure.message));
    }
    xml += "</testcase>\n";
  }
  xml += "</testsuite>\n</testsuites>\n";
  std::ofstream file(path, std::ios::binary);
  file << xml;
  file.close();
  if (file) return true;
  fmt::print(stderr, "weir: cannot write {}\n", path);
  return false;
}

void print(const flowtest::Result& result) {
  fmt::print("  {}  {} ({:.0f} ms)\n", result.failures.empty() ? "ok    " : "FAILED", result.test->name,
             result.seconds * 1e3);
  for (const auto& failure : result.failures) fmt::print("{}: {}\n", place(failure.mark), failure.message);
  std::fflush(stdout);
}

}  // namespace

int run_tests(const TestOptions& options) {
  Loaded loaded;
  load_flows(options.flows, loaded);
  std::fflush(stderr);
  if (!loaded.ok) return 2;
  engine::configure_log(engine::LogFormat::none, abi::Level::error);  // a test that fails shows its bulletins
  std::vector<flowtest::Result> all;
  for (const auto& flow : loaded.result.flows) {
    std::vector<flowtest::Result> results;
    fmt::print("{}: {}\n", flow.file, flow.name);
    for (const auto& test : flow.tests) {
      if (test.name.find(options.only) == std::string::npos) continue;
      try {
        results.push_back(flowtest::run(flow, test, options.patience));
      } catch (const std::exception& error) {
        flowtest::Result broken;
        broken.flow = flow.name;
        broken.test = &test;
        broken.failures.push_back({test.mark, fmt::format("the test could not be run: {}", error.what())});
        results.push_back(std::move(broken));
      }
      print(results.back());
    }
    if (flow.tests.empty()) fmt::print("  it has no tests\n");
    if (options.only.empty() && !results.empty()) {
      std::string ways;
      for (const auto& way : flowtest::never_exercised(flow, results)) ways += (ways.empty() ? "" : ", ") + way;
      if (!ways.empty()) fmt::print("  note: no test has anything pass by {}\n", ways);
    }
    all.insert(all.end(), std::make_move_iterator(results.begin()), std::make_move_iterator(results.end()));
  }
  std::size_t failed = 0;
  for (const auto& result : all) failed += result.failures.empty() ? 0 : 1;
  fmt::print("{} passed, {} failed\n", all.size() - failed, failed);
  if (!options.junit.empty() && !write_junit(options.junit, all)) return 1;
  if (all.empty()) {
    fmt::print(stderr, "weir: there is no test{}\n",
               options.only.empty() ? "" : " with '" + options.only + "' in its name");
    return 2;
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace weir::cli
