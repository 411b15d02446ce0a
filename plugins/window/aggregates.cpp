#include "aggregates.h"

#include <algorithm>
#include <cmath>

#include "bytes.h"

namespace weir::window {

bool Summary::fits(double value) const {
  if ((kept_ & kKeptSum) != 0 && !total_.fits(value)) return false;
  if ((kept_ & kKeptMoments) == 0) return true;
  const auto distance = value - running_mean_;
  return std::isfinite(squares_ + distance * distance);
}

void Summary::add(double value, std::int64_t time, std::string_view json) {
  const bool none = count_ == 0;
  add(time, json);
  if ((kept_ & kKeptSum) != 0) (void)total_.add(value);  // fits() said that it does
  if ((kept_ & kKeptExtremes) != 0) {
    min_ = none ? value : std::min(min_, value);
    max_ = none ? value : std::max(max_, value);
  }
  if ((kept_ & kKeptMoments) != 0) {
    // B. P. Welford, "Note on a Method for Calculating Corrected Sums of Squares and Products", Technometrics 4, 1962.
    const auto distance = value - running_mean_;
    running_mean_ += distance / static_cast<double>(count_);
    squares_ += distance * (value - running_mean_);
  }
  if ((kept_ & kKeptSketch) != 0) sketch_.add(value);
}

void Summary::add(std::int64_t time, std::string_view json) {
  const bool none = count_++ == 0;
  if ((kept_ & kKeptFirst) != 0 && (none || time < first_time_)) {
    first_time_ = time;
    first_ = json;
  }
  if ((kept_ & kKeptLast) != 0 && (none || time >= last_time_)) {
    last_time_ = time;
    last_ = json;
  }
}

void Summary::encode(std::string& to) const {
  put_small(to, kept_);
  put_small(to, count_);
  if ((kept_ & kKeptSum) != 0) total_.encode(to);
  if ((kept_ & kKeptExtremes) != 0) put_double(to, min_), put_double(to, max_);
  if ((kept_ & kKeptMoments) != 0) put_double(to, running_mean_), put_double(to, squares_);
  if ((kept_ & kKeptFirst) != 0) put_signed(to, first_time_), put_text(to, first_);
  if ((kept_ & kKeptLast) != 0) put_signed(to, last_time_), put_text(to, last_);
  if ((kept_ & kKeptSketch) != 0) sketch_.encode(to);
}

Summary Summary::decode(std::string_view& from) {
  Summary summary(static_cast<std::uint32_t>(take_small(from)));
  const auto kept = summary.kept_;
  summary.count_ = take_small(from);
  if ((kept & kKeptSum) != 0) summary.total_ = MeanAccumulator::decode(from);
  if ((kept & kKeptExtremes) != 0) {
    summary.min_ = take_double(from);
    summary.max_ = take_double(from);
  }
  if ((kept & kKeptMoments) != 0) {
    summary.running_mean_ = take_double(from);
    summary.squares_ = take_double(from);
  }
  if ((kept & kKeptFirst) != 0) {
    summary.first_time_ = take_signed(from);
    summary.first_ = take_text(from);
  }
  if ((kept & kKeptLast) != 0) {
    summary.last_time_ = take_signed(from);
    summary.last_ = take_text(from);
  }
  if ((kept & kKeptSketch) != 0) summary.sketch_ = QuantileSketch::decode(from);
  return summary;
}

void Aggregates::encode(std::string& to) const {
  put_small(to, readings);
  put_small(to, columns.size());
  for (const auto& column : columns) column.encode(to);
}

Aggregates Aggregates::decode(std::string_view& from) {
  Aggregates aggregates;
  aggregates.readings = take_small(from);
  const auto size = take_small(from);
  for (std::uint64_t i = 0; i < size; ++i) aggregates.columns.push_back(Summary::decode(from));
  return aggregates;
}

}  // namespace weir::window
