#include "api/audit.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

#include "api/json.h"
#include "engine/log.h"

namespace weir::api {

namespace json = boost::json;

namespace {

constexpr std::int64_t kMinute = 60'000'000'000;
constexpr std::size_t kLongestWhy = 300;

std::int64_t now_nanoseconds() {
  return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Whole lines of a file, oldest first; nothing of one that a crash cut.
std::vector<json::object> lines_of(const std::filesystem::path& path) {
  std::vector<json::object> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    boost::system::error_code error;
    auto value = json::parse(line, error);
    if (!error && value.is_object() && value.as_object().contains("id") && value.at("id").is_int64())
      lines.push_back(std::move(value.as_object()));
  }
  return lines;
}

}  // namespace

namespace {

const char* outcome_of(const Audit::Entry& entry) {
  if (entry.status >= 500) return "failed";
  if (entry.status >= 300) return "refused";
  return entry.asked_only ? "asked" : "done";
}

}  // namespace

json::object harmless(const json::object& body) {
  json::object out;
  for (const auto& [name, value] : body) {
    if (value.is_number() || value.is_bool()) out[name] = value;
  }
  return out;
}

Audit::Audit(const std::filesystem::path& data) : data_(data) {
  for (int age = 0; age <= kOlder && id_ == 0; ++age) {
    const auto lines = lines_of(path(age));
    if (!lines.empty()) id_ = static_cast<std::uint64_t>(lines.back().at("id").as_int64());
  }
}

Audit::~Audit() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  written_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (file_ >= 0) ::close(file_);
}

std::filesystem::path Audit::path(int age) const {
  return data_ / (age == 0 ? std::string("audit.ndjson") : fmt::format("audit.{}.ndjson", age));
}

void Audit::open() {
  file_ = ::open(path(0).c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
  struct stat found{};
  if (file_ < 0 || ::fstat(file_, &found) != 0) return;
  size_ = static_cast<std::uint64_t>(found.st_size);
  char last = '\n';
  if (size_ > 0 && ::pread(file_, &last, 1, found.st_size - 1) == 1 && last != '\n')  // a line that a crash cut
    size_ += ::write(file_, "\n", 1) == 1 ? 1 : 0;
}

void Audit::rotate() {
  ::fdatasync(file_);
  ::close(std::exchange(file_, -1));
  std::error_code ignored;
  for (int age = kOlder; age > 0; --age) std::filesystem::rename(path(age - 1), path(age), ignored);
  open();
}

void Audit::note(const Entry& entry) {
  const auto now = now_nanoseconds();
  const std::lock_guard lock(mutex_);
  if (entry.role.empty() && (entry.status == 401 || entry.status == 403 || entry.status == 421)) {
    if (now / kMinute != std::exchange(minute_, now / kMinute)) strangers_ = 0;
    if (++strangers_ > kMostOfStrangers) {
      ++passed_over_;
      return;
    }
  }
  json::object line{{"id", ++id_},          {"time", time_json(now)},       {"who", utf8(entry.who)},
                    {"role", entry.role},   {"from", entry.from},           {"action", entry.action},
                    {"on", utf8(entry.on)}, {"outcome", outcome_of(entry)}, {"status", entry.status}};
  if (!entry.with.empty()) line["with"] = entry.with;
  if (!entry.why.empty()) line["why"] = utf8(std::string_view(entry.why).substr(0, kLongestWhy));
  if (passed_over_ > 0) line["passed_over"] = std::exchange(passed_over_, 0);
  const auto text = json::serialize(line) + "\n";
  if (file_ < 0) open();
  if (file_ >= 0 && size_ > 0 && size_ + text.size() > kLargest) rotate();
  const bool written = file_ >= 0 && ::write(file_, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (written) {
    size_ += text.size();
    unsynced_ = true;
    if (!thread_.joinable()) thread_ = std::thread([this] { sync_loop(); });
    written_.notify_one();
  }
  if (!std::exchange(broken_, !written) && broken_) {
    engine::log_line(
        abi::Level::error, nullptr,
        fmt::format("cannot write {}: {}: who did what is not kept", path(0).string(), std::strerror(errno)));
  }
}

void Audit::note_refused(const Request& request, int status, const std::string& why) {
  Entry entry;
  entry.from = request.remote;
  entry.action = request.method;
  entry.on = request.path.substr(0, kLongestPath);
  entry.status = status;
  entry.why = why;
  note(entry);
}

/// Nobody waits for the disk: a line is safe against a kill at once, and against a power cut when this has run.
void Audit::sync_loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    written_.wait(lock, [this] { return over_ || unsynced_; });
    if (!std::exchange(unsynced_, false)) return;
    const int file = file_ < 0 ? -1 : ::fcntl(file_, F_DUPFD_CLOEXEC, 0);
    lock.unlock();
    if (file >= 0) {
      ::fdatasync(file);
      ::close(file);
    }
    lock.lock();
  }
}

json::object Audit::read(std::uint64_t limit, std::uint64_t before, const std::optional<std::string>& who) const {
  std::vector<std::vector<json::object>> files;
  {
    const std::lock_guard lock(mutex_);  // so that no file moves
    std::uint64_t found = 0;
    for (int age = 0; age <= kOlder && found <= limit; ++age) {
      auto lines = lines_of(path(age));
      std::erase_if(lines, [&](const json::object& line) {
        return static_cast<std::uint64_t>(line.at("id").as_int64()) >= before ||
               (who && (!line.contains("who") || line.at("who") != json::value(*who)));
      });
      found += lines.size();
      files.push_back(std::move(lines));
    }
  }
  json::array entries;
  bool more = false;
  for (auto& lines : files) {
    std::reverse(lines.begin(), lines.end());
    for (auto& line : lines) {
      more = entries.size() == limit;
      if (more) break;
      entries.push_back(std::move(line));
    }
    if (more) break;
  }
  return {{"entries", std::move(entries)}, {"more", more}};
}

}  // namespace weir::api
