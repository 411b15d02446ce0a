#include "clear_away.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "plugins/common/posix_file.h"
#include "weir/errors.h"

namespace weir::file {

void delete_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail("delete", path, errno);
  sync_directory(directory_of(path));
}

std::string move_file(const std::string& path, const std::string& directory) {
  make_directories(directory);
  const auto name = name_of(path);
  const auto dot = name.find('.', 1);
  auto target = directory + '/' + name;
  for (int number = 2; ::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) != 0; ++number) {
    if (errno == EXDEV)
      throw Misconfigured("move_to, " + directory + ", is on another file system than " + path +
                          ": choose one on the same");
    if (errno != EEXIST) fail("move to " + target, path, errno);
    target = directory + '/' + name.substr(0, dot) + '-' + std::to_string(number) +
             (dot == std::string::npos ? "" : name.substr(dot));
  }
  sync_directory(directory);
  sync_directory(directory_of(path));
  return target;
}

}  // namespace weir::file
