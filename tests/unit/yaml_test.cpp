// YAML becomes a tree that knows its places, and no file does harm.
#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "flow/yaml.h"

using namespace weir::flow;

namespace {

struct Parsed {
  Source source;
  std::vector<Problem> problems;
  std::optional<Node> root;
  explicit Parsed(std::string text) : source("f.yaml", std::move(text)) { root = parse_yaml(source, problems); }
  std::string first() const { return problems.empty() ? "" : to_string(problems[0]); }
  /// line:column of a byte of a scalar's value
  std::string place(const Node& node, std::size_t offset) const {
    const auto mark = source.mark(source_offset(source, node, offset));
    return std::to_string(mark.line) + ":" + std::to_string(mark.column);
  }
};

/// Where `word` of the scalar under `key` stands in the source, as found through its value.
std::string found(const std::string& yaml, const char* key, const std::string& word) {
  const Parsed parsed(yaml);
  REQUIRE(parsed.root);
  const auto& node = *parsed.root->find(key);
  const auto offset = node.text.find(word);
  REQUIRE(offset != std::string::npos);
  return parsed.place(node, offset);
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("values keep their order, their quotes and their places") {
  const Parsed parsed("a: 1\nb: \"1\"\nc:\n  - x\n  -  y\nd: ~\n");
  REQUIRE(parsed.root);
  CHECK(parsed.root->members.size() == 4);
  CHECK(parsed.root->find("a")->plain);
  CHECK_FALSE(parsed.root->find("b")->plain);
  const auto mark = parsed.source.mark(parsed.root->find("c")->items[1].begin);
  CHECK(mark.line == 5);
  CHECK(mark.column == 6);
  CHECK(parsed.root->find("d")->is_null());
  CHECK(parsed.root->find("e") == nullptr);
}

TEST_CASE("columns count characters, not bytes") {
  const Parsed parsed("a: [°C, x, x]\n");
  CHECK(parsed.source.mark(parsed.root->find("a")->items[1].begin).column == 9);
}

TEST_CASE("an alias knows where it stands and what it stands for") {
  const Parsed parsed("x-a: &a {k: v}\nb: *a\n");
  REQUIRE(parsed.root);
  const auto& value = parsed.root->find("b")->members[0].value;
  CHECK(value.text == "v");
  CHECK(parsed.source.mark(value.begin).line == 1);
  CHECK(parsed.source.mark(value.via).line == 2);
}

TEST_CASE("<< merges maps; the map's own keys and earlier merges win") {
  const Parsed parsed("x-a: &a {k: 1, l: 2}\nx-b: &b {k: 3, m: 4}\nc: {<<: [*a, *b], l: 5}\n");
  REQUIRE(parsed.root);
  CHECK(parsed.problems.empty());
  const auto& c = *parsed.root->find("c");
  CHECK(c.find("k")->text == "1");
  CHECK(c.find("l")->text == "5");
  CHECK(c.find("m")->text == "4");
  CHECK(c.find("<<") == nullptr);
  CHECK(contains(Parsed("a: {<<: 1}").first(), "'<<' merges maps"));
}

TEST_CASE("duplicate keys, tags and keys that are no names are errors, each at its place") {
  CHECK(Parsed("a: 1\nb: 2\na: 3\n").first() ==
        "f.yaml:3:1: error: the key 'a' stands twice in this map (first on line 1)");
  CHECK(contains(Parsed("a: !!int 1\n").first(), "f.yaml:1:10: error: the tag"));
  CHECK(contains(Parsed("[1, 2]: 3\n").first(), "a key has to be a name"));
}

TEST_CASE("a file is one document") {
  CHECK(contains(Parsed("").first(), "this file is empty"));
  CHECK(contains(Parsed("# only words\n").first(), "this file is empty"));
  CHECK(contains(Parsed("a: 1\n---\nb: 2\n").first(), "f.yaml:2:1: error: a second document begins here"));
}

TEST_CASE("bytes that are no text are named with their place") {
  CHECK(contains(Parsed("a: 1\nb: \xff\n").first(), "f.yaml:2:4: error: the byte 0xFF is no UTF-8"));
  CHECK(contains(Parsed("a: \xc0\xaf\n").first(), "0xC0"));
  CHECK(
      contains(Parsed(std::string("a: x\0y\n", 7)).first(), "f.yaml:1:5: error: the byte 0x00 is a control character"));
  CHECK(contains(Parsed("\xff\xfe"
                        "a\n")
                     .first(),
                 "a text file in UTF-8"));
}

TEST_CASE("what is no YAML is told with its place, and tabs are explained") {
  CHECK(contains(Parsed("a: [1, 2\nb: 3\n").first(), "this is no valid YAML"));
  CHECK(contains(Parsed("a:\n\tb: 1\n").first(), "does not allow tabs"));
  CHECK(contains(Parsed("a: *b\n").first(), "anchor"));
}

TEST_CASE("common slips in YAML are told with what to write instead") {
  CHECK(contains(Parsed("p:\n  a: {url: ${broker}, to: b}\n").first(),
                 R"~(quotes around $… in line 2: inside of { } and [ ] write "${name}" and "$(sql)")~"));
  CHECK(contains(Parsed("p:\n  a: {topic: a/ #, to: b}\n  b: {}\n").first(),
                 "quotes around text that holds ' #' in line 2: there it begins a comment"));
  CHECK(contains(Parsed("p:\n  a: {content: \"x, to: b}\n  b: {}\n").first(), "the quote that is opened in line 2"));
  CHECK(contains(Parsed("p:\n  a: {type: Log\n  b: {type: Log}\n").first(), "what is opened in line 2 to be closed"));
  CHECK(contains(Parsed("p:\n  a\n    type: Log\n").first(), "'a:' in line 2: a name ends with a colon"));
  CHECK(contains(Parsed("p:\n  type: Log\n    to: b\n").first(), "the indentation of line 2, whose value is complete"));
  CHECK(contains(Parsed("flow:f\nprocessors:\n  a: {}\n").first(), "a space after 'flow:' in line 1"));
  CHECK(contains(Parsed("description: what: it does\n").first(), "quotes around a value that holds ': '"));
}

TEST_CASE("depth and aliases are bounded, and the time that a hostile file takes") {
  const auto start = std::chrono::steady_clock::now();
  CHECK(contains(Parsed(std::string(100'000, '[')).first(), "levels deep"));
  CHECK(contains(Parsed(std::string(100'000, '{')).first(), "error"));
  std::string nested;
  for (int i = 0; i < 100; ++i) nested += std::string(static_cast<std::size_t>(2 * i), ' ') + "a:\n";
  CHECK(contains(Parsed(nested).first(), "levels deep"));
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) bomb += (k == 0 ? "*a" : ", *a") + std::to_string(i - 1);
    bomb += "]\n";
  }
  CHECK(contains(Parsed(bomb).first(), "once its aliases are expanded"));
  CHECK(contains(Parsed("a: &a [*a]\n").first(), "inside the value that it names"));
  const Parsed huge("a: " + std::string(3'000'000, 'x') + "\n");
  CHECK(huge.root->find("a")->text.size() == 3'000'000);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(30));
}

TEST_CASE("a byte of a value is found again in the source, whatever its quotes") {
  CHECK(found("sql: a > limt\n", "sql", "limt") == "1:10");
  CHECK(found("sql: 'it''s > limt'\n", "sql", "limt") == "1:15");
  CHECK(found("sql: \"\\\"x\\\" > \\u00e9 limt\"\n", "sql", "limt") == "1:22");
  CHECK(found("sql: &anchor  a > limt\n", "sql", "limt") == "1:19");
  CHECK(found("sql: a >\n  limt\n", "sql", "limt") == "2:3");
  CHECK(found("sql: 'a >\n\n     limt'\n", "sql", "limt") == "3:6");
  CHECK(found("sql: \"a \\\n     limt\"\n", "sql", "limt") == "2:6");
}

TEST_CASE("a byte of a block scalar is found again through its indentation") {
  CHECK(found("sql: |\n  a = 1\n    AND limt\n  b\n", "sql", "limt") == "3:9");
  CHECK(found("sql: |\n\n  a = 1\n\n  limt\n", "sql", "limt") == "5:3");
  CHECK(found("sql: >-\n  a = 1\n  AND\n\n  limt\n", "sql", "limt") == "5:3");
  CHECK(found("sql: |2\n    a = 1\n  limt\n", "sql", "limt") == "3:3");
  CHECK(found("a:\nsql: |\r\n  a = 1\r\n  limt\r\n", "sql", "limt") == "4:3");
  CHECK(found("sql: | # words\n  limt\n", "sql", "limt") == "2:3");
}

TEST_CASE("a file that cannot be read says why") {
  const auto message = [](const std::filesystem::path& path) -> std::string {
    try {
      Source::read(path);
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return {};
  };
  CHECK(message("/nowhere/flow.yaml") == "there is no such file");
  CHECK(contains(message("/"), "is a directory"));
  const auto large = std::filesystem::temp_directory_path() / "weir-large-flow.yaml";
  std::ofstream(large) << std::string(kLargestFile + 1, 'x');
  CHECK(contains(message(large), "larger than 4 MiB"));
  std::filesystem::remove(large);
}
