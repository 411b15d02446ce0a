#include <doctest/doctest.h>

#include "address.h"
#include "postgresql.h"
#include "server_connection.h"
#include "server_values.h"
#include "weir/errors.h"

namespace weir::db {
namespace {

Value text(std::string_view decoded, std::string_view raw = {}) {
  return {.type = ValueType::text, .integer = 0, .real = 0, .text = weir::to_text(decoded), .raw = weir::to_text(raw)};
}

Value integer(std::int64_t number, std::string_view raw = {}) {
  return {.type = ValueType::integer,
          .integer = number,
          .real = static_cast<double>(number),
          .text = {},
          .raw = weir::to_text(raw)};
}

Value real(double number, std::string_view raw = {}) {
  return {.type = ValueType::real, .integer = 0, .real = number, .text = {}, .raw = weir::to_text(raw)};
}

/// What the server is sent, or "! " and the reason.
std::string sent(const Value& value, const ServerType& type) {
  std::string to;
  const auto reason = convert(value, type, to);
  return reason.empty() ? to : "! " + reason;
}

std::string sent(const Value& value, const char* type) {
  return sent(value, postgresql_type(type));
}

TEST_CASE("numbers keep their digits, and are checked against the column") {
  CHECK(sent(real(80.1, "80.10"), "numeric(10,2)") == "80.10");
  CHECK(sent(text("123456789012345678901", "123456789012345678901"), "numeric") == "123456789012345678901");
  CHECK(sent(text("12.30", "\"12.30\""), "numeric") == "12.30");
  CHECK(sent(text("12,30", "\"12,30\""), "numeric") == "! text where the column holds numbers");
  CHECK(sent(text("1.5", "\"1.5\""), "double precision") == "! text where the column holds numbers");
  CHECK(sent(real(0.1), "double precision") == "0.1");
  CHECK(sent(integer(32767), "smallint") == "32767");
  CHECK(sent(integer(32768), "smallint") == "! 32768 is beyond the column's 16 bits");
  CHECK(sent(integer(-32769), "smallint") == "! -32769 is beyond the column's 16 bits");
  CHECK(sent(real(2, "2.0"), "integer") == "2");
  CHECK(sent(real(1.5, "1.5"), "integer") == "! 1.5 is no whole number");
  CHECK(sent(real(1e300, "1e300"), "bigint").starts_with("! 1e300 is beyond"));
  CHECK(sent(text("18446744073709551615", "18446744073709551615"), "bigint").starts_with("! 1844"));
  const ServerType unsigned_64{.category = Category::integer, .bits = 64, .is_unsigned = true};
  CHECK(sent(text("18446744073709551615", "18446744073709551615"), unsigned_64) == "18446744073709551615");
  CHECK(sent(integer(-1), unsigned_64).starts_with("! -1 is beyond"));
}

TEST_CASE("booleans, texts, JSON and bytes go where they fit") {
  CHECK(sent(integer(1, "true"), "boolean") == "t");
  CHECK(sent(integer(0), "boolean") == "f");
  CHECK(sent(integer(2), "boolean") == "! 2 is neither true nor false");
  CHECK(sent(integer(1, "true"), "text") == "true");
  CHECK(sent(real(80.1, "80.10"), "character varying(20)") == "80.10");
  CHECK(sent(text(std::string_view("a\0b", 3), R"("a\u0000b")"), "text").starts_with("! the text has a NUL"));
  CHECK(sent(text("x", "\"x\""), "jsonb") == "\"x\"");
  CHECK(sent(text("say \"x\""), "json") == R"("say \"x\"")");
  CHECK(sent({.type = ValueType::json, .integer = 0, .real = 0, .text = weir::to_text("[1, 2]"), .raw = {}}, "jsonb") ==
        "[1, 2]");
  CHECK(sent(text("aGk=", "\"aGk=\""), "bytea") == "hi");
  CHECK(sent(text("no base64", "\"no base64\""), "bytea").starts_with("! no base64"));
}

TEST_CASE("times are written in UTC, dates as they stand") {
  CHECK(sent(integer(1700000000123456789), "timestamp with time zone") == "2023-11-14 22:13:20.123456+00");
  CHECK(sent(integer(-1), "timestamp without time zone") == "1969-12-31 23:59:59.999999");
  CHECK(sent(text("2024-05-01", "\"2024-05-01\""), "date") == "2024-05-01");
  CHECK(sent(text("2024-05-01T23:00:00Z"), "date") == "2024-05-01");
  CHECK(sent(text("2024-05-01T23:00:00+02:00"), "date").starts_with("! 2024-05-01T23:00:00+02:00 is no date"));
}

TEST_CASE("base64 goes both ways, whatever the bytes") {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  for (std::size_t size = 0; size <= all.size(); ++size) {
    std::string encoded;
    append_base64(all.substr(0, size), encoded);
    std::string decoded;
    CHECK(append_unbase64(encoded, decoded));
    CHECK(decoded == all.substr(0, size));
  }
  std::string to;
  CHECK_FALSE(append_unbase64("a===", to));
  CHECK_FALSE(append_unbase64("ab=c", to));
  CHECK_FALSE(append_unbase64("abc", to));
}

TEST_CASE("what a database says becomes JSON without loss") {
  const auto json = [](auto append, std::string_view value) {
    std::string to;
    append(value, to);
    return to;
  };
  CHECK(json(append_json_number, "80.10") == "80.10");
  CHECK(json(append_json_number, "00042") == "42");
  CHECK(json(append_json_number, "-.5") == "-0.5");
  CHECK(json(append_json_number, "NaN") == "\"NaN\"");
  CHECK(json(append_json_time, "2024-05-01 10:00:00.5+00") == "\"2024-05-01T10:00:00.5Z\"");
  CHECK(json(append_json_time, "infinity") == "\"infinity\"");
  CHECK(json(append_json_time, "0044-03-15 10:00:00 BC") == "\"0044-03-15 10:00:00 BC\"");
  CHECK(json(append_json_time, "0000-00-00 00:00:00") == "\"0000-00-00 00:00:00\"");
  CHECK(json(append_json_text, "{\"a\":\n 1}") == "{\"a\":  1}");
  CHECK(json(append_json_string, "a\"b\\c\n\x01 é €") == "\"a\\\"b\\\\c\\n\\u0001 é €\"");
  CHECK(json(append_json_string, "a\xff\xe2\x82") == "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST_CASE("the names in an author's statement become the server's placeholders, and nothing else does") {
  const std::vector<std::string> names = {"id", "v"};
  const auto postgresql = parameterise("UPDATE t SET a = :v::text, b = ':v', \"c:v\" = :v WHERE id = :id -- :no\n",
                                       names, Dialect::postgresql);
  CHECK(postgresql.sql == "UPDATE t SET a = $1::text, b = ':v', \"c:v\" = $1 WHERE id = $2 -- :no\n");
  CHECK(postgresql.parameters == std::vector<std::size_t>{1, 0});
  const auto mariadb = parameterise("CALL p(:v, 'it\\'s :v', `:v`, :v, :id) /* :no */ # :no", names, Dialect::mariadb);
  CHECK(mariadb.sql == "CALL p(?, 'it\\'s :v', `:v`, ?, ?) /* :no */ # :no");
  CHECK(mariadb.parameters == std::vector<std::size_t>{1, 1, 0});
  CHECK(parameterise("SELECT $tag$ :no $tag$, E'\\':no', a[1:2], :id", names, Dialect::postgresql).sql ==
        "SELECT $tag$ :no $tag$, E'\\':no', a[1:2], $1");
  CHECK(parameter_names("a(:v, :id, :v)", Dialect::sqlite) == std::vector<std::string>{"v", "id"});
  CHECK_THROWS_WITH_AS(parameterise("x = :nobody", names, Dialect::sqlite), doctest::Contains(":nobody"),
                       Misconfigured);
}

TEST_CASE("a database is named by a path or a URL, and no message repeats a password") {
  CHECK(parse_address("lake/history.db").path == "lake/history.db");
  CHECK(parse_address("sqlite:///var/x.db").path == "/var/x.db");
  const auto mariadb = parse_address("mysql://weir%40x@[::1]:3307/lake?socket=/run/x.sock");
  CHECK(mariadb.kind == Address::Kind::mariadb);
  CHECK(mariadb.user == "weir@x");
  CHECK(mariadb.host == "::1");
  CHECK(mariadb.port == 3307);
  CHECK(mariadb.database == "lake");
  CHECK(mariadb.options.at("socket") == "/run/x.sock");
  CHECK(mariadb.display == "mariadb://[::1]:3307/lake");
  CHECK(parse_address("postgres://weir@db.example:5433/lake?sslmode=require").display ==
        "postgresql://db.example:5433/lake");
  const auto message = [](const std::string& url) -> std::string {
    try {
      parse_address(url);
    } catch (const Misconfigured& error) {
      return error.what();
    }
    return "accepted";
  };
  for (const auto* url : {"postgresql://weir:s3cret@db/lake", "postgresql://db/lake?user=weir&password=s3cret"}) {
    CHECK(message(url).find("`password`") != std::string::npos);
    CHECK(message(url).find("s3cret") == std::string::npos);
  }
  CHECK(message("oracle://x/y").find("'oracle://' is of no database known here") != std::string::npos);
  CHECK(message("mariadb://u@h:0/x").find("port") != std::string::npos);
  CHECK(message("mariadb://u@h").find("names no database") != std::string::npos);
  CHECK(message("mariadb://u@h/d?autocommit=1").find("known is socket") != std::string::npos);
}

}  // namespace
}  // namespace weir::db
