// What the validator is told about SQL before anything runs.
#include <doctest/doctest.h>

#include "sql/check.h"

using namespace weir::sql;
using weir::abi::Kind;
using Names = std::vector<std::string>;

namespace {

Declaration reading() {
  return {"reading",
          {{"sensor_id", FieldType::text, true, "", "", ""},
           {"timestamp", FieldType::time, false, "unix_ms", "", ""},
           {"temperature", FieldType::number, false, "", "°C", ""}},
          true};
}

}  // namespace

TEST_CASE("the fields that a statement reads are listed, in the order of their first mention") {
  CHECK(check(Kind::expression, "b > 1 AND a < 2 OR has('c')", nullptr).fields == Names{"b", "a", "c"});
  CHECK(check(Kind::templated, "x/$(k)/$(strftime('%Y', t))", nullptr).fields == Names{"k", "t"});
  CHECK(check(Kind::select, "SELECT a, upper(b) FROM record WHERE c", nullptr).ok());
  const auto record = reading();
  CHECK(check(Kind::expression, "temperature > 1", &record).fields == Names{"temperature"});
}

TEST_CASE("an undeclared column is an error at its place, with the nearest names") {
  const auto record = reading();
  const auto result = check(Kind::expression, "1 < temprature", &record);
  CHECK(result.error == "no field 'temprature' is declared in record 'reading'");
  CHECK(result.offset == 4);
  REQUIRE(!result.nearest.empty());
  CHECK(result.nearest.front() == "temperature");
  const auto inside = check(Kind::templated, "date=$(strftime('%Y', timestmp))", &record);
  CHECK(inside.offset == 22);
  CHECK(inside.nearest == Names{"timestamp"});
}

TEST_CASE("mistakes are found where they are") {
  struct Case {
    const char* sql;
    const char* error;
    std::size_t offset;
  };
  for (const auto& c : std::vector<Case>{{"a > ", "syntax error: it ends too early", 4},
                                         {"CASE WHEN a THEN 1", "it ends too early", 18},
                                         {"a b", "near \"b\": syntax error", 2},
                                         {"uppr(a)", "no such function: uppr", 0},
                                         {"a REGEXP '('", "regular expression is wrong", 9},
                                         {"a + 'x", "does not end", 4},
                                         {"(a", "not closed", 2},
                                         {"a)", "too many", 1},
                                         {"has(a)", "has('name')", 0},
                                         {"a = :b", "nobody sets", 4},
                                         {"$(a)", "this is SQL already", 0},
                                         {"a, b", "not a list", 1}}) {
    CAPTURE(c.sql);
    const auto result = check(Kind::expression, c.sql, nullptr);
    CHECK(result.error.find(c.error) != std::string::npos);
    if (c.offset != 0) CHECK(result.offset == c.offset);
  }
  CHECK(check(Kind::expression, "uppr(a)", nullptr).nearest.front() == "upper");
  CHECK(check(Kind::select, "SELECT a FROM recrd", nullptr).nearest == Names{"record"});
  CHECK(check(Kind::templated, "a/$(b", nullptr).offset == 2);
  const auto ended = check(Kind::select, "SELECT a FROM record WHERE", nullptr);
  CHECK(ended.error == "syntax error: it ends too early, something is missing behind it");
  CHECK(ended.offset == 26);
  CHECK(check(Kind::select, "SELECT field('limit'), wrong(a) FROM record", nullptr).offset == 23);
}

TEST_CASE("a generator's statement reads seq, once and first") {
  const auto error = [](std::string_view sql) {
    CheckOptions options;
    options.generator = true;
    return check(Kind::select, sql, nullptr, options).error;
  };
  CHECK(error("SELECT seq, v FROM seq JOIN (SELECT 1 AS v UNION ALL SELECT 2)").empty());
  CHECK(error("SELECT seq, v FROM seq, (SELECT 1 AS v)").empty());
  CHECK(error("SELECT a FROM (SELECT seq AS a FROM seq)").empty());
  CHECK(error("SELECT seq, v FROM (SELECT 1 AS v UNION ALL SELECT 2) CROSS JOIN seq") ==
        "each row has to come from one seq: put seq first, FROM seq LEFT JOIN …");
  CHECK(error("SELECT 1 AS one") == "the statement does not read seq: FROM seq is missing");
  CHECK(error("SELECT seq, (SELECT count(*) FROM seq) FROM seq") == "a statement reads seq only once");
}

TEST_CASE("a select says what its records hold") {
  const auto record = reading();
  const auto some =
      check(Kind::select,
            "SELECT sensor_id AS id, timestamp, temperature > 20 AS hot, temperature * 2 AS d FROM record", &record);
  REQUIRE(some.output != nullptr);
  REQUIRE(some.output->fields.size() == 4);
  CHECK(some.output->find("id")->type == FieldType::text);
  CHECK(some.output->find("timestamp")->format == "unix_ms");
  CHECK(some.output->find("hot")->type == FieldType::boolean);
  CHECK(some.output->find("d")->type == FieldType::any);
  CHECK(!some.output->extra_allowed);
  const auto all = check(Kind::select, "SELECT *, 1 AS one FROM record", &record);
  CHECK(all.output->fields.size() == 4);
  CHECK(all.output->extra_allowed);
  CHECK(check(Kind::select, "SELECT * FROM record", nullptr).output == nullptr);
}

TEST_CASE("a parameter's value never becomes SQL of its own") {
  CHECK(literal("20.5") == "20.5");
  CHECK(literal("true") == "true");
  CHECK(literal("ok' OR 1=1 --") == "'ok'' OR 1=1 --'");
  CHECK(literal("007") == "'007'");
  CHECK(literal("") == "''");
}

TEST_CASE("nearest names are near") {
  CHECK(nearest_names("temprature", {"humidity", "temperature", "temp"}) == Names{"temperature"});
  CHECK(nearest_names("Status", {"status", "state"}).front() == "status");
  CHECK(nearest_names("x", {"temperature"}).empty());
  CHECK(nearest_names("k", {"a"}).empty());
}
