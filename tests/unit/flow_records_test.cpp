// Declared records follow the connections.
#include <doctest/doctest.h>

#include "flow/records.h"
#include "flow_fixture.h"

using namespace weir;
using namespace weir::flow;

namespace {

const std::string kRecords = R"(flow: f
records:
  a:
    id: {type: text, required: true}
    value: {type: number}
    at: {type: time, format: unix_ms}
  b:
    id: {type: text}
    value: {type: text}
)";

const Processor& it(const LoadResult& result) {
  for (const auto& processor : result.flows.at(0).processors) {
    if (processor.name == "it") return processor;
  }
  throw std::runtime_error("no processor 'it'");
}

}  // namespace

TEST_CASE("a record passes through what keeps it, and its failures") {
  const auto result = load_yaml(kRecords + R"(processors:
  in: {type: TestSource, topic: t, record: a, to: keep}
  keep: {type: TestFilter, to: {success: it, unmatched: keep, failure: it}}
  it: {type: TestSink, path: p}
)");
  REQUIRE(result.ok());
  REQUIRE(it(result).input_record);
  CHECK(it(result).input_record->name == "a");
}

TEST_CASE("a record passes through what edits it, but for the fields that are changed") {
  const auto result = load_yaml(kRecords + R"(processors:
  in: {type: TestSource, topic: t, record: a, to: edit}
  edit:
    type: TestUpdate
    set: {value: value * 2, copy: at, warm: value > 20, odd name: "'x'"}
    remove: [id]
    to: {success: it, failure: other}
  it: {type: TestSink, path: p}
  other: {type: TestSink, path: q}
)");
  REQUIRE(result.ok());
  const auto& record = *it(result).input_record;
  CHECK(record.name == "a (updated)");
  CHECK(record.find("id") == nullptr);
  CHECK(record.find("at")->type == sql::FieldType::time);
  CHECK(record.find("value")->type == sql::FieldType::any);
  REQUIRE(record.find("copy"));
  CHECK(record.find("copy")->type == sql::FieldType::time);
  CHECK(record.find("copy")->format == "unix_ms");
  CHECK(record.find("warm")->type == sql::FieldType::boolean);
  CHECK(record.find("odd name")->type == sql::FieldType::any);
  CHECK(record.extra_allowed);
  CHECK(result.flows.at(0).processors.back().input_record->name == "a");  // what failed is as it came
}

TEST_CASE("statements behind an edit are still checked") {
  const auto problems = [](const std::string& where) {
    return problems_of(kRecords + R"(processors:
  in: {type: TestSource, topic: t, record: a, to: edit}
  edit: {type: TestUpdate, set: {more: value * 2}, remove: [id], to: it, drop: failure}
  it: {type: TestFilter, where: ")" +
                       where + R"(", drop: [success, unmatched, failure]}
)");
  };
  CHECK(problems("value < more").empty());
  CHECK(contains(problems("valeu < more"),
                 "no field 'valeu' is declared in record 'a (updated)'; did you mean 'value'?"));
  CHECK(contains(problems("id = 'x'"), "no field 'id' is declared"));
}

TEST_CASE("a field that an edit in a loop adds may be read there, though what comes from outside does not have it") {
  const auto result = load_yaml(kRecords + R"(processors:
  in: {type: TestSource, topic: t, record: a, to: edit}
  edit: {type: TestUpdate, set: {tries: "coalesce(tries, 0) + 1"}, to: {success: keep, failure: keep}}
  keep: {type: TestFilter, to: {success: it, unmatched: edit, failure: it}}
  it: {type: TestSink, path: p}
)");
  REQUIRE(result.ok());
  REQUIRE(result.problems.size() == 1);
  CHECK(contains(to_string(result.problems[0]), "warning: 'edit' reads 'tries', which the records"));
  CHECK(it(result).input_record->find("at")->type == sql::FieldType::time);
  CHECK(it(result).input_record->find("tries")->type == sql::FieldType::any);
}

TEST_CASE("where records meet, what they declare alike stays, and the rest may hold anything") {
  const auto result = load_yaml(kRecords + R"(processors:
  in: {type: TestSource, topic: t, record: a, to: it}
  in2: {type: TestSource, topic: t, record: b, to: it}
  it: {type: TestSink, path: p}
)");
  REQUIRE(result.ok());
  const auto& record = *it(result).input_record;
  REQUIRE(record.fields.size() == 3);
  CHECK(record.find("id")->type == sql::FieldType::text);
  CHECK_FALSE(record.find("id")->required);
  CHECK(record.find("value")->type == sql::FieldType::any);
  CHECK(record.find("at")->type == sql::FieldType::any);
}

TEST_CASE("a statement that reads a field which its records declare differently gets a warning") {
  const auto problems = problems_of(kRecords + R"(processors:
  in: {type: TestSource, topic: t, record: a, to: it}
  in2: {type: TestSource, topic: t, record: b, to: it}
  it: {type: TestFilter, where: value > 1, drop: [success, unmatched, failure]}
)");
  CHECK(contains(problems, "warning: 'it' reads 'value', which the records that reach it do not all declare alike"));
}

TEST_CASE("what meets a record that nobody declared is undeclared") {
  const auto result = load_yaml(kRecords + R"(processors:
  in: {type: TestSource, topic: t, record: a, to: it}
  in2: {type: TestSource, topic: t, to: it}
  it: {type: TestFilter, where: value > 1, drop: [success, unmatched, failure]}
)");
  REQUIRE(result.ok());
  CHECK_FALSE(it(result).input_record);
  REQUIRE(result.reads.size() == 1);
  CHECK(result.reads[0].processor == "it");
  CHECK(result.reads[0].fields == std::vector<std::string>{"value"});
}

TEST_CASE("a statement that names a field its record does not have is an error at that field") {
  const auto problems = problems_of(kRecords + R"(processors:
  in: {type: TestSource, topic: t, record: a, to: it}
  it:
    type: TestFilter
    where: |
      id = 'x'
      AND valeu > 1
    drop: [success, unmatched, failure]
)");
  CHECK(contains(problems, "f.yaml:16:11: error: 'where' of 'it'"));
  CHECK(contains(problems, "did you mean 'value'?"));
}

TEST_CASE("an error behind a parameter in SQL is found at its place all the same") {
  const auto problems = problems_of(R"(flow: f
parameters: {long_name_of_a_parameter: {default: 1}}
records: {a: {value: number}}
processors:
  in: {type: TestSource, topic: t, record: a, to: it}
  it: {type: TestFilter, where: value > :long_name_of_a_parameter AND valeu < 1, drop: [success, unmatched, failure]}
)");
  CHECK(contains(problems, "f.yaml:6:71: error: 'where' of 'it'"));
}

TEST_CASE("a SELECT declares what it makes") {
  const auto result = load_yaml(kRecords + R"(processors:
  in: {type: TestSource, topic: t, record: a, to: select}
  select: {type: TestSelect, select: 'SELECT id, value * 2 AS twice FROM record', to: it, drop: failure}
  it: {type: TestFilter, where: twice > 1, drop: [success, unmatched, failure]}
)");
  for (const auto& problem : result.problems) MESSAGE(to_text(problem));
  REQUIRE(result.ok());
  REQUIRE(it(result).input_record);
  CHECK(it(result).input_record->find("twice") != nullptr);
  CHECK(it(result).input_record->find("value") == nullptr);
}

TEST_CASE("a record's declaration is held to its own rules") {
  const auto problems = problems_of(R"(flow: f
records:
  a:
    id: string
    at: {type: time, format: '%Y-%m-%d %H:%M'}
    n: {type: number, format: unix_ms}
    x: {typ: text}
processors:
  in: {type: TestSource, topic: t, record: aa, drop: success}
)");
  CHECK(contains(problems, "f.yaml:4:9: error: 'string' is no type of a field; did you mean 'text'?"));
  CHECK(contains(problems, "says nothing of the zone"));
  CHECK(contains(problems, "'format' is for times, and 'n' is none"));
  CHECK(contains(problems, "a field has no option 'typ'; did you mean 'type'?"));
  CHECK(contains(problems, "there is no record 'aa'; did you mean 'a'?"));
}
