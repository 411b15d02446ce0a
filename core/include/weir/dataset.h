#pragma once
// What a processor type reads or writes outside, for the catalogue of data: an entry of its own beside WEIR_PLUGIN,
// which a plugin need not have.
//
//   WEIR_DATASETS(weir::dataset(file_sink_spec(), {.kind = "file", .name = "{path}", .location = "{path}"}))
//
// `name` and `location` are text in which {property} stands for what the flow says of that property: nothing is said a
// second time. {a|b} is the first of two that the flow sets. A source's dataset is what it reads, any other type's what
// it writes.

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "weir/spec.h"

namespace weir {

namespace abi {

struct Dataset {
  Text type;      ///< the processor type
  Text kind;      ///< file, s3, kafka, sql, mqtt, http, or a word of its own
  Text name;      ///< of the dataset, a template
  Text location;  ///< where it is, a template
  Text columns;   ///< the map property that says what is written, field to SQL; empty: the record as it is
};

/// What the entry returns; it lives as long as the plugin.
class Datasets {
 public:
  virtual std::uint32_t count() const = 0;
  virtual const Dataset* dataset(std::uint32_t index) const = 0;

 protected:
  ~Datasets() = default;
};

inline constexpr const char* kDatasetsEntry = "weir_plugin_datasets_1";
using DatasetsEntry = const Datasets* (*)();

}  // namespace abi

/// Of literals: nothing is copied.
struct DatasetOptions {
  std::string_view kind;
  std::string_view name;
  std::string_view location;
  std::string_view columns = {};
};

namespace detail {

class DatasetsShim final : public abi::Datasets {
 public:
  DatasetsShim(std::initializer_list<abi::Dataset> datasets) : datasets_(datasets) {}
  std::uint32_t count() const override { return static_cast<std::uint32_t>(datasets_.size()); }
  const abi::Dataset* dataset(std::uint32_t index) const override { return &datasets_[index]; }

 private:
  std::vector<abi::Dataset> datasets_;
};

}  // namespace detail

/// The dataset of the processor type with this spec, for WEIR_DATASETS.
template <class S>
abi::Dataset dataset(const Spec<S>& spec, const DatasetOptions& options) {
  return {spec.get().type, to_text(options.kind), to_text(options.name), to_text(options.location),
          to_text(options.columns)};
}

}  // namespace weir

#define WEIR_DATASETS(...)                                                                                \
  extern "C" __attribute__((visibility("default"))) const weir::abi::Datasets* weir_plugin_datasets_1() { \
    static const weir::detail::DatasetsShim datasets{__VA_ARGS__};                                        \
    return &datasets;                                                                                     \
  }
