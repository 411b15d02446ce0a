#pragma once
// Writes metrics in Prometheus' text exposition format 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/).

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace weir::api {

enum class MetricType { counter, gauge, histogram };

std::string_view name_of(MetricType type);

/// A family: all samples of one name. Its name ends in its base unit, a counter's in `_total`.
struct Family {
  std::string_view name;
  MetricType type;
  std::string_view labels;  ///< for the reference: which its samples have
  std::string_view help;
};

using Label = std::pair<std::string_view, std::string_view>;

/// Begin a family, then add its samples; a family is begun once.
class Exposition {
 public:
  void begin(const Family& family);
  /// Labels of the samples that follow, until the next call.
  void labels(std::initializer_list<Label> labels);
  void sample(double value);
  void sample(std::uint64_t value);
  /// `cumulative[i]` observations were at most `bounds[i]`.
  void histogram(std::span<const double> bounds, std::span<const std::uint64_t> cumulative, std::uint64_t count,
                 double sum);

  const std::string& text() const { return text_; }

 private:
  void line(std::string_view suffix, std::string_view more_labels, std::string_view value);

  std::string text_;
  std::string name_;
  std::string labels_;  ///< rendered, without braces
};

/// `text` with everything that a metric's name must not have made an underscore.
std::string sanitised(std::string_view text);

}  // namespace weir::api
