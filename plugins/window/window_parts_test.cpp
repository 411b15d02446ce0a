#include <doctest/doctest.h>

#include <random>
#include <set>

#include "accumulator.h"
#include "hash.h"
#include "key_text.h"
#include "rfc3339.h"
#include "windows.h"

namespace weir::window {
namespace {

std::string time_text(std::int64_t time) {
  std::string text;
  append_rfc3339(text, time);
  return text;
}

TEST_CASE("a window begins with its start and ends before its end") {
  const TumblingWindows minutes(60);
  CHECK(minutes.assign(60)->start == 60);
  CHECK(minutes.assign(119)->start == 60);
  CHECK(minutes.assign(119)->end == 120);
  CHECK(minutes.assign(120)->start == 120);
}

TEST_CASE("windows before 1970 are aligned too") {
  const TumblingWindows minutes(60);
  CHECK(minutes.assign(-1)->start == -60);
  CHECK(minutes.assign(-60)->start == -60);
  CHECK(minutes.assign(-61)->start == -120);
}

TEST_CASE("a window that reaches beyond the times that can be counted is none") {
  const TumblingWindows minutes(60'000'000'000);
  CHECK_FALSE(minutes.assign(std::numeric_limits<std::int64_t>::max()));
  CHECK_FALSE(minutes.assign(std::numeric_limits<std::int64_t>::min()));
  CHECK(minutes.assign(std::numeric_limits<std::int64_t>::max() - 60'000'000'000));
}

TEST_CASE("a mean keeps what plain addition loses") {
  MeanAccumulator mean;
  for (const double value : {1.0, 1e100, 1.0, -1e100}) REQUIRE(mean.add(value));
  CHECK(mean.mean() == 0.5);
}

TEST_CASE("the error of a mean does not grow with the number of readings") {
  MeanAccumulator mean;
  bool added = true;
  for (int i = 0; i < 10'000'000; ++i) added &= mean.add(0.1);
  CHECK(added);
  CHECK(mean.mean() == 0.1);
}

TEST_CASE("an accumulator that is stored and loaded goes on as if it had not been") {
  std::mt19937_64 random(1);
  MeanAccumulator kept;
  MeanAccumulator stored;
  for (int i = 0; i < 1000; ++i) {
    const double value = static_cast<double>(random()) * 1e-9 - 5e9;
    REQUIRE(kept.add(value));
    REQUIRE(stored.add(value));
    std::string bytes;
    stored.encode(bytes);
    std::string_view view = bytes;
    stored = MeanAccumulator::decode(view);
  }
  CHECK(kept.mean() == stored.mean());
  CHECK(kept.count() == stored.count());
}

TEST_CASE("a sum beyond the range of a double is refused and leaves the mean as it was") {
  MeanAccumulator mean;
  REQUIRE(mean.add(1.7e308));
  CHECK_FALSE(mean.add(1.7e308));
  CHECK(mean.mean() == 1.7e308);
  CHECK(mean.count() == 1);
}

TEST_CASE("times are written with the digits they have") {
  CHECK(time_text(0) == "1970-01-01T00:00:00Z");
  CHECK(time_text(-1) == "1969-12-31T23:59:59.999999999Z");
  CHECK(time_text(1'700'000'000'123'000'000) == "2023-11-14T22:13:20.123Z");
  CHECK(time_text(1'700'000'000'000'001'000) == "2023-11-14T22:13:20.000001Z");
  CHECK(time_text(1'709'164'800'000'000'000) == "2024-02-29T00:00:00Z");
  CHECK(time_text(std::numeric_limits<std::int64_t>::max()) == "2262-04-11T23:47:16.854775807Z");
  CHECK(time_text(std::numeric_limits<std::int64_t>::min()) == "1677-09-21T00:12:43.145224192Z");
}

Value text_value(std::string_view text, std::string_view raw) {
  return {ValueType::text, 0, 0, to_text(text), to_text(raw)};
}

TEST_CASE("a key has one form, however it was written") {
  std::string buffer;
  CHECK(key_text(text_value("a", "\"a\""), buffer) == "\"a\"");
  CHECK(key_text(text_value("a", "\"\\u0061\""), buffer) == "\"a\"");
  CHECK(key_text(text_value("a", ""), buffer) == "\"a\"");
  CHECK(key_text(text_value("\"\n\\", ""), buffer) == "\"\\\"\\u000a\\\\\"");
  CHECK(key_text({ValueType::integer, -7, -7, {}, to_text("-7")}, buffer) == "-7");
  CHECK(key_text({ValueType::real, 0, 1.0, {}, to_text("1.0")}, buffer) == "1");
  CHECK(key_text({ValueType::real, 0, 1.5, {}, to_text("15e-1")}, buffer) == "1.5");
  CHECK(key_text({ValueType::integer, 1, 1, {}, to_text("true")}, buffer) == "true");
  CHECK(key_text(text_value("123456789012345678901234", "123456789012345678901234"), buffer) ==
        "123456789012345678901234");
}

TEST_CASE("the name of a field is recognised, an expression has none") {
  CHECK(field_name("sensor_id") == "sensor_id");
  CHECK(field_name("field('limit')") == "limit");
  CHECK(field_name("lower(sensor_id)").empty());
  CHECK(field_name("a.b").empty());
  CHECK(field_name("field('a') || ('b')").empty());
  CHECK(field_name("1a").empty());
}

TEST_CASE("similar keys do not share a hash") {
  std::set<std::uint64_t> hashes;
  for (int i = 0; i < 100'000; ++i) hashes.insert(hash_bytes("\"s-" + std::to_string(i) + "\"", 42) & 0xffffffffffff);
  CHECK(hashes.size() == 100'000);
  CHECK(hash_bytes("", 1) != hash_bytes(std::string_view("\0", 1), 1));
  CHECK(hash_bytes("a", 1) != hash_bytes("a", 2));
}

}  // namespace
}  // namespace weir::window
