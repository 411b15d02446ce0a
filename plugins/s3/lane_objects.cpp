#include "lane_objects.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "plugins/common/output_name.h"
#include "plugins/common/posix_file.h"

namespace weir::s3 {

using file::OutputFile;
using file::OutputState;

namespace {

constexpr std::size_t kMostObjects = 10'000;  ///< what lists them in the bucket is read and written as a whole

}  // namespace

LaneObjects::LaneObjects(SpoolOptions options, const std::string& folder, std::uint64_t max_bytes)
    : options_(std::move(options)), folder_(folder + "/objects"), max_bytes_(max_bytes) {
  file::make_directories(folder_);
}

void LaneObjects::begin_at(std::uint64_t number, const std::string& label) {
  next_number_ = number;
  options_.label = label;
}

LaneObjects::Open LaneObjects::begin(const std::string& path, std::int64_t now) {
  if (empty()) began_ = now;
  const auto number = next_number_++;
  OutputState state;
  state.path = folder_ + '/' + std::to_string(number);
  state.final_path = key_of(options_, path, number);
  const LaneObject object{number, state.final_path, state.path};
  return open(path, object, std::move(state), O_RDWR | O_CREAT | O_TRUNC);
}

LaneObjects::Open LaneObjects::open(const std::string& path, LaneObject object, OutputState state, int flags) const {
  auto fd = file::open_file(state.path, flags, 0600);
  return {path, std::move(object), OutputFile(options_.output, std::move(state), std::move(fd), [](void*) {}, nullptr)};
}

void LaneObjects::put_aside(List::iterator open) {
  open->output.put_aside();
  const auto& state = open->output.state();
  aside_bytes_ += state.length;
  aside_.emplace(open->path, Aside{open->object, state});
  by_path_.erase(open->path);
  open_.erase(open);
}

OutputFile& LaneObjects::at(const std::string& path, std::int64_t now) {
  last_used_ = now;
  if (!open_.empty() && open_.back().path == path) return open_.back().output;
  if (const auto known = by_path_.find(path); known != by_path_.end()) {
    open_.splice(open_.end(), open_, known->second);
    return open_.back().output;
  }
  if (open_.size() >= options_.max_open) put_aside(open_.begin());
  if (auto known = aside_.extract(path); known) {
    auto& aside = known.mapped();
    aside_bytes_ -= aside.state.length;
    open_.push_back(open(path, std::move(aside.object), std::move(aside.state), O_RDWR));
  } else {
    open_.push_back(begin(path, now));
  }
  by_path_[path] = std::prev(open_.end());
  return open_.back().output;
}

OutputFile& LaneObjects::separate(const std::string& path, std::int64_t now) {
  last_used_ = now;
  separate_.emplace(begin(path, now));
  return separate_->output;
}

void LaneObjects::end_separate() {
  complete(*separate_);
  separate_.reset();
}

void LaneObjects::complete(Open& open) {
  open.output.end();
  open.output.write_out();
  complete_bytes_ += open.output.size();
  if (options_.exact_keys) {
    const auto [at, is_new] = by_key_.try_emplace(open.object.key, complete_.size());
    if (!is_new) {  // this one replaces it
      ::unlink(complete_[at->second].file.c_str());
      complete_[at->second] = open.object;
      return;
    }
  }
  complete_.push_back(open.object);
}

void LaneObjects::close(List::iterator open) {
  complete(*open);
  by_path_.erase(open->path);
  open_.erase(open);
}

void LaneObjects::roll_if_full() {
  const auto last = std::prev(open_.end());
  if (is_full(options_, last->output)) close(last);
}

bool LaneObjects::due(std::int64_t now) const {
  if (empty()) return false;
  auto bytes = complete_bytes_ + aside_bytes_;
  for (const auto& open : open_) bytes += open.output.size();
  return !complete_.empty() || bytes >= max_bytes_ || open_.size() + aside_.size() >= kMostObjects ||
         now >= next_due().value_or(now + 1);
}

std::optional<std::int64_t> LaneObjects::next_due() const {
  std::optional<std::int64_t> due;
  if (empty()) return due;
  if (options_.roll_age.count() != 0) due = began_ + options_.roll_age.count();
  if (options_.close_idle.count() != 0) {
    const auto idle = last_used_ + options_.close_idle.count();
    due = std::min(due.value_or(idle), idle);
  }
  return due;
}

std::vector<LaneObject> LaneObjects::take() {
  while (!open_.empty()) close(open_.begin());
  for (auto& [path, aside] : std::exchange(aside_, {})) {
    auto again = open(path, std::move(aside.object), std::move(aside.state), O_RDWR);
    complete(again);
  }
  aside_bytes_ = 0;
  by_key_.clear();
  complete_bytes_ = 0;
  return std::exchange(complete_, {});
}

}  // namespace weir::s3
