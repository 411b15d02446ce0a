#pragma once
// WindowAggregate: several aggregates over several fields in each window of event time, by key.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aggregates.h"
#include "weir/processor.h"
#include "weir/sql.h"
#include "window_settings.h"
#include "windowed.h"

namespace weir::window {

struct AggregateSettings {
  std::string function;
  std::optional<std::string> of;
  std::optional<double> quantile;

  static const Fields<AggregateSettings>& fields();
};

struct WindowAggregateSettings : WindowSettings {
  std::vector<std::pair<std::string, AggregateSettings>> aggregates;
};

const Spec<WindowAggregateSettings>& window_aggregate_spec();

/// What WindowAggregate keeps of its readings (windowed.h).
class AggregateJob {
 public:
  using Accumulator = Aggregates;

  /// Throws Misconfigured.
  explicit AggregateJob(const std::vector<std::pair<std::string, AggregateSettings>>& aggregates);

  void add_columns(Query& query) const;
  bool counts(const Value* columns) const;
  [[nodiscard]] bool add(Aggregates& aggregates, const Value* columns, std::int64_t time);
  const std::string& error() const { return error_; }
  void append(std::string& record, const Aggregates& aggregates) const;
  const std::string& shape() const { return shape_; }

  /// What the results are called.
  std::vector<std::string> names() const;

 private:
  enum class Function { readings, count, sum, min, max, mean, sample, population, first, last, quantile };
  /// An expression, read once a record however many aggregates are over it.
  struct Column {
    std::string of;
    bool number;
    std::uint32_t kept = 0;
  };
  struct Aggregate {
    std::string name;
    std::string member;  ///< the name as it begins a JSON member
    Function function;
    std::size_t column = 0;
    double quantile = 0;
  };

  static Function function_of(std::string_view name);
  static std::uint32_t kept_for(Function function);
  std::size_t column(const std::string& of, bool number);
  void append_value(std::string& record, const Aggregate& aggregate, const Summary& summary) const;

  std::vector<Aggregate> aggregates_;
  std::vector<Column> columns_;
  bool counts_all_ = false;  ///< also readings whose values are all NULL
  std::string shape_;
  std::string error_;
  std::string json_;
};

class WindowAggregate final : public Windowed<AggregateJob> {
 public:
  explicit WindowAggregate(const WindowAggregateSettings& settings);
};

}  // namespace weir::window
