// SqlSink against real servers that go down, refuse, or are shared: nothing lost, and nothing twice where that is
// promised.

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "sql_server_test.h"
#include "weir/testkit_lane.h"

namespace weir::db {
namespace {

ON_EVERY_SERVER("a server that is not there is waited for, from the start on") {
  NEEDS_SERVER();
  std::string url = On::server().url();
  url.replace(url.rfind(':') + 1, url.rfind('/') - url.rfind(':') - 1, "1");
  CHECK(refusal<On>("database: \"" + url + "\"\ntable: t\n").starts_with("unavailable: "));
}

ON_EVERY_SERVER("what a server that goes down takes with it is written again, once") {
  NEEDS_SERVER();
  On::execute("DROP TABLE IF EXISTS weir_progress");
  On::execute("DROP TABLE IF EXISTS weir_rejected");
  auto runner = sink<On>("table: t\n", kExactlyOnce);
  runner->push("{\"id\":\"a\"}\ngarbage\n");
  runner->run();
  runner->flush();  // committed there, not yet durable here
  runner->push(R"({"id":"b"})");
  runner->run();
  SUBCASE("it is restarted") {
    On::server().stop();
    CHECK_THROWS_AS(runner->flush(), Unavailable);
    runner->push(R"({"id":"c"})");
    CHECK_THROWS_AS(runner->run(), Unavailable);
    CHECK(runner->held() == 1);
    On::server().start();
  }
  SUBCASE("it is killed, between two steps") {
    On::server().kill();
    On::server().start();
    runner->push(R"({"id":"c"})");
  }
  until_durable(*runner);
  CHECK(On::rows("SELECT id FROM t ORDER BY id") == "a\nb\nc");
  CHECK(runner->take("failure").size() == 1);
  CHECK(On::rows("SELECT next FROM weir_progress") == "3");
}

ON_EVERY_SERVER("a transaction that the server takes back because of a deadlock is written again") {
  NEEDS_SERVER();
  auto runner = sink<On>("table: t\nmode: upsert\nkey: [id]\n");
  write(*runner, "{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\",\"n\":1}\n");
  runner->push(R"({"id":"a","n":2})");
  runner->run();  // a is locked
  const auto other = On::admin();
  other->begin();
  other->execute("UPDATE t SET temperature = 5 WHERE id = 'b'");
  std::thread second([&] {
    try {
      other->execute("UPDATE t SET temperature = 5 WHERE id = 'a'");
      other->commit();
    } catch (const Unavailable&) {
      other->roll_back();  // this one was chosen
    }
  });
  // Wait until the other waits for the sink.
  const auto waiting = On::kDialect == Dialect::postgresql
                           ? "SELECT count(*) FROM pg_locks WHERE NOT granted"
                           : "SELECT variable_value FROM information_schema.global_status WHERE variable_name = "
                             "'INNODB_ROW_LOCK_CURRENT_WAITS'";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (On::rows(waiting) != "1" && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  CHECK(On::rows(waiting) == "1");
  runner->push(R"({"id":"b","n":2})");
  until_durable(*runner);
  second.join();
  CHECK(On::rows("SELECT id, n FROM t ORDER BY id") == "a|2\nb|2");
}

ON_EVERY_SERVER("exactly once holds over crashes at any point") {
  NEEDS_SERVER();
  for (int crash_after = 0; crash_after < 12; ++crash_after) {
    CAPTURE(crash_after);
    for (const auto* table : {"t", "weir_progress", "weir_rejected"})
      On::execute(std::string("DROP TABLE IF EXISTS ") + table);
    auto runner = sink<On>("table: t\n", kExactlyOnce);
    int steps = 0;
    const auto maybe = [&] {
      if (steps++ == crash_after) runner->crash();
    };
    for (int i = 0; i < 4; ++i) {
      runner->push("{\"id\":\"" + std::to_string(i) + "\"}\nno " + std::to_string(i) + "\n{\"id\":\"" +
                   std::to_string(i) + "x\"}\n");
      runner->run();
      maybe();
      runner->flush();
      maybe();
      runner->run();
      runner->durable();
      maybe();
    }
    runner->run();
    runner->durable();
    CHECK(On::rows("SELECT id FROM t ORDER BY id") == "0\n0x\n1\n1x\n2\n2x\n3\n3x");
    CHECK(runner->take("failure").size() >= 4);
    CHECK(On::rows("SELECT next FROM weir_progress") == "4");
  }
}

ON_EVERY_SERVER("a lane goes on where its last owner committed, who can commit no more") {
  NEEDS_SERVER();
  On::execute("DROP TABLE IF EXISTS weir_lanes");
  testkit::TestLane lane;
  auto options = kExactlyOnce;
  options.lane = &lane;
  auto before = sink<On>("table: t\n", options);
  CHECK(lane.claimed_at == 0);
  const auto round = [](testkit::Runner& runner, testkit::TestLane& in, std::int64_t end, const std::string& id) {
    in.round(in.last, end);
    runner.push("{\"id\":\"" + id + "\"}");
    runner.run();
    CHECK(On::rows("SELECT count(*) FROM t WHERE id = '" + id + "'") == "0");  // nothing is locked between rounds
    runner.flush();
  };
  round(*before, lane, 10, "a");
  round(*before, lane, 25, "b");

  testkit::TestLane next;
  options.lane = &next;
  const auto after = sink<On>("table: t\n", options);
  CHECK(next.claimed_at == 25);
  CHECK_THROWS_AS(round(*before, lane, 40, "c"), Unavailable);
  CHECK(lane.lost_because.find("another Weir has claimed it") != std::string::npos);
  next.last = 25;
  round(*after, next, 30, "d");
  CHECK(next.lost_because.empty());
  CHECK(On::rows("SELECT id FROM t ORDER BY id") == "a\nb\nd");
  CHECK(On::rows("SELECT lane, sink, generation, next FROM weir_lanes") == "flow@topic/0|processor|2|30");
}

ON_EVERY_SERVER("sinks that begin in the same moment make the tables that they share") {
  NEEDS_SERVER();
  for (const bool in_lanes : {true, false}) {
    CAPTURE(in_lanes);
    for (int times = 0; times < 10; ++times) {
      for (const auto* table : {"weir_lanes", "weir_progress", "weir_rejected"})
        On::execute(std::string("DROP TABLE IF EXISTS ") + table);
      std::array<testkit::TestLane, 8> lanes;
      std::array<std::string, 8> refused;
      {
        std::vector<std::jthread> begin;
        for (std::size_t i = 0; i < lanes.size(); ++i) {
          begin.emplace_back([&, i] {
            auto options = kExactlyOnce;
            if (in_lanes) options.lane = &lanes[i];
            do {  // who is told to try again does, as the engine would
              refused[i] = refusal<On>(On::login() + "table: t\n", options);
            } while (refused[i].find("it is tried again") != std::string::npos);
          });
        }
      }
      for (const auto& each : refused) CHECK(each == "accepted");
    }
  }
}

ON_EVERY_SERVER("what a lane's round has refused is at failure before the round is committed") {
  NEEDS_SERVER();
  On::execute("DROP TABLE IF EXISTS weir_lanes");
  On::own("CREATE TABLE t (id VARCHAR(20) PRIMARY KEY)");
  testkit::TestLane lane;
  auto options = kExactlyOnce;
  options.lane = &lane;
  auto runner = sink<On>("table: t\ncolumns: {id: id}\n", options);
  lane.round(0, 10);
  runner->push("{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"a\"}\n");
  runner->push(R"({"id":"b"})");
  runner->run();
  runner->flush();
  const auto failed = runner->take("failure");
  REQUIRE(failed.size() == 2);
  CHECK(failed[0].content == "{\"id\":\"a\"}\n");
  CHECK(failed[1].content == R"({"id":"b"})");
  CHECK(failed[0].attributes.contains("error.message"));
  CHECK(runner->held() == 2);
  CHECK(On::rows("SELECT count(*) FROM t") == "0");
  CHECK(On::rows("SELECT next FROM weir_lanes") == "0");
  On::execute("INSERT INTO t (id) VALUES ('b')");  // now more is refused than before
  runner->flush();
  REQUIRE(runner->take("failure").size() == 1);
  CHECK(runner->held() == 2);
  CHECK(On::rows("SELECT next FROM weir_lanes") == "0");
  runner->flush();
  CHECK(runner->held() == 0);
  CHECK(runner->take("failure").empty());
  CHECK(On::rows("SELECT id FROM t ORDER BY id") == "a\nb");
  CHECK(On::rows("SELECT next FROM weir_lanes") == "10");
  CHECK(runner->metric("sql_rejected_records") == 3);
}

ON_EVERY_SERVER("in a lane, a round that is done again for a refusal takes nothing back of how far the sink is") {
  NEEDS_SERVER();
  On::execute("DROP TABLE IF EXISTS weir_lanes");
  testkit::TestLane lane;
  auto options = kExactlyOnce;
  options.lane = &lane;
  auto before = sink<On>("table: t\n", options);
  lane.round(0, 30);
  write(*before, R"({"id":"a"})");
  testkit::TestLane next;
  options.lane = &next;
  auto after = sink<On>("table: t\n", options);
  REQUIRE(next.claimed_at == 30);
  next.round(0, 10);
  write(*after, R"({"id":"refused by another"})");
  CHECK(On::rows("SELECT next FROM weir_lanes") == "30");
}

ON_EVERY_SERVER("exactly once: a commit that is still being decided when its connection is gone is waited for") {
  NEEDS_SERVER();
  for (const auto* table : {"weir_progress", "weir_rejected"})
    On::execute(std::string("DROP TABLE IF EXISTS ") + table);
  auto runner = sink<On>("table: t\n", kExactlyOnce);
  runner->push(R"({"id":"a"})");
  runner->durable();
  // What a connection that was cut in its commit leaves behind: a transaction that only the server knows of.
  const auto left_behind = On::admin();
  left_behind->begin();
  left_behind->execute("INSERT INTO t (id) VALUES ('a')");
  left_behind->execute("UPDATE weir_progress SET next = 1");
  std::thread server([&] {
    const auto waiting = On::kDialect == Dialect::postgresql
                             ? "SELECT count(*) FROM pg_locks WHERE NOT granted"
                             : "SELECT variable_value FROM information_schema.global_status WHERE variable_name = "
                               "'INNODB_ROW_LOCK_CURRENT_WAITS'";
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (On::rows(waiting) != "1" && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    left_behind->commit();
  });
  runner->crash();  // and a start, which reads how far it is
  server.join();
  until_durable(*runner);
  CHECK(On::rows("SELECT id FROM t") == "a");
}

}  // namespace
}  // namespace weir::db
