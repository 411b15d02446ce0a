#include "watermark.h"

#include <algorithm>
#include <limits>

#include "bytes.h"

namespace weir::window {

namespace {

constexpr auto kNobody = std::numeric_limits<std::int64_t>::max();

/// How often silence is looked at: a step in so many parts of the idle timeout.
constexpr std::int64_t kLooks = 4;

std::int64_t read(Session& session, const std::string& key) {
  auto value = session.state(key);
  return value ? take_signed(*value) : kLongAgo;
}

void write(Session& session, const std::string& key, std::int64_t time) {
  std::string value;
  put_signed(value, time);
  session.set_state(key, value);
}

}  // namespace

void WatermarkTracker::start(const std::vector<std::string>& inputs) {
  inputs_.clear();
  for (const auto& input : inputs) inputs_[input];
  last_step_ = 0;
}

void WatermarkTracker::restore(Session& session, std::int64_t latest) {
  for (const auto& [name, known] : inputs_) write(session, prefix_ + "i" + name, latest);
  write(session, prefix_ + "w", earlier(latest, out_of_orderness_));
}

void WatermarkTracker::begin(Session& session, std::string_view input) {
  const auto now = session.now();
  if (last_step_ != 0 && idle_timeout_ > 0) {
    const auto passed = std::clamp<std::int64_t>(now - last_step_, 0, idle_timeout_ / kLooks + 1);
    for (auto& [name, known] : inputs_) known.silent = std::min(known.silent + passed, idle_timeout_);
  }
  last_step_ = now;

  input_ = input;
  if (!input_.empty()) inputs_[input_].silent = 0;
  others_ = kNobody;
  auto highest = kLongAgo;
  for (auto& [name, known] : inputs_) {
    known.latest = read(session, prefix_ + "i" + name);
    const auto watermark = earlier(known.latest, out_of_orderness_);
    highest = std::max(highest, watermark);
    const bool idle = idle_timeout_ > 0 && known.silent >= idle_timeout_;
    if (name != input_ && !idle) others_ = std::min(others_, watermark);
  }
  latest_ = stored_latest_ = input_.empty() ? kLongAgo : inputs_[input_].latest;
  watermark_ = stored_watermark_ = read(session, prefix_ + "w");
  if (!input_.empty()) {
    raise();
  } else if (!inputs_.empty()) {
    watermark_ = std::max(watermark_, others_ == kNobody ? highest : others_);
  }
}

void WatermarkTracker::raise() {
  watermark_ = std::max(watermark_, std::min(others_, earlier(latest_, out_of_orderness_)));
}

void WatermarkTracker::end(Session& session) {
  if (latest_ != stored_latest_) write(session, prefix_ + "i" + input_, latest_);
  if (watermark_ != stored_watermark_) write(session, prefix_ + "w", watermark_);
  if (idle_timeout_ == 0 || inputs_.size() < 2) return;
  const bool waiting = std::any_of(inputs_.begin(), inputs_.end(),
                                   [&](const auto& input) { return input.second.silent < idle_timeout_; });
  if (waiting) session.tick_at(session.now() + std::max<std::int64_t>(1, idle_timeout_ / kLooks));
}

}  // namespace weir::window
