#include "intents.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace weir::file {

namespace {

constexpr std::uint64_t kTrimSize = 64 * 1024;

std::string line_of(const Intent& intent) {
  return std::to_string(intent.number) + (intent.created ? " new " : " old ") + std::to_string(intent.length) + ' ' +
         intent.path + '\n';
}

bool parse(std::string_view line, Intent& intent) {
  const char* const end = line.data() + line.size();
  const auto number = std::from_chars(line.data(), end, intent.number);
  if (number.ec != std::errc{} || end - number.ptr < 5) return false;
  const std::string_view kind(number.ptr, 5);
  if (kind != " new " && kind != " old ") return false;
  intent.created = kind == " new ";
  const auto length = std::from_chars(number.ptr + 5, end, intent.length);
  if (length.ec != std::errc{} || length.ptr == end || *length.ptr != ' ') return false;
  intent.path.assign(length.ptr + 1, end);
  return true;
}

}  // namespace

IntentLog::IntentLog(const std::string& directory) : path_(directory + "/intents") {
  make_directories(directory);
  struct stat s{};
  const bool is_new = !status(path_, s);
  fd_ = open_file(path_, O_RDWR | O_CREAT, 0600);
  if (is_new) sync_directory(directory);
  std::string text(static_cast<std::size_t>(status(fd_, path_).st_size), '\0');
  text.resize(read_at(fd_, text.data(), text.size(), 0, path_));
  for (std::string_view rest = text; !rest.empty();) {
    const auto end = rest.find('\n');
    Intent intent{};
    if (end == std::string_view::npos || !parse(rest.substr(0, end), intent)) break;
    last_ = intent.number;
    entries_.push_back(std::move(intent));
    rest.remove_prefix(end + 1);
    size_ = text.size() - rest.size();
  }
  truncate_file(fd_, size_, path_);
}

void IntentLog::raise(std::uint64_t last) {
  last_ = std::max(last_, last);
}

void IntentLog::add(bool created, std::uint64_t length, const std::string& path) {
  const Intent intent{last_ + 1, created, length, path};
  const auto line = line_of(intent);
  write_at(fd_, line, size_, path_);
  size_ += line.size();
  ++last_;
  entries_.push_back(intent);
  synced_ = false;
}

void IntentLog::sync() {
  if (synced_) return;
  sync_data(fd_, path_);
  synced_ = true;
}

void IntentLog::covered(std::uint64_t number) {
  const auto open = std::find_if(entries_.begin(), entries_.end(), [&](const Intent& i) { return i.number > number; });
  entries_.erase(entries_.begin(), open);
  if (size_ < kTrimSize || !entries_.empty()) return;
  truncate_file(fd_, 0, path_);
  size_ = 0;
}

}  // namespace weir::file
