#include "flow/test_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "flow/json_text.h"
#include "flow/values.h"
#include "plugin/nearest.h"
#include "sql/time_format.h"

namespace weir::flow {

namespace {

constexpr std::int64_t kDefaultStart = 1'704'067'200'000'000'000;  // 2024-01-01T00:00:00Z

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

bool TestReader::map(const Node& node, std::string_view what, const std::vector<std::string>& keys) const {
  if (!node.is_map()) {
    report_.error(node, fmt::format("{} is {}", what, describe(node)), "a map with " + joined(keys));
    return false;
  }
  for (const auto& [key, value] : node.members) {
    if (std::find(keys.begin(), keys.end(), key.text) == keys.end())
      report_.error(key, fmt::format("{} has no key '{}'", what, key.text), joined(keys), nearest(key.text, keys));
  }
  return true;
}

bool TestReader::list(const Node& node, std::string_view what) const {
  if (node.is_list()) return true;
  report_.error(node, fmt::format("{} is {}", what, describe(node)), "a list");
  return false;
}

std::string TestReader::text(const Node& node, std::string_view what) const {
  if (!node.is_scalar()) report_.error(node, fmt::format("{} is {}", what, describe(node)), "text");
  return node.text;
}

std::uint64_t TestReader::count(const Node& node, std::string_view what) const {
  std::uint64_t value = 0;
  const auto* end = node.text.data() + node.text.size();
  const auto [at, error] = std::from_chars(node.text.data(), end, value);
  if (!node.is_scalar() || error != std::errc{} || at != end || node.text.empty())
    report_.error(node, fmt::format("{} is {}", what, describe(node)), "a whole number");
  return value;
}

Duration TestReader::duration(const Node& node, std::string_view what) const {
  if (node.is_scalar()) {
    if (const auto value = parse_duration(node.text)) return *value;
  }
  report_.error(node, fmt::format("{} is {}", what, describe(node)), "a duration with its unit, such as 10s or 5m");
  return {};
}

bool TestReader::boolean(const Node& node, std::string_view what) const {
  if (node.is_scalar() && (node.text == "true" || node.text == "false")) return node.text == "true";
  report_.error(node, fmt::format("{} is {}", what, describe(node)), "true or false");
  return false;
}

std::vector<Written> TestReader::texts(const Node& node, std::string_view what) const {
  std::vector<Written> values;
  if (!list(node, what)) return values;
  for (const auto& item : node.items) values.push_back({report_.mark(item), text(item, what)});
  return values;
}

std::vector<Written> TestReader::records(const Node& node) const {
  std::vector<Written> records;
  if (!list(node, "'records'")) return records;
  for (const auto& item : node.items) {
    if (item.is_map()) {
      records.push_back({report_.mark(item), to_json(item)});
    } else {
      report_.error(item, fmt::format("a record is {}", describe(item)), "a map of fields, such as {sensor_id: s1}");
    }
  }
  return records;
}

std::map<std::string, Written> TestReader::attributes(const Node& node) const {
  std::map<std::string, Written> attributes;
  if (!node.is_map()) {
    report_.error(node, fmt::format("'attributes' is {}", describe(node)), "a map of names to text");
    return attributes;
  }
  for (const auto& [key, value] : node.members)
    attributes.emplace(key.text, Written{report_.mark(value), text(value, "an attribute")});
  return attributes;
}

std::optional<std::uint32_t> TestReader::processor(const Node& node, std::string_view name) const {
  std::vector<std::string> names;
  for (std::uint32_t i = 0; i < flow_.processors.size(); ++i) {
    if (flow_.processors[i].name == name) return i;
    names.push_back(flow_.processors[i].name);
  }
  report_.error(node, fmt::format("there is no processor '{}'", name), joined(names), nearest(name, names));
  return std::nullopt;
}

std::optional<std::uint32_t> TestReader::relationship(const Node& node, std::uint32_t processor,
                                                      std::string_view name) const {
  const auto& names = flow_.processors[processor].relationships;
  const auto at = std::find(names.begin(), names.end(), name);
  if (at != names.end()) return static_cast<std::uint32_t>(at - names.begin());
  if (flow_.processors[processor].type == nullptr) return std::nullopt;  // what its type has is not known
  report_.error(node, fmt::format("'{}' has no relationship '{}'", flow_.processors[processor].name, name),
                names.empty() ? "none: it puts nothing out" : joined(names), nearest(name, names));
  return std::nullopt;
}

std::vector<FlowTest> TestReader::read(const Node& node) const {
  std::vector<FlowTest> tests;
  if (!list(node, "'tests'")) return tests;
  for (const auto& item : node.items) {
    auto test = read_test(item);
    for (const auto& other : tests) {
      if (other.name == test.name && !test.name.empty())
        report_.error(item, fmt::format("the test '{}' is also in line {}", test.name, other.mark.line),
                      "a name of its own for each test");
    }
    tests.push_back(std::move(test));
  }
  return tests;
}

FlowTest TestReader::read_test(const Node& node) const {
  FlowTest test;
  test.mark = report_.mark(node);
  test.now = kDefaultStart;
  if (!map(node, "a test",
           {"name", "now", "given", "wait", "until_idle", "expect", "bulletins", "answers", "tables", "state"}))
    return test;
  if (const auto* name = node.find("name")) {
    test.name = text(*name, "'name'");
  } else {
    report_.error(node, "this test has no name", "name: what it shows, in a sentence");
  }
  if (const auto* now = node.find("now"); now != nullptr && !sql::parse_rfc3339(text(*now, "'now'"), test.now))
    report_.error(*now, fmt::format("'now' is {}", describe(*now)), "a time, such as 2024-05-01T12:00:00Z");
  if (const auto* given = node.find("given"); given != nullptr && list(*given, "'given'")) {
    for (const auto& item : given->items) read_given(item, test);
  }
  if (const auto* wait = node.find("wait")) test.wait = duration(*wait, "'wait'");
  if (const auto* idle = node.find("until_idle")) test.until_idle = boolean(*idle, "'until_idle'");
  if (const auto* expect = node.find("expect"); expect != nullptr && list(*expect, "'expect'")) {
    for (const auto& item : expect->items) test.expected.push_back(read_expectation(item));
  }
  if (const auto* bulletins = node.find("bulletins")) test.bulletins = texts(*bulletins, "'bulletins'");
  if (const auto* answers = node.find("answers")) read_answers(*answers, test);
  if (const auto* tables = node.find("tables")) read_tables(*tables, test);
  check_tables(node, test);
  if (const auto* state = node.find("state")) {
    if (!state->is_map())
      report_.error(*state, fmt::format("'state' is {}", describe(*state)), "a map of processors to {entries: N}");
    for (const auto& [key, value] : state->members) {
      const auto index = processor(key, key.text);
      if (!map(value, "a processor's state", {"entries"})) continue;
      const auto* entries = value.find("entries");
      if (index && entries != nullptr) test.state[*index] = {report_.mark(*entries), count(*entries, "'entries'")};
    }
  }
  if (test.expected.empty() && !test.bulletins && test.state.empty())
    report_.error(node, fmt::format("the test '{}' expects nothing, so it cannot fail", test.name),
                  "expect:, bulletins: or state:");
  return test;
}

void TestReader::read_given(const Node& node, FlowTest& test) const {
  Given given;
  given.mark = report_.mark(node);
  given.at = test.given.empty() ? Duration{} : test.given.back().at;
  if (!map(node, "what is given", {"from", "at", "records", "each", "content", "contents", "attributes"})) return;
  const auto* from = node.find("from");
  if (from == nullptr)
    return report_.error(node, "it is not said where this enters the flow",
                         "from: PROCESSOR or PROCESSOR/RELATIONSHIP");
  const auto where = text(*from, "'from'");
  const auto slash = where.find('/');
  const auto index = processor(*from, where.substr(0, slash));
  if (!index) return;
  given.processor = *index;
  const auto way = relationship(*from, *index, slash == std::string::npos ? "success" : where.substr(slash + 1));
  if (!way) return;
  given.relationship = *way;
  if (const auto* at = node.find("at")) {
    given.at = duration(*at, "'at'");
    if (!test.given.empty() && given.at < test.given.back().at)
      report_.error(*at, fmt::format("{} is before what was given last", describe(*at)), "times in their order");
  }
  const auto* records_node = node.find("records");
  const auto* content = node.find("content");
  const auto* contents = node.find("contents");
  if ((records_node != nullptr) + (content != nullptr) + (contents != nullptr) != 1)
    report_.error(node, "it is not said what is given", "one of records:, content: and contents:");
  if (records_node != nullptr) {
    const bool each = node.find("each") != nullptr && boolean(*node.find("each"), "'each'");
    std::string all;
    const auto written = records(*records_node);
    for (const auto& record : written) {
      if (each) given.contents.push_back(record.text);
      all += (all.empty() ? "" : "\n") + record.text;
    }
    if (!each && !written.empty()) given.contents.push_back(all + (written.size() > 1 ? "\n" : ""));
  }
  if (content != nullptr) given.contents.push_back(text(*content, "'content'"));
  if (contents != nullptr) {
    for (auto& item : texts(*contents, "'contents'")) given.contents.push_back(std::move(item.text));
  }
  if (const auto* named = node.find("attributes")) {
    for (auto& [name, value] : attributes(*named)) given.attributes.emplace(name, std::move(value.text));
  }
  test.given.push_back(std::move(given));
}

Expectation TestReader::read_expectation(const Node& node) const {
  Expectation expectation;
  expectation.mark = report_.mark(node);
  if (!map(node, "an expectation",
           {"from", "to", "records", "contents", "flowfiles", "attributes", "partly", "order", "tolerance"}))
    return expectation;
  const auto* from = node.find("from");
  const auto* to = node.find("to");
  if ((from == nullptr) == (to == nullptr)) {
    report_.error(node, "it is not said where this is expected",
                  "from: PROCESSOR/RELATIONSHIP (what it puts out) or to: PROCESSOR (what it is given)");
    return expectation;
  }
  const auto where = text(from != nullptr ? *from : *to, "a place");
  const auto slash = from != nullptr ? where.find('/') : std::string::npos;
  if (const auto index = processor(from != nullptr ? *from : *to, where.substr(0, slash))) {
    expectation.processor = *index;
    if (from != nullptr)
      expectation.relationship =
          relationship(*from, *index, slash == std::string::npos ? "success" : where.substr(slash + 1));
  }
  if (const auto* written = node.find("records")) expectation.records = records(*written);
  if (const auto* written = node.find("contents")) expectation.contents = texts(*written, "'contents'");
  if (const auto* written = node.find("flowfiles")) expectation.flowfiles = count(*written, "'flowfiles'");
  if (const auto* written = node.find("attributes")) expectation.attributes = attributes(*written);
  if (const auto* written = node.find("partly")) expectation.partly = boolean(*written, "'partly'");
  if (const auto* written = node.find("order")) {
    expectation.any_order = text(*written, "'order'") == "any";
    if (!expectation.any_order && written->text != "same")
      report_.error(*written, fmt::format("'order' is {}", describe(*written)), "same or any");
  }
  if (const auto* written = node.find("tolerance")) {
    const auto* end = written->text.data() + written->text.size();
    const auto [at, error] = std::from_chars(written->text.data(), end, expectation.tolerance);
    if (!written->is_scalar() || error != std::errc{} || at != end || !(expectation.tolerance >= 0))
      report_.error(*written, fmt::format("'tolerance' is {}", describe(*written)), "a number, 0 or more");
  }
  if (!expectation.records && !expectation.contents && !expectation.flowfiles && expectation.attributes.empty())
    report_.error(node, "it is not said what is expected", "records:, contents:, flowfiles: or attributes:");
  return expectation;
}

void TestReader::read_answers(const Node& node, FlowTest& test) const {
  if (!node.is_map())
    return report_.error(node, fmt::format("'answers' is {}", describe(node)), "a map of processors to answers");
  for (const auto& [key, value] : node.members) {
    const auto index = processor(key, key.text);
    if (!index) continue;
    auto& answers = test.answers[*index];
    if (value.is_list()) {
      for (const auto& item : value.items) answers.push_back(read_answer(item, *index));
    } else {
      answers.push_back(read_answer(value, *index));
    }
  }
}

/// {PROCESSOR: {TABLE: [rows]}}
void TestReader::read_tables(const Node& node, FlowTest& test) const {
  if (!node.is_map())
    return report_.error(node, fmt::format("'tables' is {}", describe(node)), "a map of processors to their tables");
  for (const auto& [key, value] : node.members) {
    const auto index = processor(key, key.text);
    if (!index) continue;
    std::vector<std::string> known;
    for (const auto& table : flow_.processors[*index].tables) known.push_back(table.snapshot.table);
    if (!map(value, fmt::format("'{}'", key.text), known)) continue;
    for (const auto& [name, rows] : value.members) {
      auto& given = test.tables[*index][name.text];
      for (auto& row : records(rows)) given.push_back(std::move(row.text));
    }
  }
}

/// A test does not read databases.
void TestReader::check_tables(const Node& node, const FlowTest& test) const {
  for (std::uint32_t i = 0; i < flow_.processors.size(); ++i) {
    const auto& reader = flow_.processors[i];
    if (test.answers.contains(i)) continue;
    const auto given = test.tables.find(i);
    for (const auto& table : reader.tables) {
      const auto& name = table.snapshot.table;
      if (given != test.tables.end() && given->second.contains(name)) continue;
      report_.error(
          node,
          fmt::format("'{}' joins with the table '{}' of a database, which a test does not read", reader.name, name),
          fmt::format("its rows: tables: {{{}: {{{}: [{{…}}]}}}}", reader.name, name));
    }
  }
}

Answer TestReader::read_answer(const Node& node, std::uint32_t processor) const {
  Answer answer;
  if (!map(node, "an answer", {"when", "to", "set"})) return answer;
  if (const auto* when = node.find("when"); when != nullptr) {
    if (!when->is_map())
      report_.error(*when, fmt::format("'when' is {}", describe(*when)), "a map of fields to their values");
    for (const auto& [key, value] : when->members) answer.when.emplace_back(key.text, to_json(value));
  }
  if (const auto* to = node.find("to")) answer.relationship = relationship(*to, processor, text(*to, "'to'"));
  if (const auto* set = node.find("set")) {
    if (!set->is_map())
      report_.error(*set, fmt::format("'set' is {}", describe(*set)), "a map of fields to their values");
    answer.set = to_json(*set);
  }
  return answer;
}

}  // namespace weir::flow
