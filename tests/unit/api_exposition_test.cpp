// Prometheus' text format: what is written is read back by a strict parser, and that parser refuses what is wrong.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "api/exposition.h"
#include "tests/unit/exposition_parser.h"

namespace {

using weir::api::Exposition;
using weir::api::MetricType;
using weir::api::test::ExpositionParser;
using weir::api::test::Labels;

}  // namespace

TEST_CASE("any text in a label or a help comes back as it was") {
  Exposition out;
  const std::string hostile = "a\\b\"c\nd{e=\"f\"}, °C \\n";
  out.begin({"x", MetricType::gauge, "label", hostile});
  out.labels({{"one", hostile}, {"two", ""}});
  out.sample(1.5);
  const auto families = ExpositionParser::parse(out.text());
  REQUIRE(families.size() == 1);
  CHECK(families[0].help == hostile);
  REQUIRE(families[0].samples.size() == 1);
  CHECK(families[0].samples[0].labels == Labels{{"one", hostile}, {"two", ""}});
  CHECK(families[0].samples[0].value == 1.5);
}

TEST_CASE("every number comes back as it was") {
  for (const double value : {0.0, -1.0, 0.1, 1e-300, 1.7e308, 12345678901234567.0,
                             std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()}) {
    Exposition out;
    out.begin({"x", MetricType::gauge, "", "A number."});
    out.sample(value);
    CHECK(ExpositionParser::parse(out.text())[0].samples[0].value == value);
  }
  Exposition out;
  out.begin({"x_total", MetricType::counter, "", "A number."});
  out.sample(std::uint64_t{9'007'199'254'740'991});
  CHECK(out.text().ends_with("x_total 9007199254740991\n"));
  Exposition nan;
  nan.begin({"x", MetricType::gauge, "", "A number."});
  nan.sample(std::nan(""));
  CHECK(nan.text().ends_with("x NaN\n"));
}

TEST_CASE("a histogram has cumulative buckets up to +Inf, a sum and a count") {
  Exposition out;
  out.begin({"x_seconds", MetricType::histogram, "label", "A time."});
  out.labels({{"flow", "f"}});
  const std::vector<double> bounds{0.1, 1};
  const std::vector<std::uint64_t> cumulative{2, 3};
  out.histogram(bounds, cumulative, 4, 12.5);
  CHECK_NOTHROW(ExpositionParser::parse(out.text()));
  CHECK(out.text().find("x_seconds_bucket{flow=\"f\",le=\"0.1\"} 2\n") != std::string::npos);
  CHECK(out.text().find("x_seconds_bucket{flow=\"f\",le=\"+Inf\"} 4\n") != std::string::npos);
  CHECK(out.text().ends_with("x_seconds_sum{flow=\"f\"} 12.5\nx_seconds_count{flow=\"f\"} 4\n"));
}

TEST_CASE("a name keeps letters and digits, and nothing that a name must not have") {
  CHECK(weir::api::sanitised("mqtt.inbox-bytes") == "mqtt_inbox_bytes");
  CHECK(weir::api::sanitised("9 °C") == "9___C");
}

TEST_CASE("the parser of these tests refuses what Prometheus would") {
  const std::string head = "# HELP x A.\n# TYPE x gauge\n";
  CHECK_NOTHROW(ExpositionParser::parse(head + "x{a=\"b\"} 1\nx{a=\"c\"} 2\n"));
  for (const auto& bad : std::vector<std::string>{
           "x 1\n",
           "# HELP x A.\nx 1\n",
           head + "x 1",
           head + "y 1\n",
           head + "x{a=\"b\"} 1\nx{a=\"b\"} 2\n",
           head + "x one\n",
           head + "x\n",
           head + "x{a=b} 1\n",
           head + "x{a=\"b} 1\n",
           head + "x{a=\"\\q\"} 1\n",
           head + "x{a=\"b\",a=\"c\"} 1\n",
           head + "x{9a=\"b\"} 1\n",
           head + "x 1 2 3\n",
           head + "x inf\n",
           head + head + "x 1\n",
           "# HELP x A.\n# TYPE x counter\nx 1\n",
           "# HELP x_total A.\n# TYPE x_total gauge\n",
           "# HELP x_count A.\n# TYPE x_count gauge\nx_count 1\n",
           head + "\nx 1\n",
           "# HELP h A.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
           "# HELP h A.\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
           "# HELP h A.\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(ExpositionParser::parse(bad), std::runtime_error);
  }
}
