#pragma once
// What is found out about a record: a flag and the reasons for it.
//
// The flags are QARTOD's (U.S. IOOS, "Manual for the Use of Real-Time Oceanographic Data Quality Control Flags",
// version 1.2, table 2), the same as IOC 54:V3. Where several tests speak of one record, the worst wins, in the order
// that ioos_qc uses: fail, suspect, pass, not evaluated, missing.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weir/abi.h"

namespace weir::quality {

enum class Flag : std::uint8_t { pass = 1, not_evaluated = 2, suspect = 3, fail = 4, missing = 9 };

/// How a flag counts against others.
constexpr int severity(Flag flag) {
  switch (flag) {
    case Flag::missing:
      return 0;
    case Flag::not_evaluated:
      return 1;
    case Flag::pass:
      return 2;
    case Flag::suspect:
      return 3;
    case Flag::fail:
      return 4;
  }
  return 0;
}

class Verdict {
 public:
  void clear() {
    any_ = false;
    flag_ = Flag::not_evaluated;
    reasons_.clear();
    count_ = 0;
    rules_.clear();
  }
  /// A test's result that needs no reason.
  void add(Flag flag) {
    if (!any_ || severity(flag) > severity(flag_)) flag_ = flag;
    any_ = true;
  }
  /// A test's result and why, as `field: rule detail`; `number` is the rule's, for those who count.
  void add(Flag flag, std::string_view field, std::string_view rule, std::string_view detail,
           std::uint32_t number = abi::kNone);

  Flag flag() const { return flag_; }
  /// The reasons, as the inside of a JSON array.
  std::string_view reasons() const { return reasons_; }
  std::size_t reason_count() const { return count_; }
  /// Numbers of the rules behind them.
  const std::vector<std::uint32_t>& rules() const { return rules_; }

 private:
  bool any_ = false;
  Flag flag_ = Flag::not_evaluated;
  std::string reasons_;
  std::size_t count_ = 0;
  std::vector<std::uint32_t> rules_;
};

/// Appends text inside a JSON string, without quotes. The text is valid UTF-8.
void append_escaped(std::string& to, std::string_view text);

}  // namespace weir::quality
