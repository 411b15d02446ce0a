#include <doctest/doctest.h>

#include <fstream>

#include "progress_table.h"
#include "sqlite_connection.h"
#include "table.h"
#include "target.h"
#include "temporary_folder.h"
#include "weir/errors.h"

namespace weir::sqlite {
namespace {

std::int64_t count(Database& database, const std::string& table) {
  Statement statement(database, "SELECT count(*) FROM " + table);
  statement.step();
  return statement.integer(0);
}

TEST_CASE("sinks of one file share one target, however the path is written; others do not") {
  const TemporaryFolder folder;
  const auto a = Target::open(folder / "x.db");
  CHECK(Target::open(folder / "sub/../x.db") == a);
  CHECK(Target::open(folder / "y.db") != a);
}

TEST_CASE("a commit by one sink makes the other's rows durable too") {
  const TemporaryFolder folder;
  const auto target = Target::open(folder / "x.db");
  target->database().execute("CREATE TABLE t (a)");
  const auto first = target->begin();
  target->database().execute("INSERT INTO t VALUES (1)");
  CHECK(target->begin() == first);
  target->commit();
  CHECK(target->holds(first));
  Database reader(folder / "x.db");
  CHECK(count(reader, "t") == 1);
}

TEST_CASE("readers see the last commit while a transaction is open, and do not stop it") {
  const TemporaryFolder folder;
  const auto target = Target::open(folder / "x.db");
  target->database().execute("CREATE TABLE t (a)");
  target->begin();
  target->database().execute("INSERT INTO t VALUES (1)");
  Database reader(folder / "x.db");
  reader.execute("BEGIN");
  CHECK(count(reader, "t") == 0);
  target->commit();
  CHECK(count(reader, "t") == 0);
  reader.execute("COMMIT");
  CHECK(count(reader, "t") == 1);
}

TEST_CASE("a transaction that was taken back is known to be lost, the next one is not") {
  const TemporaryFolder folder;
  const auto target = Target::open(folder / "x.db");
  const auto first = target->begin();
  target->roll_back();
  CHECK_FALSE(target->holds(first));
  const auto second = target->begin();
  CHECK(target->holds(second));
  target->commit();
  CHECK(target->holds(second));
}

TEST_CASE("a transaction that SQLite ends by itself, because the database is full, is lost") {
  const TemporaryFolder folder;
  const auto target = Target::open(folder / "x.db");
  auto& database = target->database();
  database.execute("CREATE TABLE t (a); PRAGMA max_page_count = 5; PRAGMA cache_spill = 1");
  const auto transaction = target->begin();
  int code = 0;
  try {
    for (int i = 0; i < 1000; ++i) database.execute("INSERT INTO t VALUES (zeroblob(1000))");
  } catch (const Error& error) {
    code = error.code();
    target->check();
    if (target->holds(transaction)) target->roll_back();
  }
  CHECK(code == 13);  // SQLITE_FULL
  CHECK_FALSE(target->holds(transaction));
  CHECK(count(database, "t") == 0);
}

TEST_CASE("a database file that was deleted under the sink is noticed before its rows are called safe") {
  const TemporaryFolder folder;
  const auto target = Target::open(folder / "x.db");
  target->database().execute("CREATE TABLE t (a)");
  const auto transaction = target->begin();
  target->database().execute("INSERT INTO t VALUES (1)");
  std::filesystem::remove(folder / "x.db");
  CHECK_THROWS_AS(target->commit(), Error);
  CHECK_FALSE(target->holds(transaction));
}

TEST_CASE("what cannot be opened says why") {
  const TemporaryFolder folder;
  const auto message = [](const std::string& path) -> std::string {
    try {
      Target::open(path);
    } catch (const Misconfigured& error) {
      return error.what();
    }
    return "opened";
  };
  std::ofstream(folder / "text.db") << std::string(5000, 'x');
  CHECK(message(folder / "text.db").find("is no SQLite database") != std::string::npos);
  std::filesystem::create_directory(folder / "dir");
  CHECK(message(folder / "dir").find("is a directory") != std::string::npos);
  CHECK(message(folder / "text.db/x.db").find("cannot be made") != std::string::npos);
  CHECK(message(folder / "new/deep/x.db") == "opened");
}

TEST_CASE("errors that pass are Unavailable, those that stay are Misconfigured") {
  CHECK_THROWS_AS(raise(Error(5, "database is locked"), "x.db"), Unavailable);
  CHECK_THROWS_AS(raise(Error(13, "full"), "x.db"), Unavailable);
  CHECK_THROWS_AS(raise(Error(10 | 12 << 8, "disk I/O error"), "x.db"), Unavailable);
  CHECK_THROWS_AS(raise(Error(8, "readonly"), "x.db"), Misconfigured);
  CHECK_THROWS_AS(raise(Error(11, "malformed"), "x.db"), Misconfigured);
  CHECK_THROWS_AS(raise(Error(14, "unable to open"), "x.db"), Misconfigured);
  CHECK_THROWS_AS(raise(Error(1, "no such table: t"), "x.db"), Misconfigured);
}

TEST_CASE("the affinity of a declared type is SQLite's") {
  CHECK(affinity_of("INTEGER") == Affinity::integer);
  CHECK(affinity_of("bigint") == Affinity::integer);
  CHECK(affinity_of("VARCHAR(20)") == Affinity::text);
  CHECK(affinity_of("double precision") == Affinity::real);
  CHECK(affinity_of("") == Affinity::blob);
  CHECK(affinity_of("DECIMAL(10,2)") == Affinity::numeric);
  CHECK(affinity_of("TIMESTAMP") == Affinity::numeric);
}

TEST_CASE("progress is kept by store and connection, rejections until they are forgotten") {
  const TemporaryFolder folder;
  Connection connection(folder / "x.db");
  db::ProgressTable mine(connection, "store-1");
  db::ProgressTable other(connection, "store-2");
  CHECK_FALSE(mine.next("a"));
  mine.set_next("a", 7);
  mine.set_next("a", 9);
  other.set_next("a", 100);
  CHECK(mine.next("a") == 9);
  CHECK_FALSE(mine.next("b"));
  mine.reject("a", 3, {{0, "first"}, {5, "sixth"}});
  mine.reject("a", 8, {{1, "x"}});
  CHECK(mine.rejected("a", 3).at(1).record == 5);
  CHECK(mine.rejected("a", 3).at(1).message == "sixth");
  CHECK(other.rejected("a", 3).empty());
  mine.forget_before("a", 8);
  CHECK(mine.rejected("a", 3).empty());
  CHECK(mine.rejected("a", 8).size() == 1);
}

}  // namespace
}  // namespace weir::sqlite
