// The parts that the engine is made of: tokens of JSON, times, templates and their encodings.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <stdexcept>

#include "sql/rewrite.h"
#include "sql/template.h"
#include "sql/time_format.h"
#include "sql/token.h"

using namespace weir::sql;
using weir::abi::Encoding;

namespace {

std::string encoded(std::string_view value, Encoding encoding) {
  std::string to;
  const auto* problem = append_encoded(to, value, encoding);
  return problem != nullptr ? std::string("error: ") + problem : to;
}

}  // namespace

TEST_CASE("numbers are rounded as the C library rounds them") {
  std::mt19937_64 random(7);
  for (int i = 0; i < 50000; ++i) {
    std::string text = (random() % 2 == 0 ? "-" : "") + std::to_string(random() >> random() % 64);
    if (random() % 3 != 0) text += "." + std::to_string(random() >> random() % 64);
    if (random() % 3 == 0) text += (random() % 2 == 0 ? "e-" : "E") + std::to_string(random() % 330);
    std::int64_t integer = 0;
    double real = 0;
    const auto number = parse_number(text, integer, real);
    const double expected = std::strtod(text.c_str(), nullptr);
    CAPTURE(text);
    if (std::isinf(expected)) {
      REQUIRE(number == Number::overflow);
    } else {
      REQUIRE((number == Number::integer || number == Number::big || number == Number::real));
      REQUIRE(real == expected);
    }
  }
}

TEST_CASE("only JSON's numbers are numbers") {
  std::int64_t integer = 0;
  double real = 0;
  for (auto text : {"", "-", "+1", ".5", "1.", "01", "1e", "1e+", "0x1", "NaN", "Infinity", "1 ", "--1", "1.2.3"}) {
    CAPTURE(text);
    CHECK(parse_number(text, integer, real) == Number::invalid);
  }
  CHECK(parse_number("-0", integer, real) == Number::integer);
  CHECK(parse_number("0e999999999999", integer, real) == Number::real);
  CHECK(parse_number("1e-999999999999", integer, real) == Number::real);
  CHECK(parse_number("1e999999999999", integer, real) == Number::overflow);
}

TEST_CASE("JSON is checked to its last byte") {
  for (auto text : {"{}", "[]", " [1, \"a\\u00e9\", {\"b\": null}] ", "0", "\"\"", "true"}) CHECK(is_json(text));
  for (auto text : {"", "{", "[1,]", "{\"a\":1,}", "{a:1}", "[1 2]", "tru", "\"\\x\"", "\"\\u12\"", "[}", "{\"a\"}",
                    "1 2", "\"a", "[,1]", "{\"a\":}"}) {
    CAPTURE(text);
    CHECK(!is_json(text));
  }
  CHECK(is_json(std::string(1024, '[') + std::string(1024, ']')));
  CHECK(!is_json(std::string(1025, '[') + std::string(1025, ']')));
}

TEST_CASE("text that is no UTF-8 is still written as JSON") {
  std::string to;
  append_quoted(to, "a\xff\x01\"\\\n\xc3\xa9\xed\xa0\x80");
  CHECK(to == "\"a\xEF\xBF\xBD\\u0001\\\"\\\\\\n\xc3\xa9\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
  CHECK(is_json(to));
}

TEST_CASE("times are written as they are read") {
  for (std::int64_t ns : {std::int64_t{0}, std::int64_t{1'700'000'000'123'000'000}, std::int64_t{-1'000'000},
                          std::int64_t{951'782'400'000'000'000}}) {
    char buffer[kIsoLength];
    format_iso(ns, buffer);
    std::int64_t again = 1;
    REQUIRE(parse_rfc3339({buffer, kIsoLength}, again));
    CHECK(again == ns);
  }
  std::int64_t ns = 0;
  for (auto text : {"", "2023", "2023-13-01", "2023-02-30", "2023-01-01T24:00:00Z", "2023-01-01T00:00:00X",
                    "2023-01-01T00:00:00.Z", "2023-01-01T00:00+1:00", "9999-01-01T00:00:00Z"}) {
    CAPTURE(text);
    CHECK(!parse_rfc3339(text, ns));
  }
  CHECK(parse_rfc3339("2000-02-29 12:00", ns));
  CHECK_THROWS_AS(TimeFormat("%Y-%m-%d"), std::invalid_argument);
  CHECK_THROWS_AS(TimeFormat("unix"), std::invalid_argument);
}

TEST_CASE("templates are split at $(SQL), quotes and nesting respected") {
  const auto parts = parse_template("a$(f(')', \")\"))b$$(c)$(d)");
  REQUIRE(parts.size() == 5);
  CHECK(parts[0].text == "a");
  CHECK(parts[1].text == "f(')', \")\")");
  CHECK(parts[1].offset == 3);
  CHECK(parts[2].text == "b");
  CHECK(parts[3].text == "$(c)");
  CHECK(parts[4].text == "d");
  CHECK(parse_template("").empty());
  CHECK_THROWS_AS(parse_template("$(a"), SqlProblem);
}

TEST_CASE("data never adds a segment, a host or a line") {
  CHECK(encoded("a/../b", Encoding::path_segment) == "a%2F..%2Fb");
  CHECK(encoded("..", Encoding::path_segment) == "%2E.");
  CHECK(encoded("", Encoding::path_segment).starts_with("error: "));
  CHECK(encoded(std::string(256, 'a'), Encoding::path_segment).starts_with("error: "));
  CHECK(encoded(std::string_view("a\0b", 3), Encoding::path_segment) == "a%00b");
  CHECK(encoded("a?b#c@d:é", Encoding::url_segment) == "a%3Fb%23c%40d%3A%C3%A9");
  CHECK(encoded("..", Encoding::url_segment).starts_with("error: "));
  CHECK(encoded("a\r\nX: y", Encoding::header).starts_with("error: "));
  CHECK(encoded("plain é", Encoding::header) == "plain é");
  CHECK(encoded("a;b", Encoding::identifier).starts_with("error: "));
  CHECK(encoded("table_1", Encoding::identifier) == "table_1");
  CHECK(encoded("a/+/#", Encoding::topic_level) == "a%2F%2B%2F%23");
  CHECK(encoded("$SYS", Encoding::topic_level) == "%24SYS");
}
