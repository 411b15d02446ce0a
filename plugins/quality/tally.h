#pragma once
// What a step found of each key, for the host's quality pages.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "rules.h"
#include "verdict.h"
#include "weir/quality.h"

namespace weir::quality {

class Tally {
 public:
  /// `gap`: how long a reading accounts for; 0: nobody said.
  void start(const QualityFindings& findings, Duration gap);
  void begin() { keys_.clear(), last_ = nullptr; }
  void add(std::string_view key, const Verdict& verdict, const When& when);
  /// Tells the host.
  void end();
  bool wanted() const { return static_cast<bool>(findings_); }

 private:
  struct Found {
    abi::KeyFindings counts{};
    std::vector<abi::RuleCount> rules;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
  };
  using Keys = std::unordered_map<std::string, Found, Hash, std::equal_to<>>;

  QualityFindings findings_;
  std::int64_t gap_ = 0;
  Keys keys_;  ///< of the step under way
  Keys::value_type* last_ = nullptr;
  std::vector<abi::KeyFindings> told_;
};

}  // namespace weir::quality
