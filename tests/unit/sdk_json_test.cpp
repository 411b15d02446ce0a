#include <doctest/doctest.h>

#include "weir/json.h"

namespace {

using weir::JsonObject;

std::string error_of(std::string_view text) {
  JsonObject object;
  return object.read(text) ? "" : object.error();
}

TEST_CASE("the tokens of the fields asked for are the bytes as they stand") {
  JsonObject object({"b", "a", "missing"});
  REQUIRE(object.read(R"( { "a" : 80.10 , "x":[1,{"b":2}], "b":"\u00e9" } )"));
  CHECK(object.raw(0) == R"("\u00e9")");
  CHECK(object.raw(1) == "80.10");
  CHECK(object.raw(2).empty());
  CHECK(object.unknown() == "x");
  CHECK(object.members() == 3);
}

TEST_CASE("nothing is left of the record before") {
  JsonObject object({"a"});
  REQUIRE(object.read(R"({"a":1,"b":2})"));
  REQUIRE(object.read("{}"));
  CHECK(object.raw(0).empty());
  CHECK(object.unknown().empty());
}

TEST_CASE("of a member that comes twice the last wins, however its name is written") {
  JsonObject object({"a"});
  REQUIRE(object.read(R"({"a":1,"\u0061":2})"));
  CHECK(object.raw(0) == "2");
  CHECK(object.unknown().empty());
}

TEST_CASE("records whose members change their order are read all the same") {
  JsonObject object({"a", "b"});
  REQUIRE(object.read(R"({"a":1,"b":2})"));
  REQUIRE(object.read(R"({"b":3,"a":4})"));
  CHECK(object.raw(0) == "4");
  CHECK(object.raw(1) == "3");
}

TEST_CASE("every kind of value is taken") {
  for (const auto* value : {"0",
                            "-0",
                            "1",
                            "-1.5",
                            "1e5",
                            "1E+5",
                            "1.25e-300",
                            "1e999",
                            "9007199254740993",
                            "123456789012345678901234567890",
                            "true",
                            "false",
                            "null",
                            "\"\"",
                            "[]",
                            "{}",
                            R"(["a",[[]],{"b":{}}])",
                            R"("\"\\\/\b\f\n\r\t\u0000\ud83d\ude00")",
                            "\"\xf0\x9f\x98\x80\"",
                            "\"0123456789012345678901234567890123456789\""}) {
    CAPTURE(value);
    CHECK(error_of(std::string("{\"a\":") + value + "}") == "");
  }
}

TEST_CASE("what is not JSON is refused, with its place") {
  for (const auto* value : {"01",
                            "+1",
                            "1.",
                            ".5",
                            "1e",
                            "-",
                            "NaN",
                            "Infinity",
                            "tru",
                            "'a'",
                            "\"a",
                            "\"\\x\"",
                            "\"\\u12\"",
                            "\"\\u12g4\"",
                            "\"\\ud83d\"",
                            "\"\\ude00\"",
                            "\"\\ud83d\\u0041\"",
                            "\"\x01\"",
                            "\"\t\"",
                            "[1,]",
                            "[1 2]",
                            "{\"b\"}",
                            "{\"b\":}",
                            "{\"b\":1,}",
                            "{b:1}",
                            "",
                            "1 2",
                            "\"\x80\"",
                            "\"\xc0\xaf\"",
                            "\"\xed\xa0\x80\"",
                            "\"\xf5\x80\x80\x80\"",
                            "\"\xe2\x82\"",
                            "\"1234567\x80\""}) {
    CAPTURE(value);
    CHECK(error_of(std::string("{\"a\":") + value + "}") != "");
  }
  CHECK(error_of("[1]").find("a record is a JSON object") == 0);
  CHECK(error_of("{} {}") == "something follows the record, at byte 3");
  CHECK(error_of("") != "");
  CHECK(error_of("{\"a\":1") != "");
  CHECK(error_of("{\"a\":\"") != "");
  CHECK(error_of("{\"a\":\"\\") != "");
}

TEST_CASE("every beginning of a record is refused, and no byte behind its end is read") {
  const std::string record = R"({"a":"x\u00e9\ud83d\ude00","b":[true,null,-1.5e3],"c":{"d":"é"}})";
  for (std::size_t size = 0; size < record.size(); ++size) {
    const std::vector<char> exact(record.begin(), record.begin() + static_cast<std::ptrdiff_t>(size));
    JsonObject object({"a"});
    CHECK_FALSE(object.read({exact.data(), exact.size()}));
  }
  CHECK(error_of(record) == "");
}

TEST_CASE("a depth bomb is refused, what nests a thousand levels is taken") {
  const auto nested = [](std::size_t depth) {
    return "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  CHECK(error_of(nested(1000)) == "");
  CHECK(error_of(nested(100'000)).find("1024") != std::string::npos);
}

TEST_CASE("all names of a record, decoded, each once") {
  CHECK(JsonObject::names_of(R"({"b":1,"a\n\u00e9\ud83d\ude00":2,"b":3})") ==
        std::vector<std::string>{"b", "a\n\xc3\xa9\xf0\x9f\x98\x80"});
}

}  // namespace
