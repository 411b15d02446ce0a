// The parts of the Kafka plugin that need no broker.
#include <doctest/doctest.h>

#include "lane_position.h"
#include "options.h"
#include "progress_topic.h"
#include "resume.h"
#include "weir/errors.h"

using namespace weir::kafka;

TEST_CASE("reading goes on at the larger of our own position and the group's, unless the group was set back") {
  CHECK(!resume_at(std::nullopt, std::nullopt).offset);
  CHECK(resume_at(std::nullopt, 7).offset == 7);
  CHECK(resume_at(Position{.next = 9, .confirmed = -1}, std::nullopt).offset == 9);
  CHECK(resume_at(Position{.next = 9, .confirmed = 5}, 5).offset == 9);    // a crash before the commit
  CHECK(resume_at(Position{.next = 9, .confirmed = 5}, 12).offset == 12);  // another member went on
  const auto reset = resume_at(Position{.next = 9, .confirmed = 5}, 2);
  CHECK(reset.offset == 2);
  CHECK(reset.set_back);
  CHECK(!resume_at(Position{.next = 9, .confirmed = -1}, 2).set_back);
}

TEST_CASE("what the group keeps of a lane survives as its metadata, and what others have set is none of it") {
  const LanePosition position{
      .next = 90, .held_from = 90, .needed_from = 17, .kept = {{"mean", "1700000000"}, {"total", "-5"}}};
  CHECK(position.metadata() == "weir1 17 mean=1700000000 total=-5");
  CHECK(LanePosition::read(90, position.metadata()) == position);
  const LanePosition no_windows{.next = 90, .held_from = 90, .needed_from = 90, .kept = {}};
  CHECK(LanePosition::read(90, no_windows.metadata()) == no_windows);
  const LanePosition held{.next = 90, .held_from = 60, .needed_from = 17, .kept = {{"mean", "1700000000"}}};
  CHECK(held.metadata() == "weir2 17 60 mean=1700000000");
  CHECK(LanePosition::read(90, held.metadata()) == held);
  for (const char* other : {"", "weir2 17", "weir2 17 16", "weir2 17 91", "weir2 17 x", "weir3 17", "weir1 ", "weir1 x",
                            "weir1 -1", "weir1 91", "weir1 17 mean", "set by me"})
    CHECK(!LanePosition::read(90, other));
}

TEST_CASE("a lane's progress has its generation, and that of a store has none") {
  const StoredProgress lane{.next = 7, .generation = 3, .rejected = {}};
  CHECK(lane.encode() == "next 7\ngeneration 3\n");
  CHECK(StoredProgress::decode(lane.encode()).generation == 3);
  CHECK(StoredProgress::decode("next 7\n").generation == 0);
}

TEST_CASE("positions and partitions survive as state") {
  const Position position{.next = 1'234'567'890'123, .confirmed = 17};
  CHECK(Position::decode(position.encode()) == position);
  CHECK(Position::decode(Position{}.encode()) == Position{});
  CHECK(partition_of(to_string({"a.b-c_d", 12})) == Partition{"a.b-c_d", 12});
  CHECK(!partition_of("sessions"));
  CHECK(!partition_of("a/b"));
}

TEST_CASE("times are read as RFC 3339 has them") {
  CHECK(parse_time("1970-01-01T00:00:01Z") == 1000);
  CHECK(parse_time("1970-01-01T01:00:00.250+01:00") == 250);
  CHECK(parse_time("1969-12-31T23:30:00-00:30") == 0);
  for (const char* text : {"", "latest", "2024-01-01", "2024-01-01T00:00:00", "2024-01-01T00:00:00.Z",
                           "2024-01-01T00:00:00+1:00", "2024-01-01T00:00:00Zx"})
    CHECK_MESSAGE(!parse_time(text), text);
}

TEST_CASE("progress survives as a message, and what is none is refused") {
  StoredProgress progress;
  progress.next = 42;
  progress.rejected[40] = {{0, "the key is NULL"}, {3, "two\nlines"}};
  const auto read = StoredProgress::decode(progress.encode());
  CHECK(read.next == 42);
  REQUIRE(read.rejected.at(40).size() == 2);
  CHECK(read.rejected.at(40)[0].message == "the key is NULL");
  CHECK(read.rejected.at(40)[1].record == 3);
  CHECK(read.rejected.at(40)[1].message == "two lines");
  for (const char* text : {"", "next\n", "next x\n", "next 1\nbought 2\n", "rejected 1 2 why\n"})
    CHECK_THROWS_AS(StoredProgress::decode(text), weir::Misconfigured);
}

TEST_CASE("progress that is larger than a message survives in several, whatever was there before") {
  StoredProgress progress;
  progress.next = 42;
  for (std::uint32_t i = 0; i < 100; ++i) progress.rejected[40].push_back({i, "why " + std::to_string(i)});
  ProgressTexts topic;
  const auto write = [&](std::size_t most) {
    for (const auto& [key, text] : to_messages("c", progress, most)) {
      CHECK(text.size() <= most);
      topic[key] = text;
    }
  };
  const auto check = [&](std::size_t rejected) {
    const auto read = from_messages(topic);
    REQUIRE(read.size() == 1);
    CHECK(read.at("c").next == 42);
    REQUIRE(read.at("c").rejected.at(40).size() == rejected);
    CHECK(read.at("c").rejected.at(40).back().message == "why " + std::to_string(rejected - 1));
  };
  write(64);
  CHECK(topic.size() > 10);
  check(100);
  progress.rejected[40].resize(20);  // fewer parts: those of before are no part of it
  write(64);
  check(20);
  progress.rejected[40].resize(1);
  write(64);
  check(1);
  topic = {{"c", "parts 2\n"}, {"c\n1", "next 4"}};
  CHECK_THROWS_AS(from_messages(topic), weir::Misconfigured);
}

TEST_CASE("of unknown names the nearest is suggested, and none where none is near") {
  CHECK(nearest("lingr.ms", {"linger.ms", "log_level"}) == "linger.ms");
  CHECK(nearest("nonsense", {"linger.ms", "log_level"}).empty());
  CHECK_NOTHROW(check_options({{"linger.ms", "5"}, {"sasl.username", "u"}, {"ssl.ca.location", "x"}}, Role::producer));
}
