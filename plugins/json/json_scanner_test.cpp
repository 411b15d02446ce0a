#include "json_scanner.h"

#include <doctest/doctest.h>
#include <simdjson.h>

#include <random>
#include <string>
#include <vector>

using namespace weir::json;

namespace {

/// Writes down what it is told.
class Recorder final : public JsonEvents {
 public:
  void name(std::uint32_t depth, std::string_view name) override {
    log += "n" + std::to_string(depth) + ":" + std::string(name) + " ";
  }
  void begin(std::uint32_t depth, ValueKind, std::uint64_t offset) override {
    log += "b" + std::to_string(depth) + "@" + std::to_string(offset) + " ";
  }
  bool end(std::uint32_t depth, std::uint64_t offset) override {
    log += "e" + std::to_string(depth) + "@" + std::to_string(offset) + " ";
    return !pause;
  }
  std::string log;
  bool pause = false;
};

std::string scan(std::string_view text, std::size_t piece, std::uint32_t depth = 1) {
  Recorder recorder;
  JsonScanner scanner(recorder, depth);
  for (std::size_t at = 0; at < text.size(); at += piece) scanner.read(text.substr(at, piece));
  scanner.finish();
  return recorder.log;
}

/// The message of the error, or nothing.
std::string trouble(std::string_view text, std::size_t piece = 1000) {
  try {
    scan(text, piece);
    return {};
  } catch (const InvalidJson& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("values are reported with their place, down to the depth asked for") {
  CHECK(scan(R"({"a": 1, "b": [2, {"c": 3}]})", 1000) == "b0@0 n1:a b1@6 e1@7 n1:b b1@14 e1@27 e0@28 ");
  CHECK(scan("[true,null,\"x\",-1.5e3]", 1000) == "b0@0 b1@1 e1@5 b1@6 e1@10 b1@11 e1@14 b1@15 e1@21 e0@22 ");
  CHECK(scan("{}\n12\n[]", 1000) == "b0@0 e0@2 b0@3 e0@5 b0@6 e0@8 ");
}

TEST_CASE("where the pieces are cut makes no difference") {
  const std::string text =
      "{\"na\\u0041me \\ud83d\\ude00 \xf0\x9f\x98\x80\": [1.25e-7, true, \"\\\"\\\\ long enough for a word "
      "\xc3\xa4\"], "
      "\"z\": null}\n17 ";
  const auto whole = scan(text, text.size(), 2);
  for (std::size_t piece = 1; piece < 20; ++piece) CHECK(scan(text, piece, 2) == whole);
  CHECK(whole.find("n1:naAme \xf0\x9f\x98\x80 \xf0\x9f\x98\x80 ") != std::string::npos);
}

TEST_CASE("an error says what was expected and at which byte") {
  CHECK(trouble("{\"a\":1,}") == "no JSON: expected a name in quotes, not '}', at byte 7");
  CHECK(trouble("[1 2]") == "no JSON: expected ',' or ']', not '2', at byte 3");
  CHECK(trouble("[1}") == "no JSON: expected ']', not '}', at byte 2");
  CHECK(trouble("{\"a\" 1}") == "no JSON: expected ':', not '1', at byte 5");
  CHECK(trouble("[NaN]") == "no JSON: expected a value, not 'N', at byte 1");
  CHECK(trouble("[01]") == "no JSON: expected no digit after a leading 0, not '1', at byte 2");
  CHECK(trouble("[1.]") == "no JSON: expected a digit, not ']', at byte 3");
  CHECK(trouble("{\"a\":") == "no JSON: the text ends inside of a value, at byte 5");
  CHECK(trouble("\"a\nb\"") == "no JSON: a control character inside of a string, at byte 2");
  CHECK(trouble("\"\\x\"").starts_with("no JSON: expected one of"));
  CHECK(trouble("\"\\ud800x\"").starts_with("no JSON: expected the second half"));
  CHECK(trouble("\"\\udc00\"") == "no JSON: half a surrogate pair in \\u escapes, at byte 6");
  CHECK(trouble("\"ab\xff\"") == "no JSON: invalid UTF-8, at byte 3");
  CHECK(trouble("\"\xc0\x80\"") == "no JSON: invalid UTF-8, at byte 1");
  CHECK(trouble("\"\xed\xa0\x80\"") == "no JSON: invalid UTF-8, at byte 2");
  CHECK(trouble("\xef\xbb\xbf{}") == "no JSON: expected a value, not the byte 0xef, at byte 0");
}

TEST_CASE("a depth bomb is an error, not a crash") {
  CHECK(trouble(std::string(100'000, '[')) == "no JSON: nested deeper than 1024 levels, at byte 1024");
  CHECK(trouble(std::string(1024, '[') + std::string(1024, ']')).empty());
}

TEST_CASE("a scan can pause behind a value and be taken up again by another scanner") {
  const std::string text = R"({"a": [10, 20, 30], "b": 5})";
  Recorder first;
  JsonScanner scanner(first, 2);
  first.pause = true;
  REQUIRE(scanner.read(text) == 9);  // behind 10
  CHECK(scanner.containers() == "{[");
  Recorder second;
  JsonScanner resumed(second, 2);
  resumed.resume(scanner.offset(), scanner.containers());
  CHECK(resumed.read(std::string_view(text).substr(9)) == text.size() - 9);
  resumed.finish();
  CHECK(second.log == "b2@11 e2@13 b2@15 e2@17 e1@18 n1:b b1@25 e1@26 e0@27 ");
}

TEST_CASE("what is JSON and what is not is decided as simdjson decides it") {
  // Sound documents, broken in every way that a changed, removed or added byte can break them.
  const std::vector<std::string> seeds = {
      R"({"sensor_id":"s-0123","ts":1700000000123,"temperature":21.37,"ok":true,"tags":["a","\u00e9\n"],"x":null})",
      R"([[],{},[{"a":[-0.5e+10,0,1E2]}],"\ud83d\ude00"])",
      "{\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\": \"\xed\x9f\xbf\"}",
  };
  std::mt19937 random(7);
  simdjson::dom::parser parser;
  int accepted = 0;
  for (int round = 0; round < 60'000; ++round) {
    auto text = seeds[random() % seeds.size()];
    for (auto edits = 1 + random() % 2; edits > 0; --edits) {
      const auto at = random() % text.size();
      constexpr std::string_view kBytes = "{}[]\",:\\0123456789.-+eEtrufalsn \t\n\x80\xc3\xe2\xf0\x01x";
      const char byte = kBytes[random() % kBytes.size()];
      switch (random() % 3) {
        case 0:
          text[at] = byte;
          break;
        case 1:
          text.erase(at, 1);
          break;
        default:
          text.insert(at, 1, byte);
      }
    }
    const auto error = parser.parse(text).error();
    // Numbers too large for simdjson's types are JSON all the same.
    if (error == simdjson::NUMBER_ERROR && trouble(text).empty()) continue;
    // One document only: a second one is none of simdjson's parse, and sound for a scanner of NDJSON.
    Recorder recorder;
    JsonScanner scanner(recorder, 0);
    bool sound = true;
    try {
      scanner.read(text);
      scanner.finish();
      sound = scanner.documents() == 1;
    } catch (const InvalidJson&) {
      sound = false;
    }
    accepted += sound ? 1 : 0;
    CAPTURE(text);
    REQUIRE(sound == (error == simdjson::SUCCESS));
  }
  CHECK(accepted > 1000);
}
