#include <doctest/doctest.h>

#include "column.h"
#include "row_parser.h"

using namespace weir::csv;

namespace {

using Texts = std::vector<std::string>;
using Result = RowParser::Result;

Texts texts(const RowParser& parser) {
  Texts result;
  for (const auto& cell : parser.cells()) result.push_back(cell_text(cell, '"', TextEncoding::utf_8));
  return result;
}

/// The JSON that a cell becomes, or "error: …".
std::string json(const std::string& type, Cell cell, CellRules rules = {}, const std::string& format = "") {
  const weir::EmittedField field{"x", type, format, false};
  std::string to;
  std::string error;
  const Column column("x", type.empty() ? nullptr : &field);
  return column.append(to, cell, rules, error) ? to : "error: " + error;
}

}  // namespace

TEST_CASE("a row ends with LF, CRLF or the text, and its cells may be empty") {
  RowParser parser({});
  REQUIRE(parser.parse("a,,c\nd", true) == Result::row);
  CHECK(texts(parser) == Texts{"a", "", "c"});
  CHECK(parser.size() == 5);
  CHECK(parser.length() == 4);
  REQUIRE(parser.parse("a,b\r\nd", true) == Result::row);
  CHECK(texts(parser) == Texts{"a", "b"});
  CHECK(parser.size() == 5);
  CHECK(parser.length() == 3);
  REQUIRE(parser.parse("a,", true) == Result::row);
  CHECK(texts(parser) == Texts{"a", ""});
  REQUIRE(parser.parse("\"a\"\r\n", true) == Result::row);
  CHECK(texts(parser) == Texts{"a"});
  CHECK(parser.parse("\r\nx", true) == Result::blank);
  CHECK(parser.size() == 2);
}

TEST_CASE("quotes hold delimiters, line ends and doubled quotes; inside a cell without them they are characters") {
  RowParser parser({});
  REQUIRE(parser.parse("\"a,\"\"b\"\"\",\"x\r\ny\",5\" pipe\nnext", true) == Result::row);
  CHECK(texts(parser) == Texts{"a,\"b\"", "x\r\ny", "5\" pipe"});
  CHECK(parser.lines() == 2);
  REQUIRE(parser.parse("\"\",\"\"\"\"\n", true) == Result::row);
  CHECK(texts(parser) == Texts{"", "\""});
  CHECK(parser.cells()[0].quoted);
}

TEST_CASE("wherever a text is cut, the row is the same once there is more") {
  const std::string text = "\"a\"\"b\r\n\",\"\",c\r\nnext,row\n";
  RowParser parser({});
  REQUIRE(parser.parse(text, false) == Result::row);
  const auto whole = texts(parser);
  const auto size = parser.size();
  for (std::size_t cut = 1; cut < text.size(); ++cut) {
    const auto result = parser.parse(std::string_view(text).substr(0, cut), false);
    CHECK(result == (cut < size ? Result::more : Result::row));
    if (result == Result::row) CHECK(texts(parser) == whole);
  }
}

TEST_CASE("broken quotes cost their first line and no more") {
  RowParser parser({});
  REQUIRE(parser.parse("\"a\nb,c\nd\"e,f\ng\n", true) == Result::bad);
  CHECK(parser.error() == std::string("something follows the closing quote of a cell"));
  CHECK(parser.size() == 3);
  CHECK(parser.length() == 2);
  REQUIRE(parser.parse("x,\"open\r\nb,c\n", true) == Result::bad);
  CHECK(parser.error() == std::string("a quoted cell is not closed"));
  CHECK(parser.length() == 7);
  CHECK(parser.size() == 9);
  CHECK(parser.parse("x,\"open\nb,c\n", false) == Result::more);
}

TEST_CASE("delimiter and quote are the author's") {
  RowParser parser({';', '\''});
  REQUIRE(parser.parse("a,b;'c;d''e'\n", true) == Result::row);
  CHECK(parser.cells()[1].text == "c;d''e");
  CHECK(cell_text(parser.cells()[1], '\'', TextEncoding::utf_8) == "c;d'e");
}

TEST_CASE("numbers of other hands come into JSON's form, or are none") {
  CHECK(lenient_number("80.10") == "80.10");
  CHECK(lenient_number(" +007.50 ") == "7.50");
  CHECK(lenient_number("-.5") == "-0.5");
  CHECK(lenient_number("5.") == "5");
  CHECK(lenient_number("000") == "0");
  CHECK(lenient_number("1E-7") == "1E-7");
  CHECK(lenient_number("1e-400") == "1e-400");
  CHECK(lenient_number("12345678901234567890") == "12345678901234567890");
  for (const auto* none : {"", " ", ".", "-", "+", "1e", "1,5", "0x10", "1e999", "NaN", "--1", "1 2", "1.2.3"})
    CHECK_MESSAGE(lenient_number(none).empty(), none);
}

TEST_CASE("a cell becomes what its column declares, or says what it is instead") {
  CHECK(json("text", {"007"}) == "\"007\"");
  CHECK(json("integer", {"007"}) == "7");
  CHECK(json("integer", {"7.0"}) == "7.0");
  CHECK(json("integer", {"7.5"}) == "error: x: '7.5' is no integer");
  CHECK(json("number", {"12,5"}) == "error: x: '12,5' is no number");
  CHECK(json("boolean", {"Yes"}) == "true");
  CHECK(json("boolean", {"0"}) == "false");
  CHECK(json("boolean", {"2"}) == "error: x: '2' is no boolean");
  CHECK(json("time", {"1700000000"}) == "\"1700000000\"");
  CHECK(json("time", {"1700000000"}, {}, "unix_s") == "1700000000");
  CHECK(json("time", {"noon"}, {}, "unix_s") == "error: x: 'noon' is no Unix time");
  CHECK(json("json", {"{\"\"a\"\":\n1}", true, true}) == "{\"a\":1}");
  CHECK(json("json", {"{a}"}) == "error: x: '{a}' is no json");
}

TEST_CASE("without a declaration only what JSON calls a number or boolean becomes one, and never in quotes") {
  CHECK(json("", {"80.10"}) == "80.10");
  CHECK(json("", {"true"}) == "true");
  for (const auto* text : {"007", "+1", ".5", "1e999", "True", " 1", "null"})
    CHECK_MESSAGE(json("", {text}) == "\"" + std::string(text) + "\"", text);
  CHECK(json("", {"1", true}) == "\"1\"");
  CHECK(json("", {"1"}, {.infer = false}) == "\"1\"");
}

TEST_CASE("null is an empty cell without quotes, or the text that the author names") {
  CHECK(json("integer", {""}) == "null");
  CHECK(json("text", {"", true}) == "\"\"");
  CHECK(json("number", {"NA"}, {.null_text = "NA"}) == "null");
  CHECK(json("text", {""}, {.null_text = "NA"}) == "\"\"");
  CHECK(json("text", {"NA", true}, {.null_text = "NA"}) == "\"NA\"");
}

TEST_CASE("text is UTF-8, also from other encodings, with JSON's escapes") {
  CHECK(json("text", {"a\t\"\\\x01"}) == "\"a\\t\\\"\\\\\\u0001\"");
  CHECK(json("text", {"caf\xc3\xa9"}) == "\"caf\xc3\xa9\"");
  CHECK(json("text", {"caf\xe9"}) == "error: x: the text is not UTF-8 (see the property encoding)");
  CHECK(json("text", {"caf\xe9 \x80"}, {.encoding = TextEncoding::windows_1252}) == "\"caf\xc3\xa9 \xe2\x82\xac\"");
  CHECK(json("text", {"caf\xe9"}, {.encoding = TextEncoding::latin_1}) == "\"caf\xc3\xa9\"");
}
