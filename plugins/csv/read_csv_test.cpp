#include <doctest/doctest.h>

#include "weir/plugin.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace {

using weir::testkit::Options;
using weir::testkit::Runner;

struct Csv : Runner {
  explicit Csv(const std::string& properties = "", Options options = {})
      : Runner(weir::testkit::find_type(weir_plugin_abi_1(), "ReadCsv"), properties, options) {}
  /// All records that came of it, in order.
  std::string records() {
    std::string all;
    for (const auto& output : take("success")) all += output.content;
    return all;
  }
};

struct Bad {
  std::string line, content, message;
  bool operator==(const Bad&) const = default;
};
std::vector<Bad> bad_rows(Runner& runner) {
  std::vector<Bad> rows;
  for (const auto& output : runner.take("failure")) {
    const auto line = output.attributes.find("csv.line");
    rows.push_back(
        {line == output.attributes.end() ? "" : line->second, output.content, output.attributes.at("error.message")});
  }
  return rows;
}

std::string failure(const std::string& properties, const std::string& content, Options options = {}) {
  Csv csv(properties, options);
  csv.push(content);
  csv.run();
  CHECK(csv.take("success").empty());
  const auto bad = bad_rows(csv);
  REQUIRE(bad.size() == 1);
  CHECK(bad[0].content == content);
  return bad[0].message;
}

std::string refusal(const std::string& properties) {
  try {
    Csv csv(properties);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "accepted";
}

const char* const kCustomer = R"(
id: {type: integer, required: true}
zip: {type: text}
balance: {type: number}
since: {type: time, format: unix_s}
)";

TEST_CASE("rows become records with the header's names, what looks like a number a number") {
  Csv csv;
  csv.push(
      "\xef\xbb\xbf"
      "id,name,temperature\r\n1,\"Doe, Jane\",80.10\r\n\r\n2,,\"\"\r\n");
  csv.run();
  const auto out = csv.take("success");
  REQUIRE(out.size() == 1);
  CHECK(out[0].content ==
        "{\"id\":1,\"name\":\"Doe, Jane\",\"temperature\":80.10}\n{\"id\":2,\"name\":null,\"temperature\":\"\"}\n");
  CHECK(out[0].records == 2);
  CHECK(out[0].parents == std::vector<std::uint64_t>{0});
}

TEST_CASE("types are those of the record that the flow declares for what leaves it") {
  Csv csv("", {.emits = kCustomer});
  csv.push("id,zip,balance,since,note\n007,01234,+5.50,1700000000,12\n");
  csv.run();
  CHECK(csv.records() == "{\"id\":7,\"zip\":\"01234\",\"balance\":5.50,\"since\":1700000000,\"note\":12}\n");
}

TEST_CASE("bad rows go to failure with their line and their bytes, the rest proceed in order") {
  Csv csv("", {.emits = kCustomer});
  csv.push("id,zip\n1,a\n\"2\",\"x\ny\"\n3\n,b\nx,\"c\r\n4,\xff\n5,\"d\"e\n6,f\n");
  csv.run();
  CHECK(csv.records() == "{\"id\":1,\"zip\":\"a\"}\n{\"id\":2,\"zip\":\"x\\ny\"}\n{\"id\":6,\"zip\":\"f\"}\n");
  CHECK(bad_rows(csv) == std::vector<Bad>{
                             {"5", "3", "line 5: 1 cell, but 2 columns"},
                             {"6", ",b", "line 6: id is required, but empty"},
                             {"7", "x,\"c", "line 7: something follows the closing quote of a cell"},
                             {"8", "4,\xff", "line 8: zip: the text is not UTF-8 (see the property encoding)"},
                             {"9", "5,\"d\"e", "line 9: something follows the closing quote of a cell"},
                         });
  CHECK(csv.metric("csv_rows") == 3);
  CHECK(csv.metric("csv_bad_rows") == 5);
}

TEST_CASE("a bad row names the header of its file") {
  Csv csv;
  csv.push("a,\"b\"\n1\n");
  csv.run();
  CHECK(csv.take("failure").at(0).attributes.at("csv.header") == "a,\"b\"");
}

TEST_CASE("names may be given, instead of a header or of its names") {
  Csv without("header: false\ncolumns: [a, b]");
  without.push("1,2\n");
  without.run();
  CHECK(without.records() == "{\"a\":1,\"b\":2}\n");
  Csv renamed("columns: [a, b]");
  renamed.push("x,x\n1,2\n");
  renamed.run();
  CHECK(renamed.records() == "{\"a\":1,\"b\":2}\n");
  CHECK(failure("columns: [a, b]", "x\n1\n") == "the header has 1 cell, but the property columns names 2");
}

TEST_CASE("other files: delimiter, quote, null, encoding, lines before the header, text as it is") {
  Csv csv("delimiter: \";\"\nquote: \"'\"\n\"null\": NA\nencoding: windows-1252\nskip_lines: 2\nundeclared: text\n");
  csv.push("made by 'x\n\nn\xe9;b\n'a;''b';12\nNA;\x80\n");
  csv.run();
  CHECK(csv.records() == "{\"n\xc3\xa9\":\"a;'b\",\"b\":\"12\"}\n{\"n\xc3\xa9\":null,\"b\":\"\xe2\x82\xac\"}\n");
  Csv tabs("delimiter: \"\\t\"");
  tabs.push("a\tb\n1\t2");
  tabs.run();
  CHECK(tabs.records() == "{\"a\":1,\"b\":2}\n");
}

TEST_CASE("a file without usable columns is a failure as a whole, and says why") {
  CHECK(failure("", "") == "no header: the content has no row; with columns given, say header: false");
  CHECK(failure("", "\n\n") == "no header: the content has no row; with columns given, say header: false");
  CHECK(failure("", "a,\n1,2\n") == "column 2 of the header has no name; the property columns can give it one");
  CHECK(failure("", "a,b,a\n1,2,3\n") == "columns 1 and 3 are both called 'a'; the property columns can rename them");
  CHECK(failure("", "\"a\"b\n1\n") == "line 1, the header: something follows the closing quote of a cell");
  CHECK(failure("",
                "\xff\xfe"
                "a") == "the content is UTF-16, which is not read; convert it to UTF-8 before");
  CHECK(failure("", "zip,balance\n1,2\n", {.emits = kCustomer}) ==
        "there is no column 'id', which the record emits requires; there are zip, balance");
  CHECK(failure("", "id,zap\n1,2\n", {.emits = std::string(kCustomer) + "extra: fail\n"}) ==
        "the column 'zap' is not declared in the record emits (extra: fail); it has id, zip, balance, since");
}

TEST_CASE("a header alone is no failure, and makes no record") {
  Csv csv;
  csv.push("a,b\n");
  csv.run();
  CHECK(csv.records().empty());
  CHECK(csv.take("failure").empty());
  REQUIRE(csv.dropped().size() == 1);
  CHECK(csv.dropped()[0].reason == "no rows");
}

TEST_CASE("a large file takes several sessions, with the header and the lines of the first, over a crash too") {
  std::string content = "id,\"text\"\n";
  std::string expected;
  const std::string filler(90, 'x');
  constexpr int kRows = 400'000;
  for (int i = 0; i < kRows; ++i) {
    const auto id = std::to_string(i);
    if (i == kRows - 10) {
      content += "bad\n";
      continue;
    }
    content += id + ",\"" + filler + "\"\n";
    expected += "{\"id\":" + id + ",\"text\":\"" + filler + "\"}\n";
  }
  Csv csv;
  csv.push(content);
  csv.durable();
  REQUIRE(csv.step());
  CHECK(csv.queued() == 1);
  CHECK(csv.state().size() == 1);
  auto records = csv.records();
  csv.durable();
  csv.step();
  csv.take("success");
  csv.crash();  // the second session is done again
  csv.run();
  records += csv.records();
  CHECK(records == expected);
  CHECK(bad_rows(csv) == std::vector<Bad>{{"399992", "bad", "line 399992: 1 cell, but 2 columns"}});
  CHECK(csv.state().empty());
  CHECK(csv.queued() == 0);
}

TEST_CASE("a file of nothing but bad rows takes several sessions as well") {
  std::string content = "a\n";
  for (int i = 0; i < 25'000; ++i) content += "1,2\n";
  Csv csv;
  csv.push(content);
  REQUIRE(csv.step());
  CHECK(csv.queued() == 1);
  csv.run();
  const auto bad = bad_rows(csv);
  CHECK(bad.size() == 25'000);
  CHECK(bad.back().line == "25001");
}

TEST_CASE("a row beyond max_row is bad, wherever it ends, and reading goes on behind its first line") {
  const std::string lines = "a,b\n1,\"open\n2,3\n";
  Csv csv("max_row: 1024B");
  csv.push(lines + std::string(3000, 'y') + "\n4,5\n" + std::string(1500, 'z'));
  csv.run();
  CHECK(csv.records() == "{\"a\":2,\"b\":3}\n{\"a\":4,\"b\":5}\n");
  CHECK(bad_rows(csv) == std::vector<Bad>{
                             {"2", "1,\"open", "line 2: the row is longer than max_row"},
                             {"4", std::string(3000, 'y') + "\n", "line 4: the row is longer than max_row"},
                             {"6", std::string(1500, 'z'), "line 6: the row is longer than max_row"},
                         });
}

TEST_CASE("settings that cannot work are refused with what to do") {
  CHECK(refusal("delimiter: ab").find("delimiter: one ASCII character") != std::string::npos);
  CHECK(refusal("delimiter: \"'\"\nquote: \"'\"").find("another character than the delimiter") != std::string::npos);
  CHECK(refusal("header: false").find("without a header their names have to be given") != std::string::npos);
  CHECK(refusal("columns: [a, a]\nheader: false").find("columns 1 and 2 are both called 'a'") != std::string::npos);
  CHECK(refusal("max_row: 1B").find("max_row") != std::string::npos);
}

}  // namespace
