// Whether the directories that files are read from and written to are there, and let this user in. Nothing is made.

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "discover.h"
#include "file_sink.h"
#include "file_source.h"
#include "plugins/common/path_template.h"
#include "weir/check.h"

namespace weir::file {
namespace {

namespace fs = std::filesystem;

void allow(const std::string& path, int mode, const char* what) {
  if (::access(path.c_str(), mode) != 0)
    throw Misconfigured(path + " cannot be " + what + ": " + std::strerror(errno) + " (as user " +
                        std::to_string(::geteuid()) + ")");
}

/// The directory that a name stands in.
std::string directory_above(const std::string& path) {
  const auto parent = fs::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

std::string read(const FileSourceSettings& settings) {
  std::error_code error;
  const auto glob = is_glob(settings.path);
  const auto root = glob ? directory_above(settings.path.substr(0, settings.path.find_first_of("*?["))) : settings.path;
  if (!fs::exists(root, error)) {
    const auto message = root + " does not exist (in the directory " + fs::current_path().string() + ")";
    if (!glob && !settings.tail && settings.after == "keep") throw Misconfigured(message);
    throw Unavailable(message + ": it would be waited for");
  }
  const bool folder = fs::is_directory(root, error);
  allow(root, folder ? R_OK | X_OK : R_OK, "read");
  if (settings.after != "keep") allow(folder ? root : directory_above(root), W_OK | X_OK, "written to (`after`)");
  if (settings.after == "move" && settings.move_to && fs::exists(*settings.move_to, error))
    allow(*settings.move_to, W_OK | X_OK, "written to (`move_to`)");
  return settings.path;
}

std::string write(const FileSinkSettings& settings) {
  const auto fixed = settings.path.substr(0, inspect(settings.path).fixed);
  const auto wanted = directory_above(fixed.empty() ? settings.path : fixed);
  // It makes directories that are missing.
  auto there = fs::absolute(wanted).lexically_normal();
  std::error_code error;
  while (!fs::exists(there, error) && there.has_relative_path()) there = there.parent_path();
  if (!fs::is_directory(there, error)) throw Misconfigured(there.string() + " is no directory");
  allow(there.string(), W_OK | X_OK, "written to");
  if (fs::path file = settings.path; fixed == settings.path && fs::exists(file, error)) {
    if (fs::is_directory(file, error)) throw Misconfigured(settings.path + " is a directory: name a file in it");
    allow(settings.path, W_OK, "written to");
  }
  return settings.path + (fs::exists(wanted, error) ? "" : " (" + wanted + " will be made)");
}

}  // namespace
}  // namespace weir::file

WEIR_CHECKS(weir::check(weir::file::file_source_spec(), weir::file::read),
            weir::check(weir::file::file_sink_spec(), weir::file::write))
