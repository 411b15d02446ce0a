#include "quantile_sketch.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace weir::window {
namespace {

/// The greatest relative error over many quantiles, against the sorted values.
double worst(std::vector<double> values, const QuantileSketch& sketch) {
  std::sort(values.begin(), values.end());
  double error = 0;
  for (int i = 0; i <= 1000; ++i) {
    const double q = i / 1000.0;
    const auto exact = values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
    const auto found = sketch.quantile(q);
    error = std::max(error, exact == 0 ? std::abs(found) : std::abs(found - exact) / std::abs(exact));
  }
  return error;
}

template <class Distribution>
double worst_of(Distribution distribution) {
  std::mt19937_64 random(1);
  QuantileSketch sketch;
  std::vector<double> values;
  for (int i = 0; i < 50'000; ++i) {
    values.push_back(distribution(random));
    sketch.add(values.back());
  }
  REQUIRE(sketch.accuracy() == doctest::Approx(QuantileSketch::kAccuracy));
  return worst(values, sketch);
}

constexpr double kBound = QuantileSketch::kAccuracy * (1 + 1e-9);

TEST_CASE("every quantile is within 1% of the value at its rank, whatever the distribution") {
  CHECK(worst_of(std::normal_distribution(20.0, 5.0)) <= kBound);
  CHECK(worst_of(std::normal_distribution(0.0, 1.0)) <= kBound);
  CHECK(worst_of(std::lognormal_distribution(0.0, 4.0)) <= kBound);
  CHECK(worst_of(std::exponential_distribution(1e-3)) <= kBound);
  CHECK(worst_of([](auto& random) { return static_cast<double>(random() % 7) - 3; }) <= kBound);
}

TEST_CASE("one value, two values, equal values and the ends are exact") {
  QuantileSketch sketch;
  sketch.add(-7.25);
  CHECK(sketch.quantile(0.5) == -7.25);
  sketch.add(3.5);
  CHECK(sketch.quantile(0) == -7.25);
  CHECK(sketch.quantile(0.5) == -7.25);
  CHECK(sketch.quantile(1) == 3.5);
  QuantileSketch same;
  for (int i = 0; i < 1000; ++i) same.add(21.7);
  CHECK(same.quantile(0.9) == 21.7);
}

TEST_CASE("numbers of all magnitudes keep it bounded, and within the accuracy that it then has") {
  std::mt19937_64 random(2);
  std::uniform_real_distribution<double> exponent(-307, 308);
  QuantileSketch sketch;
  std::vector<double> values{0, std::numeric_limits<double>::max(), std::numeric_limits<double>::lowest(),
                             std::numeric_limits<double>::denorm_min()};
  for (int i = 0; i < 50'000; ++i) values.push_back((i % 3 == 0 ? -1 : 1) * std::pow(10.0, exponent(random)));
  for (const double value : values) sketch.add(value);
  CHECK(sketch.accuracy() > QuantileSketch::kAccuracy);
  CHECK(sketch.accuracy() < 0.9);
  CHECK(worst(values, sketch) <= sketch.accuracy() * (1 + 1e-9));
  std::string bytes;
  sketch.encode(bytes);
  CHECK(bytes.size() < QuantileSketch::kMostBuckets * 8);
}

TEST_CASE("the accuracy falls as the paper says when buckets are joined") {
  QuantileSketch sketch;
  double before = sketch.accuracy();
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> exponent(-20, 20);
  while (sketch.accuracy() == before) sketch.add(std::pow(10.0, exponent(random)));
  CHECK(sketch.accuracy() == doctest::Approx(2 * before / (1 + before * before)));
}

TEST_CASE("a sketch that is stored and loaded goes on as if it had not been") {
  std::mt19937_64 random(4);
  std::normal_distribution<double> values(0, 100);
  QuantileSketch kept;
  QuantileSketch stored;
  for (int i = 0; i < 3000; ++i) {
    const auto value = i % 50 == 0 ? 0.0 : values(random);
    kept.add(value);
    stored.add(value);
    std::string bytes;
    stored.encode(bytes);
    std::string_view rest = bytes;
    stored = QuantileSketch::decode(rest);
    REQUIRE(rest.empty());
  }
  for (const double q : {0.0, 0.01, 0.5, 0.9, 0.999, 1.0}) CHECK(stored.quantile(q) == kept.quantile(q));
}

}  // namespace
}  // namespace weir::window
