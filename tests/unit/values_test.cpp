// Scalars: one canonical spelling for each kind, units mandatory, bounds kept.
#include <doctest/doctest.h>

#include <regex>

#include "flow/cron.h"
#include "flow/sql_text.h"
#include "flow/values.h"

using namespace weir;

namespace {

flow::Value read(abi::Kind kind, std::string_view text) {
  return flow::read_value(abi::Property{}, kind, text);
}

std::string canonical(abi::Kind kind, std::string_view text) {
  const auto value = read(kind, text);
  return value.problem.empty() ? value.canonical : "!" + value.problem;
}

std::string next(const char* cron, std::int64_t after) {
  return std::to_string(flow::next_cron_time(cron, after * 1'000'000'000) / 1'000'000'000);
}

}  // namespace

TEST_CASE("durations become nanoseconds, and need their unit") {
  CHECK(canonical(abi::Kind::duration, "250ms") == "250000000");
  CHECK(canonical(abi::Kind::duration, "1.5s") == "1500000000");
  CHECK(canonical(abi::Kind::duration, "2d") == "172800000000000");
  CHECK(canonical(abi::Kind::duration, "0") == "0");
  CHECK(canonical(abi::Kind::duration, "30") == "!is a duration without its unit");
  CHECK(canonical(abi::Kind::duration, "-1s") == "!is no duration");
  CHECK(canonical(abi::Kind::duration, "99999999999999d") == "!is no whole duration or too large");
  CHECK(read(abi::Kind::duration, "5min").nearest == "5m");
}

TEST_CASE("sizes become bytes, and need their unit") {
  CHECK(canonical(abi::Kind::bytes, "64MiB") == "67108864");
  CHECK(canonical(abi::Kind::bytes, "1.5KiB") == "1536");
  CHECK(canonical(abi::Kind::bytes, "3kB") == "3000");
  CHECK(canonical(abi::Kind::bytes, "0.3B") == "!is no whole size or too large");
  CHECK(canonical(abi::Kind::bytes, "64") == "!is a size without its unit");
  CHECK(read(abi::Kind::bytes, "64MB").nearest == "64MiB");
}

TEST_CASE("rates become a number a second") {
  CHECK(canonical(abi::Kind::rate, "5/s") == "5");
  CHECK(canonical(abi::Kind::rate, "30/m") == "0.5");
  CHECK(canonical(abi::Kind::rate, "0.1 /s") == "0.1");
  CHECK(read(abi::Kind::rate, "5").nearest == "5/s");
  CHECK(canonical(abi::Kind::rate, "5/d") == "!is no rate");
}

TEST_CASE("numbers are finite and decimal, booleans true or false") {
  CHECK(canonical(abi::Kind::integer, "007") == "7");
  CHECK(canonical(abi::Kind::integer, "18446744073709551615") == "18446744073709551615");
  CHECK(canonical(abi::Kind::integer, "18446744073709551616") == "!is no integer");
  CHECK(canonical(abi::Kind::integer, "1.0") == "!is no integer");
  CHECK(canonical(abi::Kind::number, "+1e3") == "1e3");
  CHECK(canonical(abi::Kind::number, "nan") == "!is no number");
  CHECK(canonical(abi::Kind::number, "1e999") == "!is no number");
  CHECK(canonical(abi::Kind::boolean, "true") == "true");
  CHECK(read(abi::Kind::boolean, "yes").nearest == "true");
  CHECK(read(abi::Kind::boolean, "Off").nearest == "false");
}

TEST_CASE("bounds are told in the units of the flow") {
  abi::Property property{};
  property.flags = abi::kHasMinimum | abi::kHasMaximum;
  property.minimum = 1e9;
  property.maximum = 60e9;
  CHECK(flow::read_value(property, abi::Kind::duration, "2m").expected == "1s to 1m");
  CHECK(flow::read_value(property, abi::Kind::duration, "1m").problem.empty());
  property.flags = abi::kHasMinimum | abi::kExclusiveMinimum;
  property.minimum = 0;
  CHECK(flow::read_value(property, abi::Kind::integer, "0").expected == "more than 0");
  property.flags = abi::kHasMinimum | abi::kHasMaximum;
  property.minimum = 1;
  property.maximum = 1e5;
  CHECK(flow::read_value(property, abi::Kind::integer, "0").expected == "1 to 100000");
}

TEST_CASE("the schema's patterns and the reader agree on what a unit looks like") {
  for (const auto* text : {"30s", "1.5h", "0", "250 ms", "30", "5min", "-1s", "", "s", "1.s", ".5s", "5/s", "64MiB",
                           "64MB", "1e3/s", "3 /m"}) {
    for (const auto kind : {abi::Kind::duration, abi::Kind::bytes, abi::Kind::rate}) {
      CAPTURE(text);
      CAPTURE(flow::kind_name(kind));
      const std::string value(text);
      const bool matches = std::regex_match(value, std::regex(std::string(flow::pattern(kind))));
      // The reader is more lenient with a point at an end, and with nothing else.
      if (value.find(".s") != std::string::npos || value.starts_with('.')) continue;
      CHECK(matches == read(kind, text).problem.empty());
    }
  }
}

TEST_CASE("cron expressions give the next time that matches, in UTC") {
  CHECK(next("* * * * *", 0) == "60");
  CHECK(next("*/15 * * * * *", 0) == "15");
  CHECK(next("0 6 * * *", 0) == "21600");
  CHECK(next("0 0 1 feb *", 0) == std::to_string(31 * 86400));
  CHECK(next("0 0 29 2 *", 0) == "68169600");                                     // 1972
  CHECK(next("30 8 * * mon", 0) == std::to_string(4 * 86400 + 8 * 3600 + 1800));  // 1 January 1970 was a Thursday
  CHECK(next("0 0 13 * 5", 0) == std::to_string(86400));                          // Friday or the 13th
  CHECK(next("59 59 23 31 12 *", 0) == "31535999");
  CHECK(next("0 0 * * 7", 0) == std::to_string(3 * 86400));
}

TEST_CASE("a cron expression that is wrong, or never comes, is told") {
  CHECK(flow::check_cron("0 6 * * *").empty());
  CHECK(flow::check_cron("0 6 * *") == "has 4 fields");
  CHECK(flow::check_cron("61 * * * *").find("'61' as minute") != std::string::npos);
  CHECK(flow::check_cron("*/0 * * * *").find("'*/0'") != std::string::npos);
  CHECK(flow::check_cron("5-1 * * * *").find("'5-1'") != std::string::npos);
  CHECK(flow::check_cron("0 0 30 2 *") == "names a day that never comes");
  CHECK_FALSE(flow::check_cron("*/99999999999 * * * *").empty());
}

TEST_CASE("SQL is cut into code, strings, names and comments") {
  const std::string sql = "a = 'it''s' -- :no\n AND \"b c\" /* ' */ > :x";
  std::string kinds;
  for (const auto& token : flow::sql_tokens(sql))
    kinds += "ctin"[static_cast<int>(token.part) == 3 ? 3 : static_cast<int>(token.part)];
  CHECK(kinds == "ctcncicnc");
  CHECK(flow::end_of_expression("$(f(')') || 1) tail", 2) == 14);
  CHECK(flow::end_of_expression("$(f(", 2) == std::string::npos);
  CHECK(flow::sql_literal("o'brien") == "'o''brien'");
}
