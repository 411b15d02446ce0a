#pragma once
// How a processor that judges data tells what it found, series by series (a sensor, a machine), for the API's quality
// pages and the UI's Quality view. The host keeps the counts, bounded, by time; a processor only reports what a step
// of it found, once, at the step's end.
//
//   void start(Context& context) { findings_ = QualityFindings(context); range_ = findings_.rule("temperature",
//   "range"); } …  findings_.found(keys);

#include <cstdint>
#include <span>

#include "weir/context.h"

namespace weir::abi {

/// Context::interface("weir.quality.1") is a Quality. Thread-safe.
inline constexpr const char* kQualityInterface = "weir.quality.1";

/// How many records a rule flagged.
struct RuleCount {
  std::uint32_t rule;  ///< as Quality::rule() numbered it
  std::uint64_t flagged;
};

/// What a step found of one key's records. Flags are QARTOD's.
struct KeyFindings {
  Text key;  ///< empty: there are no keys, or the record has none
  std::uint64_t pass;
  std::uint64_t suspect;
  std::uint64_t fail;
  std::uint64_t missing;
  std::uint64_t not_evaluated;
  std::int64_t first;    ///< event time of the first record that was not late, nanoseconds since 1970; 0: unknown
  std::int64_t last;     ///< of the last one
  std::int64_t covered;  ///< of the time between the two: what readings account for, in nanoseconds
  std::int64_t silent;   ///< the rest of it
  const RuleCount* rules;
  std::uint32_t rule_count;
};

class Quality {
 public:
  /// A rule's number, the same whenever it is asked for; kNone beyond the host's bound.
  virtual std::uint32_t rule(Text field, Text name) = 0;
  /// How long a reading accounts for: after a longer time without one, a key is silent. 0: nothing is expected.
  virtual void expect(std::int64_t nanoseconds) = 0;
  virtual void found(const KeyFindings* keys, std::uint32_t count) = 0;

 protected:
  ~Quality() = default;
};

}  // namespace weir::abi

namespace weir {

/// Tells nobody where the host has no such interface.
class QualityFindings {
 public:
  QualityFindings() = default;
  explicit QualityFindings(const Context& context)
      : quality_(static_cast<abi::Quality*>(context.raw()->interface(abi::kQualityInterface))) {}

  /// False: nobody listens, there is no need to count.
  explicit operator bool() const { return quality_ != nullptr; }
  std::uint32_t rule(std::string_view field, std::string_view name) const {
    return quality_ == nullptr ? abi::kNone : quality_->rule(to_text(field), to_text(name));
  }
  void expect(Duration each) const {
    if (quality_ != nullptr) quality_->expect(each.count());
  }
  void found(std::span<const abi::KeyFindings> keys) const {
    if (quality_ != nullptr && !keys.empty()) quality_->found(keys.data(), static_cast<std::uint32_t>(keys.size()));
  }

 private:
  abi::Quality* quality_ = nullptr;
};

}  // namespace weir
