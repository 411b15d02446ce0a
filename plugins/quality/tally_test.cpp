// What a step tells the host of each key.
#include "tally.h"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "weir/check.h"

namespace {

using namespace weir::quality;
constexpr std::int64_t kSecond = 1'000'000'000;

struct Told final : public weir::abi::Quality {
  struct Found {
    weir::abi::KeyFindings counts;
    std::vector<weir::abi::RuleCount> rules;
  };
  std::uint32_t rule(weir::abi::Text, weir::abi::Text) override { return 0; }
  void expect(std::int64_t nanoseconds) override { expected = nanoseconds; }
  void found(const weir::abi::KeyFindings* keys, std::uint32_t count) override {
    ++times;
    for (std::uint32_t i = 0; i < count; ++i)
      of[std::string(weir::view(keys[i].key))] = {keys[i], {keys[i].rules, keys[i].rules + keys[i].rule_count}};
  }
  std::map<std::string, Found> of;
  std::int64_t expected = 0;
  int times = 0;
};

struct Host final : public weir::abi::Context {
  weir::abi::Text flow() const override { return weir::to_text("flow"); }
  weir::abi::Text name() const override { return weir::to_text("check"); }
  weir::abi::Text folder() override { return {}; }
  weir::abi::Text store_id() const override { return {}; }
  std::uint32_t input_count() const override { return 0; }
  weir::abi::Input input(std::uint32_t) const override { return {}; }
  std::uint32_t relationship(weir::abi::Text) const override { return weir::abi::kNone; }
  bool exactly_once() const override { return false; }
  bool until_idle() const override { return false; }
  std::int64_t now() const override { return 0; }
  void wake() override {}
  void log(weir::abi::Level, weir::abi::Text) override {}
  void bulletin(weir::abi::Level, weir::abi::Text) override {}
  weir::abi::Metric* metric(weir::abi::Text, weir::abi::Text, bool) override { return nullptr; }
  void* interface(const char* name) override {
    return std::string_view(name) == weir::abi::kQualityInterface ? static_cast<weir::abi::Quality*>(&told) : nullptr;
  }
  Told told;
};

struct Tallied {
  Tallied() { tally.start(weir::QualityFindings(weir::Context(&host)), std::chrono::seconds(10)); }
  void add(const std::string& key, Flag flag, std::int64_t second, std::vector<std::uint32_t> rules = {}) {
    verdict.clear();
    for (const auto rule : rules) verdict.add(flag, "value", "rule", "", rule);
    if (rules.empty()) verdict.add(flag);
    tally.add(key, verdict, {second > 0, second * kSecond});
  }
  Host host;
  Tally tally;
  Verdict verdict;
};

}  // namespace

TEST_CASE_FIXTURE(Tallied, "a step tells once what it found of each key, by flag and by rule") {
  add("a", Flag::pass, 0);
  add("b", Flag::fail, 0, {3, 7});
  add("b", Flag::suspect, 0, {7});
  add("a", Flag::missing, 0);
  add("a", Flag::not_evaluated, 0);
  tally.end();
  CHECK(host.told.times == 1);
  CHECK(host.told.expected == 10 * kSecond);
  const auto& a = host.told.of.at("a").counts;
  CHECK((a.pass == 1 && a.missing == 1 && a.not_evaluated == 1 && a.suspect == 0 && a.fail == 0));
  const auto& b = host.told.of.at("b");
  CHECK((b.counts.fail == 1 && b.counts.suspect == 1));
  REQUIRE(b.rules.size() == 2);
  CHECK((b.rules[0].rule == 3 && b.rules[0].flagged == 1));
  CHECK((b.rules[1].rule == 7 && b.rules[1].flagged == 2));
  tally.end();
  CHECK(host.told.times == 1);  // a step without a record has nothing to tell
}

TEST_CASE_FIXTURE(Tallied, "between readings, time is accounted for up to the gap; what is late changes nothing") {
  add("a", Flag::pass, 100);
  add("a", Flag::pass, 104);
  add("a", Flag::pass, 102);
  add("a", Flag::pass, 134);
  tally.end();
  const auto& a = host.told.of.at("a").counts;
  CHECK(a.first == 100 * kSecond);
  CHECK(a.last == 134 * kSecond);
  CHECK(a.covered == 14 * kSecond);
  CHECK(a.silent == 20 * kSecond);
}

TEST_CASE("where the host does not ask, nothing is counted") {
  weir::QuietContext context;
  Tally tally;
  tally.start(weir::QualityFindings(weir::Context(&context)), weir::Duration::zero());
  CHECK_FALSE(tally.wanted());
  tally.add("a", Verdict(), {});
  tally.end();
}
