#include "cli/apply.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <vector>

#include "flow/source.h"
#include "flow/yaml.h"

namespace weir::cli {

namespace {

namespace json = boost::json;

constexpr int kDone = 0;
constexpr int kNotApplied = 1;
constexpr int kWrong = 2;
constexpr unsigned kOk = 200, kUnprocessable = 422;
constexpr std::size_t kIndent = 14;

/// Control characters of a terminal are nothing for a terminal; lines stay lines.
std::string shown(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool is_control = (static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7f;
    result += is_control ? ' ' : c;
  }
  return result;
}

std::string text(const json::value& object, const char* member) {
  const auto* value = object.as_object().if_contains(member);
  return value != nullptr && value->is_string() ? shown(value->as_string()) : std::string();
}

/// Several lines stand below each other.
std::string indented(std::string text) {
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += kIndent)
    text.replace(at, 1, "\n" + std::string(kIndent - 1, ' '));
  return text;
}

/// Green, red and yellow where standard output is a terminal that shows them.
class Paint {
 public:
  std::string line(const std::string& kind, const std::string& text) const {
    const auto* mark = kind == "added" ? "+" : kind == "removed" ? "-" : "~";
    const auto* colour = kind == "added" ? "\033[32m" : kind == "removed" ? "\033[31m" : "\033[33m";
    return wanted_ ? fmt::format("{}{} {}\033[0m", colour, mark, text) : fmt::format("{} {}", mark, text);
  }

 private:
  bool wanted_ = isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
};

void print_values(const json::value& values) {
  for (const auto& value : values.as_array()) {
    const auto before = text(value, "before"), after = text(value, "after");
    fmt::print("      {}: {} -> {}\n", text(value, "what"), before.empty() ? "(none)" : indented(before),
               after.empty() ? "(none)" : indented(after));
  }
}

void print_difference(const json::value& difference) {
  const Paint paint;
  fmt::print("flow {}: {}\n", text(difference, "flow"), text(difference, "summary"));
  print_values(difference.at("values"));
  for (const auto& processor : difference.at("processors").as_array()) {
    const auto kind = text(processor, "kind"), reach = text(processor, "reach");
    const auto* what = kind != "changed"    ? ""
                       : reach == "restart" ? "  (is started anew)"
                       : reach == "outputs" ? "  (works on; what it puts out goes elsewhere)"
                                            : "  (works on)";
    fmt::print("  {}{}\n", paint.line(kind, "processor " + text(processor, "name")), what);
    print_values(processor.at("values"));
  }
  for (const auto& connection : difference.at("connections").as_array()) {
    const auto kind = text(connection, "kind");
    fmt::print("  {}{}\n", paint.line(kind, "connection " + text(connection, "id")),
               kind == "removed" ? "  (what is queued there stays on disk)" : "");
    print_values(connection.at("values"));
  }
}

void print_problems(const json::value& answer, const std::string& theirs, const std::string& ours) {
  const auto* problems = answer.as_object().if_contains("problems");
  if (problems == nullptr || !problems->is_array()) return;
  for (const auto& problem : problems->as_array()) {
    auto said = text(problem, "text");
    if (said.starts_with(theirs + ":")) said = ours + said.substr(theirs.size());  // where the one who asks has it
    fmt::print(stderr, "{}", said);
  }
}

/// The name in `flow:`; what else is wrong, Weir tells.
std::string flow_name(const flow::Source& source) {
  std::vector<flow::Problem> problems;
  const auto root = flow::parse_yaml(source, problems);
  const auto* name = root ? root->find("flow") : nullptr;
  if (name != nullptr && name->is_scalar() && !name->text.empty()) return name->text;
  for (const auto& problem : problems) fmt::print(stderr, "{}", flow::to_text(problem));
  throw std::invalid_argument(fmt::format("{} is no flow file: it says no 'flow: NAME'", source.name()));
}

bool says_yes() {
  if (isatty(STDIN_FILENO) == 0)
    throw std::invalid_argument("nobody is there to ask: --yes applies it, --dry-run only shows what would change");
  fmt::print(stderr, "Apply? Type yes: ");
  std::string answer;
  return std::getline(std::cin, answer) && answer == "yes";
}

}  // namespace

int apply(const ApplyCommand& command) {
  const auto source = [&] {
    try {
      return flow::Source::read(command.file);
    } catch (const std::exception& error) {
      throw std::invalid_argument(fmt::format("{} {}", command.file, error.what()));
    }
  }();
  const auto flow = flow_name(source);
  const auto path = "/flows/" + encoded(flow);
  Client client(command.remote);
  const auto running = client.get(path + "/source");
  json::object body{{"text", source.text()}, {"base", running.at("hash")}, {"dry_run", true}};
  unsigned status = 0;
  auto answer = client.post_patiently(path + "/apply", body, status);
  if (command.json && (command.dry_run || status != kOk)) fmt::print("{}\n", json::serialize(answer));
  if (!command.json) print_problems(answer, text(running, "file"), command.file);
  if (status == kUnprocessable) return kWrong;
  if (status != kOk) throw std::runtime_error(text(answer, "error"));
  const auto& difference = answer.at("difference");
  const bool is_same = difference.at("empty").as_bool();
  const bool same_text = text(running, "text") == shown(source.text());
  std::fflush(stderr);
  if (!command.json) {
    if (is_same) {
      fmt::print("flow {}: {}\n", flow,
                 same_text ? "this is what runs" : "nothing changes in what runs; its text does");
    } else {
      print_difference(difference);
    }
    std::fflush(stdout);
  }
  const auto why_not = text(answer, "why_not");
  if (command.dry_run) {
    if (!why_not.empty()) fmt::print(stderr, "weir: it could not be applied now: {}\n", why_not);
    return kDone;
  }
  if (is_same && same_text) return kDone;
  if (!why_not.empty()) throw std::runtime_error(why_not);
  if (!command.yes && !says_yes()) {
    fmt::print(stderr, "nothing was applied\n");
    return kNotApplied;
  }
  body["dry_run"] = false;
  answer = client.post_patiently(path + "/apply", body, status);
  if (command.json) fmt::print("{}\n", json::serialize(answer));
  if (status != kOk) throw std::runtime_error(text(answer, "error"));
  if (!command.json) fmt::print("{}; {} has it\n", text(answer, "outcome"), text(running, "file"));
  return kDone;
}

}  // namespace weir::cli
