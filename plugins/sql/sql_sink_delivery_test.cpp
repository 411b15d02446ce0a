// What SqlSink delivers when transactions are lost, the process dies, or the database is another than it was.
#include <doctest/doctest.h>

#include "sql_sink_test.h"

namespace {

using namespace weir::sqlite;
using namespace weir::sqlite::testing;

TEST_CASE("rows of a transaction that was lost are written again from what is held, once") {
  bool exactly_once = false;
  SUBCASE("at least once") {}
  SUBCASE("exactly once") {
    exactly_once = true;
  }
  const TemporaryFolder folder;
  const std::string database = "database: " + folder / "x.db" + "\ntable: ";
  Runner sink(type(), database + "t\n", {.record = kRecord, .exactly_once = exactly_once});
  // A second sink of the same file fails its commit, and with it that of the first.
  Runner other(type(), database + "u\n", {.record = kRecord});
  sink.push(R"({"id":"a"})");
  sink.run();
  other.push("{\"id\":\"" + std::string(100, 'x') + "\"}");
  other.run();
  const auto moved = folder / "moved.db";
  std::filesystem::rename(folder / "x.db", moved);
  CHECK_THROWS_AS(other.flush(), weir::Misconfigured);
  std::filesystem::rename(moved, folder / "x.db");
  sink.push(R"({"id":"b"})");
  CHECK_THROWS_WITH_AS(sink.run(), doctest::Contains("written again"), weir::Unavailable);
  CHECK(sink.held() == 1);
  sink.durable();
  sink.run();
  sink.durable();
  other.durable();
  Database reader(folder / "x.db");
  Statement rows(reader, "SELECT (SELECT group_concat(id) FROM t), (SELECT count(*) FROM u)");
  rows.step();
  CHECK(rows.text(0) == "a,b");
  CHECK(rows.integer(1) == 1);
}

TEST_CASE("at least once: what was committed but not yet durable here is written again after a crash") {
  Sink sink;
  sink->push(R"({"id":"a"})");
  sink->durable();
  sink->run();
  sink->flush();
  sink->crash();
  sink->run();
  sink->durable();
  CHECK(sink.rows("SELECT count(*) FROM t") == "2");
}

const Options kExactly{.record = kRecord, .exactly_once = true};

TEST_CASE("exactly once: what was committed is not written again after a crash, what was not is") {
  Sink sink("", kExactly);
  for (const auto* id : {"a", "b"}) sink->push(std::string(R"({"id":")") + id + "\"}");
  sink->run();
  sink->flush();  // committed there, but not durable here
  sink->push(R"({"id":"c"})");
  sink->run();  // in a transaction that the crash takes back
  sink->crash();
  CHECK(sink->queued() == 3);
  sink->run();
  sink->durable();
  CHECK(sink.rows("SELECT group_concat(id) FROM t") == "a,b,c");
  CHECK(sink.rows("SELECT next FROM weir_progress") == "3");
  sink->crash();
  CHECK(sink->queued() == 0);
  sink.write(R"({"id":"d"})");
  CHECK(sink.rows("SELECT group_concat(id) FROM t") == "a,b,c,d");
}

TEST_CASE("exactly once: records that were rejected are rejected again, also where the table would take them now") {
  Sink sink("CREATE TABLE t (id TEXT UNIQUE, n INTEGER)", "", {.exactly_once = true});
  sink->push("{\"id\":\"a\"}\n{\"id\":\"a\",\"n\":1}\n");
  sink->push(R"({"id":"a","n":2})");
  sink->run();
  sink->flush();
  auto before = sink->take("failure");
  REQUIRE(before.size() == 2);
  Database(sink.folder / "x.db").execute("UPDATE t SET id = 'renamed'");
  sink->crash();
  sink->run();
  sink->durable();
  auto after = sink->take("failure");
  REQUIRE(after.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(after[i].content == before[i].content);
    CHECK(after[i].attributes.at("error.message") == before[i].attributes.at("error.message"));
  }
  CHECK(sink.rows("SELECT id FROM t") == "renamed");
}

TEST_CASE("exactly once: rejections are forgotten once they are durable") {
  Sink sink("", kExactly);
  for (int i = 0; i < 5; ++i) sink.write("garbage");
  CHECK(sink->take("failure").size() == 5);
  sink.write(R"({"id":"a"})");
  sink.write(R"({"id":"a"})");
  CHECK(sink.rows("SELECT count(*) FROM weir_rejected") == "0");
}

TEST_CASE("exactly once: a database restored from a backup stops the sink") {
  Sink sink("", kExactly);
  for (const auto* id : {"a", "b"}) sink.write(std::string(R"({"id":")") + id + "\"}");
  SUBCASE("an old database misses what is finished here") {
    Database(sink.folder / "x.db").execute("UPDATE weir_progress SET next = 1");
    CHECK_THROWS_WITH_AS(sink->crash(), doctest::Contains("far side was probably restored"), weir::Misconfigured);
  }
  SUBCASE("an old data directory would hand over again what is there") {
    Database(sink.folder / "x.db").execute("UPDATE weir_progress SET next = 10");
    CHECK_THROWS_WITH_AS(sink->crash(), doctest::Contains("handed over only 2"), weir::Misconfigured);
  }
  SUBCASE("without any progress it begins at the durable cursor") {
    Database(sink.folder / "x.db").execute("DELETE FROM weir_progress");
    sink->crash();
    sink.write(R"({"id":"c"})");
    CHECK(sink.rows("SELECT group_concat(id) FROM t") == "a,b,c");
    CHECK(sink.rows("SELECT next FROM weir_progress") == "3");
  }
}

TEST_CASE("exactly once holds over crashes at any point") {
  for (int crash_after = 0; crash_after < 12; ++crash_after) {
    CAPTURE(crash_after);
    Sink sink("", kExactly);
    int steps = 0;
    const auto maybe = [&] {
      if (steps++ == crash_after) sink->crash();
    };
    for (int i = 0; i < 4; ++i) {
      sink->push("{\"id\":\"" + std::to_string(i) + "\"}\n{\"id\":\"" + std::to_string(i) + "x\"}\n");
      sink->run();
      maybe();
      sink->flush();
      maybe();
      sink->run();
      sink->durable();
      maybe();
    }
    sink->run();
    sink->durable();
    CHECK(sink.rows("SELECT group_concat(id) FROM (SELECT id FROM t ORDER BY rowid)") == "0,0x,1,1x,2,2x,3,3x");
  }
}

}  // namespace
