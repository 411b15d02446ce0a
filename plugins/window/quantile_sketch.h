#pragma once
// Quantiles of any number of values in little memory, with a bound on the relative error.
//
// DDSketch: C. Masson, J. E. Rim, H. K. Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error
// Guarantees", PVLDB 12(12), 2019. A value x > 0 is counted in the bucket i with gamma^(i-1) < x <= gamma^i; negative
// values in buckets of their own; gamma = (1+a)/(1-a) for the accuracy a. Where the paper gives up the lowest quantiles
// to bound the number of buckets, all buckets are joined two by two, as in UDDSketch: I. Epicoco et al., "UDDSketch:
// Accurate Tracking of Quantiles in Data Streams", IEEE Access 8, 2020: the accuracy becomes 2a/(1+a²) for all.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::window {

class QuantileSketch {
 public:
  /// As it begins: a quantile is within 1% of the value that has its rank.
  static constexpr double kAccuracy = 0.01;
  /// With so many the values span 17 orders of magnitude before the accuracy has to fall.
  static constexpr std::size_t kMostBuckets = 2048;

  /// A finite value.
  void add(double value);
  std::uint64_t count() const { return count_; }
  /// Of at least one value, 0 <= q <= 1: within accuracy() of the value at rank floor(q (count - 1)) in ascending
  /// order. The least and the greatest are exact.
  double quantile(double q) const;
  double accuracy() const;

  void encode(std::string& to) const;
  static QuantileSketch decode(std::string_view& from);

 private:
  struct Bucket {
    std::int32_t index;
    std::uint64_t count;
  };
  using Buckets = std::vector<Bucket>;  // by index, ascending

  static void count_in(Buckets& buckets, std::int32_t index);
  static void join_pairs(Buckets& buckets);
  double log_gamma() const;
  double value_of(std::int32_t index) const;

  std::uint64_t count_ = 0;
  std::uint64_t zeros_ = 0;
  double min_ = 0;
  double max_ = 0;
  std::uint32_t joins_ = 0;  ///< how often buckets were joined
  Buckets positive_;
  Buckets negative_;  ///< of the values' magnitudes
};

}  // namespace weir::window
