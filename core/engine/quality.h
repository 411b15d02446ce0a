#pragma once
// What processors found out about the quality of data: counts by key (a sensor) and time, for a day.
//
// All of it is bounded: kMostKeys keys and kMostRules rules a processor; of each key the last hour by the minute and
// the last day by the quarter of an hour, and what rules flagged by the hour. Where there are more keys, those with a
// flaw are preferred to those without one. At most some 8 MB a processor, typically a few KB a key.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/clock.h"
#include "weir/quality.h"

namespace weir::engine {

inline constexpr std::int64_t kMinute = 60'000'000'000;  ///< nanoseconds
inline constexpr std::int64_t kQuarter = 15 * kMinute;
inline constexpr std::int64_t kHour = 60 * kMinute;
inline constexpr std::int64_t kDay = 24 * kHour;

struct QualityCounts {
  std::uint64_t pass = 0, suspect = 0, fail = 0, missing = 0, not_evaluated = 0;
  double covered = 0, silent = 0;  ///< seconds of event time that readings account for, and the rest

  /// Those for which there is a verdict.
  std::uint64_t judged() const { return pass + suspect + fail + missing; }
  std::uint64_t flawed() const { return suspect + fail + missing; }
  std::uint64_t records() const { return judged() + not_evaluated; }
  void add(const QualityCounts& other);
};

/// Counts by time, in intervals of one width; the oldest go.
class QualitySeries {
 public:
  struct Bucket {
    std::uint32_t slot = 0;  ///< its begin is slot * width
    std::uint32_t pass = 0, suspect = 0, fail = 0, missing = 0, not_evaluated = 0;
    float covered = 0, silent = 0;
    QualityCounts counts() const;
  };

  QualitySeries(std::int64_t width, std::size_t most) : width_(width), most_(most) {}
  void add(std::int64_t when, const QualityCounts& counts);
  /// Of the intervals that begin in [from, to).
  QualityCounts sum(std::int64_t from, std::int64_t to) const;
  const std::vector<Bucket>& buckets() const { return buckets_; }
  std::int64_t width() const { return width_; }

 private:
  std::int64_t width_;
  std::size_t most_;
  std::vector<Bucket> buckets_;  ///< by time; intervals without a record have none
};

/// How often a rule flagged something in one hour.
struct FlaggedInHour {
  std::uint32_t hour = 0;  ///< since 1970
  std::uint32_t rule = 0;
  std::uint64_t count = 0;
};

struct QualityOfKey {
  std::string key;
  QualitySeries minutes{kMinute, 60};
  QualitySeries quarters{kQuarter, 96};
  std::vector<FlaggedInHour> rules;  ///< by hour
  std::int64_t last_judged = 0;      ///< flow's clock
  std::int64_t last_value = 0;       ///< event time; 0: unknown
  bool flawed = false;

  void add(std::int64_t now, const QualityCounts& counts);
  /// The finest series that reaches back to `from`.
  const QualitySeries& series(std::int64_t from, std::int64_t now) const {
    return from >= now - kHour ? minutes : quarters;
  }
};

struct QualityRule {
  std::string field;
  std::string name;
  std::uint64_t flagged = 0;  ///< since the start
};

/// Of one processor. Every function may be called from any thread.
class QualityLedger final : public abi::Quality {
 public:
  static constexpr std::size_t kMostKeys = 1'000;
  static constexpr std::size_t kMostRules = 64;
  static constexpr std::size_t kLongestKey = 256;

  /// All there is but the keys, copied.
  struct Overview {
    QualitySeries minutes{kMinute, 1440};
    std::vector<FlaggedInHour> rule_hours;
    std::vector<QualityRule> rules;
    QualityCounts since_start;
    std::int64_t expected = 0;  ///< nanoseconds; 0: nothing is expected
    std::size_t keys = 0;
    std::uint64_t untracked = 0;  ///< records of keys that there was no room for, since the start
  };

  /// The clock outlives it.
  explicit QualityLedger(const Clock& clock) : clock_(clock) {}
  QualityLedger(const QualityLedger& other);
  QualityLedger& operator=(const QualityLedger&) = delete;

  std::uint32_t rule(abi::Text field, abi::Text name) override;
  void expect(std::int64_t nanoseconds) override;
  void found(const abi::KeyFindings* keys, std::uint32_t count) override;

  std::int64_t now() const { return clock_.now(); }
  Overview overview() const;
  template <class Visit>
  void each_key(const Visit& visit) const {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, key] : keys_) visit(key);
  }
  /// False: there is no such key.
  bool key(std::string_view name, QualityOfKey& copy) const;

  // What was kept of an earlier run, before this one begins.
  void restore_total(QualitySeries minutes, std::vector<FlaggedInHour> rules);
  void restore_key(QualityOfKey key);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
  };

  QualityOfKey* entry_of(std::string_view key, bool flawed, std::int64_t now);
  bool make_room(bool flawed, std::int64_t now);

  const Clock& clock_;
  mutable std::mutex mutex_;  ///< of what follows
  Overview total_;
  std::unordered_map<std::string, QualityOfKey, Hash, std::equal_to<>> keys_;
  std::size_t unflawed_ = 0;
  std::int64_t swept_ = 0;
};

/// The ledgers of all processors, by flow and name: they outlive a processor that is started anew.
class QualityLedgers {
 public:
  explicit QualityLedgers(const Clock& clock) : clock_(clock) {}
  QualityLedger& of(const std::string& flow, const std::string& processor);
  /// Puts a copy in a ledger's place, and returns the ledger: what is told to that from now on is in none of these.
  std::shared_ptr<QualityLedger> replace(const std::string& flow, const std::string& processor);
  /// Null: this processor has told nothing.
  std::shared_ptr<QualityLedger> find(const std::string& flow, const std::string& processor) const;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<QualityLedger>> all() const;
  std::int64_t now() const { return clock_.now(); }

 private:
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<QualityLedger>> ledgers_;
};

}  // namespace weir::engine
