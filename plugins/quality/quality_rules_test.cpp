#include <doctest/doctest.h>

#include <limits>

#include "reading.h"
#include "rules.h"

namespace weir::quality {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

/// The rules of one field with its history, fed value by value.
struct Series {
  FieldRules rules;
  FieldHistory history;
  Verdict verdict;
  explicit Series(RuleSettings settings) : rules("t", std::move(settings)) {}
  Flag at(std::int64_t second, std::string_view token) {
    verdict.clear();
    rules.judge(token, {true, second * kSecond}, &history, verdict);
    return verdict.flag();
  }
  Flag of(std::string_view token) {
    verdict.clear();
    rules.judge(token, {}, nullptr, verdict);
    return verdict.flag();
  }
  std::string why() const { return std::string(verdict.reasons()); }
};

TEST_CASE("the worst flag wins: fail, suspect, pass, not evaluated, missing") {
  Verdict verdict;
  CHECK(verdict.flag() == Flag::not_evaluated);
  verdict.add(Flag::missing);
  CHECK(verdict.flag() == Flag::missing);
  verdict.add(Flag::not_evaluated);
  CHECK(verdict.flag() == Flag::not_evaluated);
  verdict.add(Flag::pass);
  verdict.add(Flag::missing);
  CHECK(verdict.flag() == Flag::pass);
  verdict.add(Flag::suspect, "a\"b", "range", "x\n");
  verdict.add(Flag::fail, "c", "in", "");
  verdict.add(Flag::suspect);
  CHECK(verdict.flag() == Flag::fail);
  CHECK(verdict.reasons() == R"("a\"b: range x\u000a","c: in")");
  verdict.clear();
  CHECK(verdict.reason_count() == 0);
}

TEST_CASE("not_null: missing and null fail; without it they are flagged missing") {
  Series series({.not_null = true});
  CHECK(series.of("") == Flag::fail);
  CHECK(series.why() == R"("t: not_null missing")");
  CHECK(series.of("null") == Flag::fail);
  CHECK(series.of("0") == Flag::pass);
  CHECK(series.of("\"\"") == Flag::pass);
  Series without({.range = {0, 1}});
  CHECK(without.of("null") == Flag::missing);
  CHECK(without.of("") == Flag::missing);
}

TEST_CASE("type: each type takes its own values and no other") {
  const std::vector<std::pair<std::string, std::vector<std::string>>> types{
      {"number", {"1", "-1.5e3", "9007199254740993", "1e999"}},
      {"integer", {"1", "7.0", "1e3", "-0"}},
      {"text", {"\"\"", "\"1\""}},
      {"boolean", {"true", "false"}},
      {"object", {"{}"}},
      {"array", {"[1]"}}};
  for (const auto& [name, good] : types) {
    Series series({.type = name});
    for (const auto& token : good) CHECK(series.of(token) == Flag::pass);
    for (const auto& [other, tokens] : types) {
      const bool both_numbers = (name == "number" || name == "integer") && (other == "number" || other == "integer");
      if (other != name && !both_numbers) CHECK(series.of(tokens[0]) == Flag::fail);
    }
  }
  Series integer({.type = "integer"});
  CHECK(integer.of("1.5") == Flag::fail);
  CHECK(integer.of("1e999") == Flag::fail);
  CHECK(integer.why() == R"("t: type is not integer: 1e999")");
}

TEST_CASE("range fails, suspect_range is suspect; their bounds are inside") {
  Series series({.range = {-40, 60}, .suspect_range = {0, 30}});
  CHECK(series.of("-40") == Flag::suspect);
  CHECK(series.of("60") == Flag::suspect);
  CHECK(series.of("0") == Flag::pass);
  CHECK(series.of("30.0") == Flag::pass);
  CHECK(series.of("30.01") == Flag::suspect);
  CHECK(series.of("60.01") == Flag::fail);
  CHECK(series.why() == R"("t: range 60.01 is outside of [-40, 60]")");
  CHECK(series.of("1e999") == Flag::fail);
  CHECK(series.of("-1e999") == Flag::fail);
  CHECK(series.of("1e-999") == Flag::pass);
  CHECK(series.of("\"20\"") == Flag::fail);
  CHECK(series.of("123456789012345678901234567890") == Flag::fail);
}

TEST_CASE("pattern matches the whole text, decoded") {
  Series series({.pattern = "s-[0-9]+"});
  CHECK(series.of("\"s-12\"") == Flag::pass);
  CHECK(series.of("\"\\u0073-1\"") == Flag::pass);
  CHECK(series.of("\"s-12x\"") == Flag::fail);
  CHECK(series.of("12") == Flag::fail);
  Series bomb({.pattern = "(a*)*b"});
  CHECK(bomb.of("\"" + std::string(50'000, 'a') + "\"") == Flag::fail);
}

TEST_CASE("in: the values there are; numbers are compared as numbers") {
  Series series({.in = {"ok", "3", "true"}});
  CHECK(series.of("\"ok\"") == Flag::pass);
  CHECK(series.of("3.0") == Flag::pass);
  CHECK(series.of("\"3\"") == Flag::pass);
  CHECK(series.of("true") == Flag::pass);
  CHECK(series.of("\"OK\"") == Flag::fail);
  CHECK(series.of("4") == Flag::fail);
}

TEST_CASE("rate_of_change: a faster change than allowed is suspect, in both directions") {
  Series series({.rate_of_change = 5});
  CHECK(series.at(0, "10") == Flag::pass);
  CHECK(series.at(1, "15") == Flag::pass);
  CHECK(series.at(2, "20.1") == Flag::suspect);
  CHECK(series.why().find("is more than 5/s") != std::string::npos);
  CHECK(series.at(12, "-20") == Flag::pass);
  CHECK(series.at(13, "-26") == Flag::suspect);
}

TEST_CASE("a late reading is not evaluated against the history and does not change it") {
  Series series({.rate_of_change = 5});
  series.at(10, "10");
  CHECK(series.at(5, "500") == Flag::pass);  // as a value by itself
  CHECK(series.at(10, "500") == Flag::pass);
  CHECK(series.at(11, "11") == Flag::pass);
  CHECK(series.at(12, "500") == Flag::suspect);
}

TEST_CASE("a value that fails by itself does not enter the history") {
  Series series({.range = {0, 100}, .rate_of_change = 5});
  series.at(0, "10");
  CHECK(series.at(1, "1000") == Flag::fail);
  CHECK(series.at(2, "12") == Flag::pass);
  CHECK(series.at(3, "null") == Flag::missing);
  CHECK(series.at(4, "13") == Flag::pass);
}

TEST_CASE("spike: a value far off the two before it is flagged, the ones after it are not") {
  Series series({.spike = SpikeSettings{3, 8}});
  CHECK(series.at(0, "10") == Flag::pass);
  CHECK(series.at(1, "10") == Flag::pass);
  CHECK(series.at(2, "13") == Flag::pass);
  CHECK(series.at(3, "16") == Flag::suspect);
  CHECK(series.at(4, "12") == Flag::pass);
  CHECK(series.at(5, "80") == Flag::fail);
  CHECK(series.why() == R"("t: spike off by 67.5")");
  CHECK(series.at(6, "12") == Flag::pass);
  CHECK(series.at(7, "-80") == Flag::fail);
  CHECK(series.at(8, "90") == Flag::fail);
  CHECK(series.at(9, "12.5") == Flag::pass);
}

TEST_CASE("spike: a level that stays is none") {
  Series series({.spike = SpikeSettings{3, {}}});
  series.at(0, "10");
  series.at(1, "10");
  CHECK(series.at(2, "50") == Flag::suspect);
  CHECK(series.at(3, "51") == Flag::pass);
  CHECK(series.at(4, "50") == Flag::pass);
  CHECK(series.at(5, "10") == Flag::suspect);
}

TEST_CASE("flat_line: a spike inside a stuck stretch does not end it, a new level does") {
  Series series({.spike = SpikeSettings{3, {}}, .flat_line = std::chrono::seconds(10)});
  for (int second = 0; second < 10; ++second)
    CHECK(series.at(second, second == 6 ? "29" : "20") == (second == 6 ? Flag::suspect : Flag::pass));
  CHECK(series.at(10, "20") == Flag::suspect);
  CHECK(series.why() == R"("t: flat_line for 10s")");
  CHECK(series.at(11, "30") == Flag::suspect);
  CHECK(series.why() == R"("t: spike off by 10")");
  CHECK(series.at(12, "20") == Flag::suspect);
  CHECK(series.why() == R"("t: flat_line for 12s")");
  CHECK(series.at(13, "30") == Flag::suspect);
  CHECK(series.at(14, "30") == Flag::pass);  // a level, from its first value on
  CHECK(series.at(22, "30") == Flag::pass);
  CHECK(series.at(23, "30") == Flag::suspect);
  CHECK(series.why() == R"("t: flat_line for 10s")");
}

TEST_CASE("reasons show numbers without the noise of their computation, and still beyond the limit") {
  Series series({.rate_of_change = 0.3, .spike = SpikeSettings{0.3, {}}});
  series.at(0, "20.1011");
  series.at(1, "20.1011");
  CHECK(series.at(2, "20.6066") == Flag::suspect);  // in doubles it is off by 0.5055000000000014
  CHECK(series.why() == R"("t: rate_of_change 0.5055/s is more than 0.3/s","t: spike off by 0.5055")");
  CHECK(to_text_beyond(0.1 + 0.2, 0.3) == "0.30000000000000004");  // it is more, and shows it
  CHECK(to_text_beyond(5.00000001, 5) == "5.00000001");
  CHECK(to_text_beyond(12345678.4, 5) == "12345678");
  CHECK(to_text_beyond(1e300, 5) == "1e+300");
  Series gap({.gap = std::chrono::milliseconds(100)});
  gap.verdict.clear();
  gap.rules.judge("1", {true, 1'700'000'000'000'000'000}, &gap.history, gap.verdict);
  gap.verdict.clear();
  gap.rules.judge("1", {true, 1'700'000'000'300'000'000}, &gap.history, gap.verdict);
  CHECK(gap.why() == R"("t: gap of 0.3s")");
}

TEST_CASE("flat_line: the same value for too long is suspect, for longer it fails") {
  Series series(
      {.flat_line = std::chrono::seconds(10), .flat_line_fail = std::chrono::seconds(20), .flat_line_tolerance = 0.1});
  CHECK(series.at(0, "5") == Flag::pass);
  CHECK(series.at(9, "5.1") == Flag::pass);
  CHECK(series.at(10, "4.95") == Flag::suspect);
  CHECK(series.why() == R"("t: flat_line for 10s")");
  CHECK(series.at(20, "5") == Flag::fail);
  CHECK(series.at(21, "5.2") == Flag::pass);
  CHECK(series.at(30, "5.2") == Flag::pass);
  CHECK(series.at(31, "5.2") == Flag::suspect);
}

TEST_CASE("gap: the first value after too long a time is suspect") {
  Series series({.gap = std::chrono::seconds(30)});
  CHECK(series.at(0, "1") == Flag::pass);
  CHECK(series.at(30, "\"text too\"") == Flag::pass);
  CHECK(series.at(61, "1") == Flag::suspect);
  CHECK(series.why() == R"("t: gap of 31s")");
  CHECK(series.at(62, "1") == Flag::pass);
}

TEST_CASE("unique: a value that came before fails, as far as is remembered") {
  Series series({.unique = true, .unique_within = 2});
  CHECK(series.at(0, "1") == Flag::pass);
  CHECK(series.at(1, "\"1\"") == Flag::pass);
  CHECK(series.at(2, "1.0") == Flag::fail);
  CHECK(series.at(3, "3") == Flag::pass);  // forgets 1
  CHECK(series.at(4, "1") == Flag::pass);  // forgets "1"
  CHECK(series.at(5, "3") == Flag::fail);
  CHECK(series.at(1, "3") == Flag::fail);  // also out of order
  Series large({.unique = true});
  CHECK(large.at(0, "9007199254740992") == Flag::pass);
  CHECK(large.at(1, "9007199254740993") == Flag::pass);
}

TEST_CASE("without a time, rules that need one are not evaluated") {
  Series series({.rate_of_change = 5});
  Verdict verdict;
  series.rules.judge("1", {}, &series.history, verdict);
  CHECK(verdict.flag() == Flag::pass);
  CHECK_FALSE(series.history.seen);
}

TEST_CASE("extreme times and values neither wrap nor flag by accident") {
  Series series({.rate_of_change = 1, .flat_line = std::chrono::hours(1)});
  Verdict verdict;
  series.rules.judge("1.7e308", {true, std::numeric_limits<std::int64_t>::min()}, &series.history, verdict);
  series.rules.judge("-1.7e308", {true, std::numeric_limits<std::int64_t>::max()}, &series.history, verdict);
  CHECK(verdict.flag() == Flag::suspect);
}

TEST_CASE("a history is stored and read back whole, and one of other rules begins anew") {
  std::vector<FieldHistory> fields(2);
  fields[0].values = 2;
  fields[0].seen = fields[0].flat = fields[0].apart = true;
  fields[0].time = -5;
  fields[0].last = 1.5;
  fields[0].last_time = 7;
  fields[0].before = -2.5;
  fields[0].aside = 100;
  fields[0].flat_value = 3;
  fields[0].flat_since = -9;
  fields[1].hashes = {1, 2, 3};
  fields[1].next_hash = 2;
  const auto bytes = encode(fields);
  std::vector<FieldHistory> read(2);
  REQUIRE(decode(bytes, read));
  CHECK(encode(read) == bytes);
  CHECK(read[0].flat_since == -9);
  CHECK(read[1].hashes == fields[1].hashes);
  std::vector<FieldHistory> more(3);
  CHECK_FALSE(decode(bytes, more));
  std::vector<FieldHistory> fewer(1);
  CHECK_FALSE(decode(bytes, fewer));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    std::vector<FieldHistory> cut(2);
    CHECK_FALSE(decode(std::string_view(bytes).substr(0, size), cut));
  }
}

TEST_CASE("rules that make no sense are refused") {
  CHECK_THROWS_AS(FieldRules("t", {.range = {1}}), Misconfigured);
  CHECK_THROWS_AS(FieldRules("t", {.suspect_range = {2, 1}}), Misconfigured);
  CHECK_THROWS_AS(FieldRules("t", {.pattern = "("}), Misconfigured);
  CHECK_THROWS_AS(FieldRules("t", {.spike = SpikeSettings{}}), Misconfigured);
}

}  // namespace
}  // namespace weir::quality
