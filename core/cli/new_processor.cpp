#include "cli/new_processor.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "cli/new_processor_files.h"
#include "cli/validate.h"

namespace weir::cli {

namespace {

namespace fs = std::filesystem;

constexpr int kFailed = 1;
constexpr int kWrong = 2;
constexpr std::size_t kLongest = 64;

bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_camel_case(const std::string& name) {
  return name.size() <= kLongest && !name.empty() && is_upper(name[0]) &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_upper(c) || is_lower_or_digit(c); }) &&
         std::any_of(name.begin(), name.end(), is_lower_or_digit);
}

/// HttpLookup is http_lookup, and so is HTTPLookup.
std::string snake_case(const std::string& name) {
  std::string snake;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool begins_word =
        is_upper(name[i]) && i > 0 &&
        (is_lower_or_digit(name[i - 1]) || (i + 1 < name.size() && is_lower_or_digit(name[i + 1])));
    if (begins_word) snake += '_';
    snake += is_upper(name[i]) ? static_cast<char>(name[i] - 'A' + 'a') : name[i];
  }
  return snake;
}

std::string filled_in(std::string_view text, const std::string& name) {
  std::string filled(text);
  for (const auto& [placeholder, value] :
       {std::pair<std::string, std::string>{"@Name@", name}, {"@name@", snake_case(name)}}) {
    for (auto at = filled.find(placeholder); at != std::string::npos; at = filled.find(placeholder, at + value.size()))
      filled.replace(at, placeholder.size(), value);
  }
  return filled;
}

/// Never over a file that is there. Returns what went wrong.
std::string write_new(const fs::path& path, std::string_view text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return std::strerror(errno);
  std::string problem;
  while (!text.empty() && problem.empty()) {
    const auto written = ::write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      problem = std::strerror(errno);
    }
  }
  if (::close(fd) != 0 && problem.empty()) problem = std::strerror(errno);
  return problem;
}

/// The folder with WeirConfig.cmake that belongs to this program: its build's, or that of its installation. Empty where
/// CMake looks by itself, and if there is none.
std::string package_folder() {
  std::error_code error;
  const auto program = fs::read_symlink("/proc/self/exe", error).parent_path();
  if (error) return {};
  if (fs::exists(program / "WeirConfig.cmake", error)) return program.string();
  const auto prefix = program.parent_path();
  if (prefix == "/usr" || prefix == "/usr/local") return {};
  const auto installed = prefix / "lib/cmake/Weir";
  return fs::exists(installed / "WeirConfig.cmake", error) ? installed.string() : std::string();
}

/// As it has to be typed in a shell.
std::string quoted(const std::string& text) {
  const auto plain = [](char c) {
    return is_upper(c) || is_lower_or_digit(c) || std::strchr("_-./+:@%", c) != nullptr;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), plain)) return text;
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

int refuse(const std::string& why) {
  fmt::print(stderr, "weir new processor: error: {}\n", why);
  return kWrong;
}

}  // namespace

int run_new_processor(const NewProcessorOptions& options) {
  const auto& name = options.name;
  if (!is_camel_case(name))
    return refuse(
        fmt::format("'{}' is no name for a processor type: it begins with a capital letter and has letters "
                    "and digits only, at most {}, such as UnitConverter",
                    name, kLongest));
  plugin::Registry registry;
  load_plugins(options.plugins, registry);
  if (registry.find(name) != nullptr)
    return refuse(
        fmt::format("there is a processor type {} already (`weir processors {}`): choose another name", name, name));

  const fs::path folder = options.folder.empty() ? snake_case(name) : options.folder;
  std::error_code error;
  std::string taken;
  for (const auto& file : new_processor_files()) {
    const auto path = folder / filled_in(file.file, name);
    if (fs::symlink_status(path, error).type() != fs::file_type::not_found)
      taken += (taken.empty() ? "" : ", ") + path.string();
  }
  if (!taken.empty())
    return refuse(taken + (taken.find(',') == std::string::npos ? " is" : " are") +
                  " there already, and nothing was written: name another folder with --dir");
  fs::create_directories(folder, error);
  if (error) {
    fmt::print(stderr, "weir new processor: error: the folder {} cannot be made: {}\n", folder.string(),
               error.message());
    return kFailed;
  }
  for (const auto& file : new_processor_files()) {
    const auto path = folder / filled_in(file.file, name);
    if (const auto problem = write_new(path, filled_in(file.text, name)); !problem.empty()) {
      fmt::print(stderr, "weir new processor: error: {} cannot be written: {}\n", path.string(), problem);
      return kFailed;
    }
    fmt::print("{}\n", path.string());
  }
  const auto package = package_folder();
  fmt::print(
      "\nTo build it, test it and try it:\n\n  cd {}\n  cmake -B build{}\n  cmake --build build\n"
      "  ctest --test-dir build --output-on-failure\n  weir run flow.yaml --plugins build/plugins --until-idle\n",
      quoted(folder.string()), package.empty() ? "" : " -DWeir_DIR=" + quoted(package));
  return 0;
}

}  // namespace weir::cli
