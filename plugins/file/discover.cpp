#include "discover.h"

#include <dirent.h>
#include <fnmatch.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

namespace weir::file {

namespace {

constexpr int kDeepest = 256;  ///< directories below one another

std::vector<std::string> segments_of(const std::string& path) {
  std::vector<std::string> segments;
  for (std::size_t begin = 0; begin < path.size();) {
    const auto slash = std::min(path.find('/', begin), path.size());
    if (slash > begin) segments.push_back(path.substr(begin, slash - begin));
    begin = slash + 1;
  }
  return segments;
}

std::string join(const std::string& directory, const std::string& name) {
  if (directory.empty()) return name;
  return directory.back() == '/' ? directory + name : directory + '/' + name;
}

class Walk {
 public:
  Walk(const Search& search, std::vector<std::string>& problems) : search_(search), problems_(problems) {}

  /// What segments[at…] match below `directory` ("" is the current one).
  void match(const std::string& directory, const std::vector<std::string>& segments, std::size_t at, int depth) {
    if (depth > kDeepest) return;
    const auto& segment = segments[at];
    const bool last = at + 1 == segments.size();
    if (segment == "**") {
      if (!last) match(directory, segments, at + 1, depth);
      for (const auto& name : names(directory)) {
        const auto path = join(directory, name);
        struct stat s{};
        if (hidden(name) || !look(path, s)) continue;
        if (is_own_directory(path, s)) match(path, segments, at, depth + 1);
        if (last) take(path, s);
      }
      return;
    }
    if (!is_glob(segment)) return enter(join(directory, segment), segments, at, depth);
    for (const auto& name : names(directory)) {
      if (hidden(name) && segment.front() != '.') continue;
      if (::fnmatch(segment.c_str(), name.c_str(), 0) == 0) enter(join(directory, name), segments, at, depth);
    }
  }

  void all_below(const std::string& directory, int depth) {
    for (const auto& name : names(directory)) {
      const auto path = join(directory, name);
      struct stat s{};
      if (hidden(name) || !look(path, s)) continue;
      if (search_.recursive && depth < kDeepest && is_own_directory(path, s)) all_below(path, depth + 1);
      take(path, s);
    }
  }

  void take(const std::string& path, const struct stat& s) {
    if (S_ISREG(s.st_mode)) found.push_back({path, s});
  }

  std::vector<Found> found;

 private:
  void enter(const std::string& path, const std::vector<std::string>& segments, std::size_t at, int depth) {
    struct stat s{};
    if (!look(path, s)) return;
    if (at + 1 == segments.size()) return take(path, s);
    if (S_ISDIR(s.st_mode)) match(path, segments, at + 1, depth + 1);
  }
  bool hidden(const std::string& name) const { return search_.ignore_hidden && name.front() == '.'; }

  /// Links to directories are not followed on the way down: what they lead to would be found twice, or for ever.
  static bool is_own_directory(const std::string& path, const struct stat& s) {
    struct stat own{};
    return S_ISDIR(s.st_mode) && ::lstat(path.c_str(), &own) == 0 && S_ISDIR(own.st_mode);
  }

  bool look(const std::string& path, struct stat& s) {
    if (::stat(path.c_str(), &s) == 0) return true;
    if (errno != ENOENT && errno != ENOTDIR) problem("look at", path);
    return false;
  }

  std::vector<std::string> names(const std::string& directory) {
    std::vector<std::string> result;
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(directory.empty() ? "." : directory.c_str()), ::closedir);
    if (!dir) {
      if (errno != ENOENT && errno != ENOTDIR) problem("list", directory);
      return result;
    }
    while (const auto* entry = ::readdir(dir.get())) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") result.push_back(name);
    }
    return result;
  }

  void problem(const std::string& what, const std::string& path) {
    problems_.push_back("cannot " + what + " " + path + ": " + std::generic_category().message(errno));
  }

  const Search& search_;
  std::vector<std::string>& problems_;
};

}  // namespace

bool is_glob(const std::string& path) {
  return path.find_first_of("*?[") != std::string::npos;
}

std::vector<Found> find_files(const Search& search, std::vector<std::string>& problems) {
  Walk walk(search, problems);
  struct stat s{};
  if (::stat(search.path.c_str(), &s) == 0) {  // also a file whose name looks like a glob
    if (S_ISDIR(s.st_mode)) {
      walk.all_below(search.path, 0);
    } else {
      walk.take(search.path, s);
    }
  } else if (is_glob(search.path)) {
    const auto segments = segments_of(search.path);
    if (!segments.empty()) walk.match(search.path.front() == '/' ? "/" : "", segments, 0, 0);
  } else if (errno != ENOENT && errno != ENOTDIR) {
    problems.push_back("cannot look at " + search.path + ": " + std::generic_category().message(errno));
  }
  auto& found = walk.found;
  const auto by_path = [](const Found& a, const Found& b) { return a.path < b.path; };
  std::sort(found.begin(), found.end(), by_path);
  found.erase(std::unique(found.begin(), found.end(), [](auto& a, auto& b) { return a.path == b.path; }), found.end());
  if (search.by_modified) {
    std::stable_sort(found.begin(), found.end(),
                     [](const Found& a, const Found& b) { return modified(a.status) < modified(b.status); });
  }
  return std::move(found);
}

}  // namespace weir::file
