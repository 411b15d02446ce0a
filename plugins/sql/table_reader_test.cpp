// Reference tables of real databases: what the reader gives, and a flow that joins with one while its server comes,
// goes and changes its mind.

#include "table_reader.h"

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "database.h"
#include "servers_test.h"
#include "temporary_folder.h"
#include "weir/errors.h"

namespace weir::db {
namespace {

using namespace std::chrono_literals;

/// What a table reader gave: the columns, then its rows.
class Taken final : public abi::TableRows {
 public:
  explicit Taken(std::size_t most = 1000) : most_(most) {}
  bool columns(const abi::Text* names, std::uint32_t count) override {
    for (std::uint32_t i = 0; i < count; ++i) text += (i == 0 ? "" : ",") + std::string(view(names[i]));
    text += '\n';
    return true;
  }
  bool row(abi::Text json) override {
    text += std::string(view(json)) + '\n';
    return --most_ > 0;
  }
  std::string text;

 private:
  std::size_t most_;
};

std::string read(const TableRequest& request, std::size_t most = 1000) {
  Taken taken(most);
  TableRows rows(taken);
  read_table(request, rows);
  return taken.text;
}

template <class On>
TableRequest request() {
  TableRequest request;
  request.database = On::server().url();
  request.password = "secret";
  request.timeout = 10s;
  return request;
}

#define NEEDS_SERVER() \
  if (!On::available()) return

TEST_CASE_TEMPLATE("a table and a query are read whole, with the values that SqlSource gives", On, OnPostgresql,
                   OnMariadb) {
  NEEDS_SERVER();
  On::execute("DROP TABLE IF EXISTS units");
  On::own("CREATE TABLE units (id BIGINT, name VARCHAR(100), amount DECIMAL(20,2), at TIMESTAMP NULL)");
  On::own("INSERT INTO units VALUES (9007199254740993, 'o''ne', 80.10, '2024-05-01 12:00:00'), (2, NULL, NULL, NULL)");
  auto wanted = request<On>();
  wanted.table = "units";
  CHECK(read(wanted) ==
        "id,name,amount,at\n"
        "{\"id\":9007199254740993,\"name\":\"o'ne\",\"amount\":80.10,\"at\":\"2024-05-01T12:00:00Z\"}\n"
        "{\"id\":2,\"name\":null,\"amount\":null,\"at\":null}\n");
  wanted.columns_only = true;
  CHECK(read(wanted) == "id,name,amount,at\n");
  wanted.table.clear();
  wanted.query = "SELECT id AS unit FROM units WHERE id < 10  -- small ones\n;\n";
  CHECK(read(wanted) == "unit\n");
  wanted.columns_only = false;
  CHECK(read(wanted) == "unit\n{\"unit\":2}\n");
  wanted.query = "SELECT 1 AS n UNION ALL SELECT 1";
  CHECK(read(wanted, 1) == "n\n{\"n\":1}\n");  // who wants no more gets no more
}

TEST_CASE_TEMPLATE("a table's name is a name, whatever is in it, and nothing is written", On, OnPostgresql, OnMariadb) {
  NEEDS_SERVER();
  On::execute("DROP TABLE IF EXISTS kept");
  On::own("CREATE TABLE kept (id INTEGER)");
  auto wanted = request<On>();
  for (const auto* name : {"kept\"; DROP TABLE kept; --", "kept`; DROP TABLE kept; --", "kept; DROP TABLE kept"}) {
    wanted.table = name;
    CHECK_THROWS_AS(read(wanted), Misconfigured);
  }
  wanted.table.clear();
  if (On::kDialect == Dialect::postgresql) {
    wanted.query = "WITH gone AS (DELETE FROM kept RETURNING id) SELECT * FROM gone";
    CHECK_THROWS(read(wanted));
  }
  wanted.query = "SELECT 1) AS x; DROP TABLE kept; SELECT * FROM (SELECT 1";
  CHECK_THROWS(read(wanted));
  CHECK(On::rows("SELECT count(*) FROM kept") == "0");
}

TEST_CASE_TEMPLATE("a query that takes longer than the timeout counts as a database that is down", On, OnPostgresql,
                   OnMariadb) {
  NEEDS_SERVER();
  auto wanted = request<On>();
  wanted.timeout = 1s;
  wanted.query = On::kDialect == Dialect::postgresql ? "SELECT 1 AS n FROM pg_sleep(60)" : "SELECT SLEEP(60) AS n";
  const auto begin = std::chrono::steady_clock::now();
  CHECK_THROWS_AS(read(wanted), Unavailable);
  CHECK(std::chrono::steady_clock::now() - begin < 30s);
}

TEST_CASE("a SQLite file is read by its path") {
  const sqlite::TemporaryFolder folder;
  sqlite::Database(folder / "units.db").execute("CREATE TABLE units (id, name); INSERT INTO units VALUES (1, 'a')");
  TableRequest wanted;
  wanted.database = folder / "units.db";
  wanted.timeout = 1s;
  wanted.table = "units";
  CHECK(read(wanted) == "id,name\n{\"id\":1,\"name\":\"a\"}\n");
  wanted.database = folder / "none.db";
  CHECK_THROWS(read(wanted));
}

/// A flow that joins what is written to in.ndjson with the server's table `units`.
template <class On>
class Joining {
 public:
  Joining() : folder_(testing::temporary_folder("weir-table-flow", {})) {
    std::ofstream(folder_ / "in.ndjson").flush();
    std::ofstream(folder_ / "flow.yaml") << "flow: joining\nprocessors:\n"
                                            "  in: {type: FileSource, path: "
                                         << (folder_ / "in.ndjson").string()
                                         << ", format: ndjson, tail: true, interval: 20ms, to: joined, drop: failure}\n"
                                            "  joined:\n    type: Select\n"
                                            "    select: SELECT r.n, u.name FROM record r JOIN units u ON u.id = r.id\n"
                                            "    tables: {units: {database: \""
                                         << On::server().url()
                                         << "\", password: secret, refresh: 100ms, timeout: 2s}}\n"
                                            "    to: out\n    drop: failure\n"
                                            "  out: {type: FileSink, path: "
                                         << (folder_ / "out.ndjson").string() << ", drop: failure}\n";
  }
  ~Joining() {
    testing::end(process_, SIGKILL);
    std::filesystem::remove_all(folder_);
  }
  void start() {
    process_ = testing::spawn({weir(), "run", (folder_ / "flow.yaml").string(), "--data", (folder_ / "data").string(),
                               "--listen", "127.0.0.1:0"},
                              folder_ / "log");
  }
  /// SIGTERM; its exit status.
  int stop() {
    const auto process = std::exchange(process_, -1);
    return testing::end_process(process, SIGTERM);
  }
  std::string log() const { return testing::read_file(folder_ / "log"); }
  bool logs(const std::string& text) const {
    return within([&] { return log().find(text) != std::string::npos; });
  }
  /// Writes records until one comes out that was joined with this name.
  bool joins_with(const std::string& name) {
    return within([&] {
      std::ofstream(folder_ / "in.ndjson", std::ios::app) << "{\"n\":" << ++written_ << ",\"id\":1}\n" << std::flush;
      return came().find("\"name\":\"" + name + "\"}\n") != std::string::npos;
    });
  }
  /// All that came out: every record written, in order.
  std::string came() const {
    const auto path = folder_ / "out.ndjson";
    return std::filesystem::exists(path) ? testing::read_file(path) : std::string();
  }
  bool nothing_is_lost() const {
    return within([&] {
      const auto lines = came();
      return lines.find("{\"n\":" + std::to_string(written_) + ",") != std::string::npos &&
             std::count(lines.begin(), lines.end(), '\n') == written_;
    });
  }
  /// What `weir validate --connect` says.
  std::string connect(const std::string& select) const {
    std::ofstream(folder_ / "in.ndjson", std::ios::app).flush();  // a file that is not there is complained of, too
    std::ofstream(folder_ / "check.yaml") << "flow: checked\nprocessors:\n"
                                             "  in: {type: FileSource, path: "
                                          << (folder_ / "in.ndjson").string()
                                          << ", format: ndjson, to: joined, drop: failure}\n"
                                             "  joined:\n    type: Select\n    select: "
                                          << select << "\n    tables: {units: {database: \"" << On::server().url()
                                          << "\", password: secret}}\n    drop: [success, failure]\n";
    pid_t process =
        testing::spawn({weir(), "validate", "--connect", (folder_ / "check.yaml").string()}, folder_ / "check.log");
    int status = 0;
    ::waitpid(process, &status, 0);
    return std::to_string(WEXITSTATUS(status)) + " " + testing::read_file(folder_ / "check.log");
  }

  template <class F>
  static bool within(F&& condition) {
    for (int i = 0; i < 600; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(50ms);
    }
    return false;
  }

 private:
  static std::string weir() {
    const char* build = std::getenv("WEIR_BUILD");
    return std::string(build == nullptr ? "build" : build) + "/weir";
  }
  std::filesystem::path folder_;
  pid_t process_ = -1;
  std::int64_t written_ = 0;
};

TEST_CASE_TEMPLATE(
    "a flow waits for its table at start, sees changes, and goes on with the old one while the server is "
    "down",
    On, OnPostgresql, OnMariadb) {
  NEEDS_SERVER();
  On::execute("DROP TABLE IF EXISTS units");
  On::own("CREATE TABLE units (id INTEGER, name VARCHAR(20))");
  On::own("INSERT INTO units VALUES (1, 'first')");
  Joining<On> flow;
  CHECK(flow.connect("SELECT r.n, u.name FROM record r JOIN units u ON u.id = r.id").starts_with("0 "));
  const auto wrong = flow.connect("SELECT r.n, u.title FROM record r JOIN units u ON u.id = r.id");
  CAPTURE(wrong);
  CHECK(wrong.starts_with("2 "));
  CHECK(wrong.find("no such column: u.title") != std::string::npos);

  On::server().stop();
  flow.start();
  REQUIRE(flow.logs("trying again"));
  CHECK(flow.came().empty());
  On::server().start();
  REQUIRE(flow.joins_with("first"));
  On::execute("UPDATE units SET name = 'second'");
  REQUIRE(flow.joins_with("second"));
  On::server().kill();
  REQUIRE(flow.logs("as it was read before, and it is tried again"));
  CAPTURE(flow.came());
  REQUIRE(flow.nothing_is_lost());  // joined with what was there
  On::server().start();
  REQUIRE(Joining<On>::within([] {  // it mends its data first
    try {
      On::execute("UPDATE units SET name = 'third'");
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }));
  REQUIRE(flow.joins_with("third"));
  CHECK(flow.logs("can be read again"));
  CHECK(flow.nothing_is_lost());
  CHECK(flow.stop() == 0);
}

}  // namespace
}  // namespace weir::db
