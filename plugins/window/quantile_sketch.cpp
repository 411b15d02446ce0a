#include "quantile_sketch.h"

#include <algorithm>
#include <cmath>

#include "bytes.h"

namespace weir::window {

namespace {

/// The natural logarithm of the gamma that it begins with.
const double kLogGamma = std::log((1 + QuantileSketch::kAccuracy) / (1 - QuantileSketch::kAccuracy));

/// Signed numbers near zero as small unsigned ones.
std::uint64_t zigzag(std::int64_t value) {
  return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}
std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

}  // namespace

double QuantileSketch::log_gamma() const {
  return std::ldexp(kLogGamma, static_cast<int>(joins_));  // a join squares gamma
}

double QuantileSketch::accuracy() const {
  return std::tanh(log_gamma() / 2);  // (gamma - 1) / (gamma + 1)
}

void QuantileSketch::add(double value) {
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = count_ == 0 ? value : std::max(max_, value);
  ++count_;
  if (value == 0) {
    ++zeros_;
    return;
  }
  const auto index = static_cast<std::int32_t>(std::ceil(std::log(std::abs(value)) / log_gamma()));
  count_in(value > 0 ? positive_ : negative_, index);
  while (positive_.size() + negative_.size() > kMostBuckets) {
    join_pairs(positive_);
    join_pairs(negative_);
    ++joins_;
  }
}

void QuantileSketch::count_in(Buckets& buckets, std::int32_t index) {
  const auto at = std::lower_bound(buckets.begin(), buckets.end(), index,
                                   [](const Bucket& bucket, std::int32_t wanted) { return bucket.index < wanted; });
  if (at != buckets.end() && at->index == index) {
    ++at->count;
  } else {
    buckets.insert(at, {index, 1});
  }
}

void QuantileSketch::join_pairs(Buckets& buckets) {
  std::size_t kept = 0;
  for (const auto& bucket : buckets) {
    const auto index = (bucket.index + 1) >> 1;  // half, rounded up
    if (kept > 0 && buckets[kept - 1].index == index) {
      buckets[kept - 1].count += bucket.count;
    } else {
      buckets[kept++] = {index, bucket.count};
    }
  }
  buckets.resize(kept);
}

/// In the middle of a bucket by ratio: 2 gamma^i / (gamma + 1).
double QuantileSketch::value_of(std::int32_t index) const {
  const auto log = log_gamma();
  return std::exp(index * log + std::log(2.0) - std::log1p(std::exp(log)));
}

double QuantileSketch::quantile(double q) const {
  const auto last = count_ - 1;
  auto rank = std::min(static_cast<std::uint64_t>(q * static_cast<double>(last)), last);
  if (rank == 0) return min_;
  if (rank == last) return max_;
  const auto within = [&](double value) { return std::clamp(value, min_, max_); };
  for (auto bucket = negative_.rbegin(); bucket != negative_.rend(); ++bucket) {
    if (rank < bucket->count) return within(-value_of(bucket->index));
    rank -= bucket->count;
  }
  if (rank < zeros_) return 0;
  rank -= zeros_;
  for (const auto& bucket : positive_) {
    if (rank < bucket.count) return within(value_of(bucket.index));
    rank -= bucket.count;
  }
  return max_;
}

void QuantileSketch::encode(std::string& to) const {
  put_small(to, count_);
  put_small(to, zeros_);
  put_small(to, joins_);
  put_double(to, min_);
  put_double(to, max_);
  for (const auto* buckets : {&positive_, &negative_}) {
    put_small(to, buckets->size());
    std::int64_t before = 0;
    for (const auto& bucket : *buckets) {
      put_small(to, zigzag(bucket.index - before));
      put_small(to, bucket.count);
      before = bucket.index;
    }
  }
}

QuantileSketch QuantileSketch::decode(std::string_view& from) {
  QuantileSketch sketch;
  sketch.count_ = take_small(from);
  sketch.zeros_ = take_small(from);
  sketch.joins_ = static_cast<std::uint32_t>(take_small(from));
  sketch.min_ = take_double(from);
  sketch.max_ = take_double(from);
  for (auto* buckets : {&sketch.positive_, &sketch.negative_}) {
    const auto size = take_small(from);
    std::int64_t index = 0;
    for (std::uint64_t i = 0; i < size; ++i) {
      index += unzigzag(take_small(from));
      const auto count = take_small(from);
      buckets->push_back({static_cast<std::int32_t>(index), count});
    }
  }
  return sketch;
}

}  // namespace weir::window
