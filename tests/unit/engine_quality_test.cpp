// What is kept of the quality of data: bounded, by time, worst kept longest.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "engine/quality.h"

namespace {

using namespace weir::engine;
using weir::abi::KeyFindings;
using weir::abi::RuleCount;

constexpr std::int64_t kStart = 1'700'000'100 * 1'000'000'000LL;
constexpr std::int64_t kSecond = 1'000'000'000;

weir::abi::Text text(const std::string& t) {
  return {t.data(), t.size()};
}

struct Book {
  void found(const std::string& key, std::uint64_t pass, std::uint64_t fail, std::int64_t event_time = 0,
             std::vector<RuleCount> rules = {}) {
    KeyFindings f{};
    f.key = text(key);
    f.pass = pass;
    f.fail = fail;
    f.first = f.last = event_time;
    f.rules = rules.data();
    f.rule_count = static_cast<std::uint32_t>(rules.size());
    ledger.found(&f, 1);
  }
  QualityOfKey key(const std::string& name) {
    QualityOfKey copy;
    REQUIRE(ledger.key(name, copy));
    return copy;
  }
  VirtualClock clock{kStart};
  QualityLedger ledger{clock};
};

}  // namespace

TEST_CASE_FIXTURE(Book, "what is found is counted by key, by time and in all") {
  found("a", 3, 1);
  clock.set(kStart + 2 * kMinute);
  found("a", 5, 0);
  found("b", 1, 0);
  const auto a = key("a");
  CHECK(a.minutes.buckets().size() == 2);
  CHECK(a.minutes.sum(kStart, clock.now() + 1).pass == 8);
  CHECK(a.minutes.sum(kStart + kMinute, clock.now() + 1).fail == 0);
  CHECK(a.last_judged == clock.now());
  const auto all = ledger.overview();
  CHECK(all.keys == 2);
  CHECK(all.since_start.judged() == 10);
  CHECK(all.minutes.sum(kStart - kHour, clock.now() + 1).fail == 1);
}

TEST_CASE_FIXTURE(Book,
                  "a key's last hour is kept by the minute, its last day by the quarter of an hour, and no more") {
  for (int minute = 0; minute < 3 * 1440; ++minute) {
    clock.set(kStart + minute * kMinute);
    found("a", 1, 1, 0, {{ledger.rule(text("value"), text("range")), 1}});
  }
  const auto a = key("a");
  CHECK(a.minutes.buckets().size() == 60);
  CHECK(a.quarters.buckets().size() == 96);
  CHECK(a.rules.size() <= 24);
  CHECK(ledger.overview().minutes.buckets().size() == 1440);
  CHECK(ledger.overview().since_start.judged() == 2 * 3 * 1440);
  CHECK(ledger.overview().rules[0].flagged == 3 * 1440);
}

TEST_CASE_FIXTURE(Book,
                  "beyond the bound, keys with a flaw take the place of those without, and the others are counted") {
  for (std::size_t i = 0; i < QualityLedger::kMostKeys; ++i) found("good-" + std::to_string(i), 1, 0);
  found("good-too", 7, 0);
  found("bad", 0, 1);
  const auto all = ledger.overview();
  CHECK(all.keys == QualityLedger::kMostKeys);
  CHECK(all.untracked == 7);
  CHECK(all.since_start.judged() == QualityLedger::kMostKeys + 8);
  CHECK(key("bad").minutes.sum(0, clock.now() + 1).fail == 1);
  clock.set(kStart + kDay + 2 * kMinute);  // those that are silent for a day make room
  found("good-too", 1, 0);
  CHECK(ledger.overview().keys == 1);
}

TEST_CASE_FIXTURE(Book, "a reading accounts for the interval that is expected, and the rest of the time is silence") {
  ledger.expect(10 * kSecond);
  found("a", 1, 0, kStart);
  found("a", 1, 0, kStart + 8 * kSecond);
  found("a", 1, 0, kStart + 48 * kSecond);
  found("a", 1, 0, kStart + 20 * kSecond);  // late: it changes nothing
  const auto counts = key("a").minutes.sum(0, clock.now() + 1);
  CHECK(counts.covered == doctest::Approx(18));
  CHECK(counts.silent == doctest::Approx(30));
  CHECK(key("a").last_value == kStart + 48 * kSecond);
}

TEST_CASE_FIXTURE(Book, "there are so many rules and no more, each with its number") {
  const auto range = ledger.rule(text("value"), text("range"));
  CHECK(ledger.rule(text("value"), text("range")) == range);
  for (std::size_t i = 0; i < 2 * QualityLedger::kMostRules; ++i) ledger.rule(text("f"), text(std::to_string(i)));
  CHECK(ledger.overview().rules.size() == QualityLedger::kMostRules);
  CHECK(ledger.rule(text("one"), text("more")) == weir::abi::kNone);
  found("a", 0, 1, 0, {{weir::abi::kNone, 1}, {range, 1}});
  CHECK(ledger.overview().rules[range].flagged == 1);
}

TEST_CASE_FIXTURE(Book, "a key too long for a name is cut between characters") {
  found(std::string(QualityLedger::kLongestKey - 1, 'k') + "°°", 1, 0);
  CHECK(key(std::string(QualityLedger::kLongestKey - 1, 'k')).key.size() == QualityLedger::kLongestKey - 1);
}
