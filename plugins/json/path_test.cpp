#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "json_path.h"
#include "json_scanner.h"
#include "path_matcher.h"
#include "weir/errors.h"

using namespace weir::json;

namespace {

std::string steps(std::string_view text) {
  const auto path = parse_path(text);
  return path.upto(path.steps.size());
}

std::string refusal(std::string_view text) {
  try {
    parse_path(text);
    return "accepted";
  } catch (const weir::Misconfigured& error) {
    return error.what();
  }
}

/// The elements that a path selects: found twice, by a survey and by a second scan that skips what is void.
std::vector<std::string> select(const std::string& text, const std::optional<std::string>& path_text) {
  std::optional<JsonPath> path;
  if (path_text) path = parse_path(*path_text);
  const auto run = [&](PathMatcher& matcher) {
    JsonScanner scanner(matcher, matcher.report_depth());
    scanner.read(text);
    scanner.finish();
  };
  PathMatcher survey(path, text[0], true, [](const Match&) { return true; });
  run(survey);
  std::vector<std::string> found;
  PathMatcher second(path, text[0], false, [&](const Match& match) {
    found.push_back((match.named ? std::string(match.name) + "=" : "") +
                    text.substr(match.begin, match.end - match.begin));
    return true;
  });
  second.skip(survey.void_ranges());
  run(second);
  CHECK(survey.count() == found.size());
  return found;
}

using Elements = std::vector<std::string>;

}  // namespace

TEST_CASE("a path is a JSON Pointer or a JSONPath") {
  CHECK(steps("") == "$");
  CHECK(steps("$") == "$");
  CHECK(steps("/a/b~1c~0d") == "$['a']['b/c~d']");
  CHECK(steps("/items/0") == "$['items'][0]");
  CHECK(steps("/01") == "$['01']");
  CHECK(steps("$.a.b[3]['it\\'s'][*].*") == "$['a']['b'][3]['it's'][*][*]");
}

TEST_CASE("a path that cannot be followed is refused with its column") {
  CHECK(refusal("items") == "path 'items', column 1: a JSON Pointer begins with '/', a JSONPath with '$'");
  CHECK(refusal("$..b") ==
        "path '$..b', column 3: '..' is not supported: name every step, or use [*] for all of one level");
  CHECK(refusal("$.a[?(@.b>1)]").starts_with("path '$.a[?(@.b>1)]', column 5: filters are not supported"));
  CHECK(refusal("$.a[1:2]") == "path '$.a[1:2]', column 6: slices and unions are not supported: use [*] or one index");
  CHECK(refusal("$.a[-1]") == "path '$.a[-1]', column 5: indexes count from the start, 0 being the first");
  CHECK(refusal("$.a[*") == "path '$.a[*', column 6: expected ']'");
  CHECK(refusal("$.a['b") == "path '$.a['b', column 7: the name's closing quote is missing");
  CHECK(refusal("$a") == "path '$a', column 2: expected '.' or '['");
  CHECK(refusal("$.") ==
        "path '$.', column 3: expected a name (other characters than letters, digits, _ and - go in ['…'])");
  CHECK(refusal("/a~2") == "path '/a~2', column 4: after '~' comes 0 (for ~) or 1 (for /)");
  CHECK(refusal("$[99999999999999999999]").ends_with("the index is too large"));
}

TEST_CASE("without a path the records of the content are selected") {
  CHECK(select("[1,[2],{\"a\":3}]", std::nullopt) == Elements{"1", "[2]", "{\"a\":3}"});
  CHECK(select("{\"a\":1}\n{\"a\":2}\n", std::nullopt) == Elements{"{\"a\":1}", "{\"a\":2}"});
  CHECK(select("{\"a\":1}", std::nullopt) == Elements{"{\"a\":1}"});
}

TEST_CASE("a path without wildcard selects the elements, or members, of what it names") {
  CHECK(select(R"({"x":[0],"a":{"b":[1, 2 ,"]"]}})", "/a/b") == Elements{"1", "2", "\"]\""});
  CHECK(select(R"([[1,2],[3]])", "$[1]") == Elements{"3"});
  CHECK(select(R"({"a":{"x":1,"y":{}}})", "$.a") == Elements{"x=1", "y={}"});
  CHECK(select("{\"a\":[]}", "$.a").empty());
  CHECK(select("{\"a\":[1]}\n{\"a\":[2,3]}", "$.a") == Elements{"1", "2", "3"});
}

TEST_CASE("a path with wildcards selects what it reaches, in the order of the document") {
  const std::string sites = R"({"sites":[{"s":[1,2]},{"t":[9]},{"s":[3]},{"s":{"k":4}}, 7]})";
  CHECK(select(sites, "$.sites[*].s[*]") == Elements{"1", "2", "3", "k=4"});
  CHECK(select(sites, "$.sites[*].s[0]") == Elements{"1", "3"});
  CHECK(select(sites, "$.sites[*].s") == Elements{"[1,2]", "[3]", "{\"k\":4}"});
}

TEST_CASE("of members with the same name the last one counts") {
  CHECK(select(R"({"a":[1,2],"b":0,"a":[3]})", "$.a") == Elements{"3"});
  CHECK(select(R"({"a":[1],"a":[2],"\u0061":[3,4]})", "$.a") == Elements{"3", "4"});
  CHECK(select(R"({"a":5,"a":[3]})", "$.a") == Elements{"3"});
  CHECK(select(R"({"x":1,"y":2,"x":3})", "$.*") == Elements{"y=2", "x=3"});
  CHECK(select(R"([{"a":{"p":[1,2]}, "a":{"p":[3],"q":[4],"p":[5]}}])", "$[*].*.*[*]") == Elements{"4", "5"});
  CHECK_THROWS_WITH_AS(select(R"({"a":{"b":[1]},"a":{}})", "$.a.b"),
                       "there is nothing at '$.a.b' in the document that ends at byte 22", weir::Rejected);
}

TEST_CASE("a path that leads nowhere is an error, unless it has a wildcard") {
  CHECK_THROWS_WITH_AS(select("{\"b\":[1]}", "/a"), "there is nothing at '/a' in the document that ends at byte 9",
                       weir::Rejected);
  CHECK_THROWS_WITH_AS(select("{\"a\":\"x\"}", "/a"), "'/a' is a text, not an array or object, at byte 5",
                       weir::Rejected);
  CHECK(select("{\"b\":[1]}", "$.a[*]").empty());
}

TEST_CASE("more repeated names than can be remembered are refused, not misread") {
  std::string text = "[";
  for (int i = 0; i < 1001; ++i) text += std::string(i == 0 ? "" : ",") + R"({"a":[1],"a":[2]})";
  text += "]";
  CHECK_THROWS_AS(select(text, "$[*].a[*]"), weir::Rejected);
}
