#pragma once
// What a window keeps of its readings for several aggregates over several columns (see accumulator.h).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "accumulator.h"
#include "quantile_sketch.h"

namespace weir::window {

/// What is kept of a column beside the count of its values.
enum Kept : std::uint32_t {
  kKeptSum = 1,
  kKeptExtremes = 2,
  kKeptMoments = 4,
  kKeptFirst = 8,
  kKeptLast = 16,
  kKeptSketch = 32,
};

/// What the values of one column come to.
class Summary {
 public:
  explicit Summary(std::uint32_t kept = 0) : kept_(kept) {}

  /// Whether add() keeps all sums in the range of a double.
  bool fits(double value) const;
  /// A number at an event time, and the JSON that it stands there as.
  void add(double value, std::int64_t time, std::string_view json);
  /// A value of any kind, for count, first and last.
  void add(std::int64_t time, std::string_view json);

  std::uint64_t count() const { return count_; }
  /// @name Of at least one value, as far as they are kept
  /// @{
  double sum() const { return total_.sum(); }
  double mean() const { return total_.mean(); }
  double min() const { return min_; }
  double max() const { return max_; }
  /// Sum of squared distances from the mean.
  double squares() const { return squares_; }
  /// With the earliest event time, of several the one that came first; as JSON.
  const std::string& first() const { return first_; }
  /// With the latest event time, of several the one that came last; as JSON.
  const std::string& last() const { return last_; }
  const QuantileSketch& sketch() const { return sketch_; }
  /// @}

  void encode(std::string& to) const;
  static Summary decode(std::string_view& from);

 private:
  std::uint32_t kept_;
  std::uint64_t count_ = 0;
  MeanAccumulator total_;
  double min_ = 0;
  double max_ = 0;
  double running_mean_ = 0;
  double squares_ = 0;
  std::int64_t first_time_ = 0;
  std::int64_t last_time_ = 0;
  std::string first_;
  std::string last_;
  QuantileSketch sketch_;
};

/// An accumulator of any number of columns.
struct Aggregates {
  std::uint64_t readings = 0;
  std::vector<Summary> columns;  ///< empty until the first reading

  void encode(std::string& to) const;
  static Aggregates decode(std::string_view& from);
};

}  // namespace weir::window
