#include "cli/command_line.h"

#include <fmt/format.h>

#include <iostream>
#include <vector>

#include "plugin/nearest.h"

namespace weir::cli {

namespace {

constexpr int kWrong = 2;

bool any_command(const CLI::App*) {
  return true;
}

bool is_option(const std::string& word) {
  return word.starts_with('-');
}

/// The innermost command that was understood.
const CLI::App& reached(const CLI::App& app) {
  const auto commands = app.get_subcommands();
  return commands.empty() ? app : reached(*commands.back());
}

/// `weir`, `weir run`, `weir provenance events`.
std::string full_name(const CLI::App& command) {
  return command.get_parent() == nullptr ? "weir" : full_name(*command.get_parent()) + " " + command.get_name();
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* command : app.get_subcommands(any_command)) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> options_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const auto* option : command.get_options()) {
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::string listed(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string did_you_mean(const std::string& name, const std::vector<std::string>& known) {
  const auto best = nearest(name, known);
  return best.empty() ? std::string() : "; did you mean " + best + "?";
}

/// Without the name that CLI11 gives a class of errors, which tells the person who typed nothing.
std::string complaint(const CLI::App& app, const CLI::App& command, const CLI::ParseError& error) {
  const auto unknown = app.remaining(true);
  const auto commands = commands_of(command);
  for (const auto& word : unknown) {
    if (is_option(word)) {
      const auto name = word.substr(0, word.find('='));
      return "there is no option " + name + did_you_mean(name, options_of(command));
    }
    if (commands.empty()) continue;
    const auto nearest = did_you_mean(word, commands);
    return "there is no command '" + word + "'" + (nearest.empty() ? ": there are " + listed(commands) : nearest);
  }
  if (!unknown.empty()) return "'" + unknown.front() + "' is one argument too many";
  if (!commands.empty()) return "a command is missing: one of " + listed(commands);
  return error.what();
}

}  // namespace

Duration parse_duration(const std::string& option, const std::string& text) {
  std::size_t end = 0;
  double value = 0;
  try {
    value = std::stod(text, &end);
  } catch (const std::exception&) {
    end = 0;
  }
  const auto unit = text.substr(end);
  const double seconds = unit == "ms"  ? 1e-3
                         : unit == "s" ? 1
                         : unit == "m" ? 60
                         : unit == "h" ? 3600
                         : unit == "d" ? 86400
                                       : 0;
  constexpr double kLongest = 9e9;  // seconds: what nanoseconds in 64 bits hold, about 285 years
  if (end == 0 || seconds == 0 || !(value >= 0 && value * seconds < kLongest))
    throw CLI::ValidationError(option, "'" + text + "' is no duration, such as 500ms, 30s, 5m, 1h or 2d");
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(value * seconds));
}

int answer(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);  // --help or --version
  const auto& command = reached(app);
  const auto name = full_name(command);
  std::cerr << name << ": error: " << complaint(app, command, error) << "\n"
            << std::string(name.size(), ' ') << "  = `" << name << " --help` says how it is used\n";
  return kWrong;
}

}  // namespace weir::cli
