#include "output_name.h"

#include <dirent.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <memory>

#include "posix_file.h"

namespace weir::file {

namespace {

/// Where a number goes: before the extension, and before that of the compression.
std::size_t number_place(std::string_view name) {
  auto end = name.size();
  for (const std::string_view suffix : {".gz", ".zst"}) {
    if (name.size() > suffix.size() && name.substr(name.size() - suffix.size()) == suffix) end -= suffix.size();
  }
  const auto dot = name.substr(0, end).rfind('.');
  return dot == std::string_view::npos || dot == 0 ? end : dot;
}

}  // namespace

std::string before_extension(const std::string& path, std::string_view text) {
  const auto name = path.rfind('/') + 1;
  const auto place = name + number_place(std::string_view(path).substr(name));
  return std::string(path).insert(place, text);
}

std::string numbered(const std::string& path, std::uint64_t number) {
  auto digits = std::to_string(number);
  if (digits.size() < 6) digits.insert(0, 6 - digits.size(), '0');
  return before_extension(path, '-' + digits);
}

std::string part_of(const std::string& path) {
  const auto name = path.rfind('/') + 1;
  return path.substr(0, name) + '.' + path.substr(name) + ".part";
}

std::uint64_t next_number(const std::string& path) {
  const auto name = name_of(path);
  const auto place = number_place(name);
  const auto before = name.substr(0, place) + '-';
  const auto after = name.substr(place);
  std::uint64_t highest = 0;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(directory_of(path).c_str()), ::closedir);
  if (!dir) return 1;
  while (const auto* entry = ::readdir(dir.get())) {
    std::string_view found = entry->d_name;
    if (!found.empty() && found.front() == '.' && found.size() > 6 && found.substr(found.size() - 5) == ".part")
      found = found.substr(1, found.size() - 6);
    if (found.size() <= before.size() + after.size() || found.substr(0, before.size()) != before ||
        found.substr(found.size() - after.size()) != after)
      continue;
    const auto digits = found.substr(before.size(), found.size() - before.size() - after.size());
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error == std::errc{} && end == digits.data() + digits.size()) highest = std::max(highest, number);
  }
  return highest + 1;
}

std::string objection_to(std::string_view path, std::size_t fixed) {
  constexpr std::size_t kLongest = NAME_MAX - 20;  // leaves room for a number and for ".name.part"
  if (path.size() + 20 > PATH_MAX) return "the path is too long: " + std::to_string(path.size()) + " bytes";
  for (const char c : path.substr(std::min(fixed, path.size()))) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return "the path has a control character in it";
  }
  // The segment that the fixed part ends in is data too.
  auto begin = path.substr(0, std::min(fixed, path.size())).rfind('/') + 1;
  while (begin <= path.size()) {
    const auto end = std::min(path.find('/', begin), path.size());
    const auto segment = path.substr(begin, end - begin);
    if (segment.empty()) return "the path has an empty segment: " + std::string(path);
    if (segment == "." || segment == "..")
      return "the path has a segment '" + std::string(segment) + "': " + std::string(path);
    if (segment.size() > kLongest)
      return "a segment of the path is too long: " + std::to_string(segment.size()) + " bytes, at most " +
             std::to_string(kLongest);
    begin = end + 1;
  }
  return {};
}

}  // namespace weir::file
