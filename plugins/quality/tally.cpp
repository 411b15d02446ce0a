#include "tally.h"

#include <algorithm>

namespace weir::quality {

void Tally::start(const QualityFindings& findings, Duration gap) {
  findings_ = findings;
  gap_ = gap.count();
  findings_.expect(gap);
}

void Tally::add(std::string_view key, const Verdict& verdict, const When& when) {
  if (!findings_) return;
  if (last_ == nullptr || last_->first != key) {  // a batch often holds one key's readings in a row
    auto at = keys_.find(key);
    if (at == keys_.end()) at = keys_.emplace(std::string(key), Found()).first;
    last_ = &*at;
  }
  auto& [counts, rules] = last_->second;
  switch (verdict.flag()) {
    case Flag::pass:
      ++counts.pass;
      break;
    case Flag::not_evaluated:
      ++counts.not_evaluated;
      break;
    case Flag::suspect:
      ++counts.suspect;
      break;
    case Flag::fail:
      ++counts.fail;
      break;
    case Flag::missing:
      ++counts.missing;
      break;
  }
  for (const auto rule : verdict.rules()) {
    const auto known = std::find_if(rules.begin(), rules.end(), [&](const auto& r) { return r.rule == rule; });
    if (known != rules.end()) {
      ++known->flagged;
    } else {
      rules.push_back({rule, 1});
    }
  }
  if (!when.known) return;
  if (counts.first == 0) {
    counts.first = counts.last = when.time;
  } else if (when.time > counts.last) {
    const auto apart = when.time - counts.last;
    counts.covered += gap_ > 0 ? std::min(apart, gap_) : apart;
    counts.silent += gap_ > 0 ? std::max<std::int64_t>(0, apart - gap_) : 0;
    counts.last = when.time;
  }
}

void Tally::end() {
  if (keys_.empty()) return;
  told_.clear();
  for (auto& [key, found] : keys_) {
    auto counts = found.counts;
    counts.key = weir::to_text(key);
    counts.rules = found.rules.data();
    counts.rule_count = static_cast<std::uint32_t>(found.rules.size());
    told_.push_back(counts);
  }
  findings_.found(told_);
  begin();
}

}  // namespace weir::quality
