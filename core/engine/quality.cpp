#include "engine/quality.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace weir::engine {

namespace {

std::uint32_t capped(std::uint64_t value) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, std::numeric_limits<std::uint32_t>::max()));
}

double seconds(std::int64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / 1e9;
}

void count(std::vector<FlaggedInHour>& rules, std::int64_t now, std::uint32_t rule, std::uint64_t flagged) {
  const auto hour = static_cast<std::uint32_t>(now / kHour);
  const auto kept = std::find_if(rules.begin(), rules.end(), [&](const auto& r) { return r.hour + 24 > hour; });
  rules.erase(rules.begin(), kept);
  for (auto at = rules.rbegin(); at != rules.rend() && at->hour == hour; ++at) {
    if (at->rule != rule) continue;
    at->count += flagged;
    return;
  }
  rules.push_back({hour, rule, flagged});
}

/// A key that is too long for a name, cut between two characters.
std::string_view cut(std::string_view key) {
  if (key.size() <= QualityLedger::kLongestKey) return key;
  auto end = QualityLedger::kLongestKey;
  while (end > 0 && (static_cast<unsigned char>(key[end]) & 0xc0) == 0x80) --end;
  return key.substr(0, end);
}

QualityCounts counts_of(const abi::KeyFindings& found) {
  QualityCounts counts;
  counts.pass = found.pass;
  counts.suspect = found.suspect;
  counts.fail = found.fail;
  counts.missing = found.missing;
  counts.not_evaluated = found.not_evaluated;
  counts.covered = seconds(found.covered);
  counts.silent = seconds(found.silent);
  return counts;
}

}  // namespace

void QualityCounts::add(const QualityCounts& other) {
  pass += other.pass;
  suspect += other.suspect;
  fail += other.fail;
  missing += other.missing;
  not_evaluated += other.not_evaluated;
  covered += other.covered;
  silent += other.silent;
}

QualityCounts QualitySeries::Bucket::counts() const {
  QualityCounts result;
  result.pass = pass;
  result.suspect = suspect;
  result.fail = fail;
  result.missing = missing;
  result.not_evaluated = not_evaluated;
  result.covered = static_cast<double>(covered);
  result.silent = static_cast<double>(silent);
  return result;
}

void QualitySeries::add(std::int64_t when, const QualityCounts& counts) {
  const auto slot = static_cast<std::uint32_t>(when / width_);
  const auto kept =
      std::find_if(buckets_.begin(), buckets_.end(), [&](const Bucket& b) { return b.slot + most_ > slot; });
  buckets_.erase(buckets_.begin(), kept);
  // A clock that was set back goes on in the last interval.
  if (buckets_.empty() || buckets_.back().slot < slot) {
    buckets_.emplace_back();
    buckets_.back().slot = slot;
  }
  auto& bucket = buckets_.back();
  const auto grow = [](std::uint32_t& count, std::uint64_t by) { count = capped(count + by); };
  grow(bucket.pass, counts.pass);
  grow(bucket.suspect, counts.suspect);
  grow(bucket.fail, counts.fail);
  grow(bucket.missing, counts.missing);
  grow(bucket.not_evaluated, counts.not_evaluated);
  bucket.covered += static_cast<float>(counts.covered);
  bucket.silent += static_cast<float>(counts.silent);
}

QualityCounts QualitySeries::sum(std::int64_t from, std::int64_t to) const {
  QualityCounts result;
  for (const auto& bucket : buckets_) {
    const auto begin = static_cast<std::int64_t>(bucket.slot) * width_;
    if (begin + width_ > from && begin < to) result.add(bucket.counts());
  }
  return result;
}

void QualityOfKey::add(std::int64_t now, const QualityCounts& counts) {
  minutes.add(now, counts);
  quarters.add(now, counts);
  last_judged = now;
}

QualityLedger::QualityLedger(const QualityLedger& other) : clock_(other.clock_) {
  const std::lock_guard lock(other.mutex_);
  total_ = other.total_;
  keys_ = other.keys_;
  unflawed_ = other.unflawed_;
  swept_ = other.swept_;
}

std::uint32_t QualityLedger::rule(abi::Text field, abi::Text name) {
  const std::lock_guard lock(mutex_);
  for (std::uint32_t i = 0; i < total_.rules.size(); ++i) {
    if (total_.rules[i].field == view(field) && total_.rules[i].name == view(name)) return i;
  }
  if (total_.rules.size() >= kMostRules) return abi::kNone;
  total_.rules.push_back({std::string(view(field)), std::string(view(name)), 0});
  return static_cast<std::uint32_t>(total_.rules.size() - 1);
}

void QualityLedger::expect(std::int64_t nanoseconds) {
  const std::lock_guard lock(mutex_);
  total_.expected = nanoseconds;
}

void QualityLedger::found(const abi::KeyFindings* keys, std::uint32_t count_of_keys) {
  const auto now = this->now();
  QualityCounts sum;
  const std::lock_guard lock(mutex_);
  for (std::uint32_t i = 0; i < count_of_keys; ++i) {
    const auto& found = keys[i];
    auto counts = counts_of(found);
    const auto flawed = counts.flawed() > 0;
    auto* entry = entry_of(cut(view(found.key)), flawed, now);
    if (entry == nullptr) {
      total_.untracked += counts.records();
    } else {
      if (total_.expected > 0 && entry->last_value > 0 && found.first > entry->last_value) {
        const auto apart = found.first - entry->last_value;
        counts.covered += seconds(std::min(apart, total_.expected));
        counts.silent += seconds(std::max<std::int64_t>(0, apart - total_.expected));
      }
      entry->last_value = std::max(entry->last_value, found.last);
      entry->add(now, counts);
    }
    for (std::uint32_t r = 0; r < found.rule_count; ++r) {
      const auto [rule, flagged] = found.rules[r];
      if (rule >= total_.rules.size()) continue;
      total_.rules[rule].flagged += flagged;
      count(total_.rule_hours, now, rule, flagged);
      if (entry != nullptr) count(entry->rules, now, rule, flagged);
    }
    sum.add(counts);
  }
  total_.since_start.add(sum);
  total_.minutes.add(now, sum);
}

QualityOfKey* QualityLedger::entry_of(std::string_view name, bool flawed, std::int64_t now) {
  auto found = keys_.find(name);
  if (found == keys_.end()) {
    if (keys_.size() >= kMostKeys && !make_room(flawed, now)) return nullptr;
    found = keys_.emplace(std::string(name), QualityOfKey()).first;
    found->second.key = found->first;
    ++unflawed_;
  }
  auto& entry = found->second;
  if (flawed && !entry.flawed) {
    entry.flawed = true;
    --unflawed_;
  }
  return &entry;
}

bool QualityLedger::make_room(bool flawed, std::int64_t now) {
  if (now - swept_ >= kMinute) {
    swept_ = now;
    std::erase_if(keys_, [&](const auto& entry) {
      const bool old = entry.second.last_judged < now - kDay;
      if (old && !entry.second.flawed) --unflawed_;
      return old;
    });
  }
  if (keys_.size() < kMostKeys) return true;
  if (!flawed || unflawed_ == 0) return false;
  auto oldest = keys_.end();
  for (auto at = keys_.begin(); at != keys_.end(); ++at) {
    if (!at->second.flawed && (oldest == keys_.end() || at->second.last_judged < oldest->second.last_judged))
      oldest = at;
  }
  keys_.erase(oldest);
  --unflawed_;
  return true;
}

QualityLedger::Overview QualityLedger::overview() const {
  const std::lock_guard lock(mutex_);
  auto copy = total_;
  copy.keys = keys_.size();
  return copy;
}

bool QualityLedger::key(std::string_view name, QualityOfKey& copy) const {
  const std::lock_guard lock(mutex_);
  const auto found = keys_.find(name);
  if (found == keys_.end()) return false;
  copy = found->second;
  return true;
}

void QualityLedger::restore_total(QualitySeries minutes, std::vector<FlaggedInHour> rules) {
  const std::lock_guard lock(mutex_);
  total_.minutes = std::move(minutes);
  total_.rule_hours = std::move(rules);
}

void QualityLedger::restore_key(QualityOfKey key) {
  const std::lock_guard lock(mutex_);
  if (keys_.size() >= kMostKeys || keys_.contains(key.key)) return;
  if (!key.flawed) ++unflawed_;
  auto name = key.key;
  keys_.emplace(std::move(name), std::move(key));
}

QualityLedger& QualityLedgers::of(const std::string& flow, const std::string& processor) {
  const std::lock_guard lock(mutex_);
  auto& ledger = ledgers_[{flow, processor}];
  if (!ledger) ledger = std::make_shared<QualityLedger>(clock_);
  return *ledger;
}

std::shared_ptr<QualityLedger> QualityLedgers::replace(const std::string& flow, const std::string& processor) {
  const std::lock_guard lock(mutex_);
  const auto found = ledgers_.find({flow, processor});
  if (found == ledgers_.end()) return std::make_shared<QualityLedger>(clock_);
  return std::exchange(found->second, std::make_shared<QualityLedger>(*found->second));
}

std::shared_ptr<QualityLedger> QualityLedgers::find(const std::string& flow, const std::string& processor) const {
  const std::lock_guard lock(mutex_);
  const auto found = ledgers_.find({flow, processor});
  return found == ledgers_.end() ? nullptr : found->second;
}

std::map<std::pair<std::string, std::string>, std::shared_ptr<QualityLedger>> QualityLedgers::all() const {
  const std::lock_guard lock(mutex_);
  return ledgers_;
}

}  // namespace weir::engine
