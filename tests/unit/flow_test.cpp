// A flow file becomes a flow, or a list of everything that is wrong with it.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "flow/graph.h"
#include "flow/reference.h"
#include "flow_fixture.h"

using namespace weir::flow;
using weir::KiB;
using weir::MiB;

namespace {

const std::string kWhole = R"(flow: lake
description: all of it
x-common: &common
  size: 2MiB
parameters:
  broker: {default: "${env:BROKER:-mqtt://localhost:1883}"}
  limit: {default: 20}
  name: {default: "o'brien"}
records:
  reading:
    sensor_id: {type: text, required: true}
    temperature: {type: number, unit: °C}
    timestamp: {type: time, format: unix_ms}
    extra: fail
defaults:
  queue: {max_count: 500, max_bytes: 8MiB}
  failure: dead
provenance: {index: [mqtt.topic], keep_for: 2d, keep_bytes: 10MiB}
processors:
  in:
    type: TestSource
    topic: ${broker}/x
    timeout: 1.5s
    record: reading
    schedule: {every: 10s}
    labels: {room: 7, floor: first}
    to: [filter, out]
  filter:
    <<: *common
    type: TestFilter
    where: temperature > :limit AND sensor_id <> ${name}
    rules:
      a.b: {limit: 1e3}
    fields: [x, y]
    extra: {deep: [1, {k: v}]}
    order: strict
    retry: {attempts: 5, backoff: 2s}
    renamed_from: sieve
    to:
      success: {to: [out, filter], queue: {max_count: 1}}
      unmatched: out
  out:
    type: TestSink
    path: lake/${env:ZONE}/$(sensor_id || :name)
    delivery: exactly_once
  dead:
    type: TestSink
    path: dead
)";

Surroundings with_environment(std::map<std::string, std::string> variables) {
  Surroundings surroundings;
  surroundings.environment = [variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  return surroundings;
}

const Processor& processor(const Flow& flow, const std::string& name) {
  for (const auto& processor : flow.processors) {
    if (processor.name == name) return processor;
  }
  FAIL("no processor ", name);
  return flow.processors[0];
}

/// A property by its keys; properties may have dots in their names.
std::string setting(const Processor& processor, std::initializer_list<const char*> keys) {
  const auto* tree = &processor.settings;
  for (const auto* key : keys) {
    const auto found = tree->find(key);
    REQUIRE(found != tree->not_found());
    tree = &found->second;
  }
  return tree->data();
}

const std::string kSinks = "  out: {type: TestSink, path: p}\n  dead: {type: TestSink, path: d}\n";

}  // namespace

TEST_CASE("provenance is indexed by what the sources say of where their data is from, or by what the author says") {
  const auto index_of = [](const std::string& provenance) {
    const auto result = load_yaml("flow: f\n" + provenance +
                                  "processors:\n"
                                  "  a: {type: TestSource, topic: x, to: out}\n"
                                  "  b: {type: TestSource, topic: y, to: out}\n"
                                  "  out: {type: TestSink, path: p}\n");
    for (const auto& problem : result.problems) MESSAGE(to_text(problem));
    REQUIRE(result.flows.size() == 1);
    return result.flows[0].provenance.index;
  };
  using Names = std::vector<std::string>;
  CHECK(index_of("") == Names{"test.topic"});
  CHECK(index_of("provenance: {keep_for: 2d}\n") == Names{"test.topic"});
  CHECK(index_of("provenance: {index: [color]}\n") == Names{"color"});
  CHECK(index_of("provenance: {index: []}\n").empty());
}

TEST_CASE("a flow is read whole") {
  const auto result = load_yaml(kWhole, with_environment({{"ZONE", "a/$(x)"}}));
  for (const auto& problem : result.problems) MESSAGE(to_text(problem));
  REQUIRE(result.ok());
  REQUIRE(result.flows.size() == 1);
  const auto& flow = result.flows[0];
  CHECK(flow.name == "lake");
  CHECK(flow.provenance.index == std::vector<std::string>{"mqtt.topic"});
  CHECK(flow.provenance.keep_bytes == 10 * MiB);

  const auto& in = processor(flow, "in");
  CHECK(setting(in, {"topic"}) == "mqtt://localhost:1883/x");
  CHECK(setting(in, {"timeout"}) == "1500000000");
  CHECK(in.schedule.every == std::chrono::seconds(10));
  CHECK(in.labels.at("room") == "7");
  CHECK(in.mark.line == 20);

  const auto& filter = processor(flow, "filter");
  CHECK(setting(filter, {"where"}) == "temperature > 20 AND sensor_id <> 'o''brien'");
  CHECK(setting(filter, {"size"}) == std::to_string(2 * MiB));
  CHECK(setting(filter, {"rules", "a.b", "limit"}) == "1e3");
  CHECK(filter.concurrency == 1);
  CHECK(filter.strict_order);
  CHECK(filter.renamed_from == "sieve");
  CHECK(filter.retries.at(2).attempts == 5);
  CHECK(filter.relationships == std::vector<std::string>{"success", "unmatched", "failure"});

  const auto& out = processor(flow, "out");
  CHECK(out.exactly_once);
  // What comes from outside is text, even if it looks like SQL; inside SQL it is a value.
  CHECK(setting(out, {"path"}) == "lake/a/$$(x)/$(sensor_id || 'o''brien')");
}

TEST_CASE("connections have ids by name, queues by the nearest rule, and know whether they are in a cycle") {
  const auto result = load_yaml(kWhole, with_environment({{"ZONE", "z"}}));
  REQUIRE(result.ok());
  std::map<std::string, Connection> connections;
  for (const auto& connection : result.flows[0].connections) connections[connection.id] = connection;
  CHECK(connections.size() == 6);
  REQUIRE(connections.contains("lake/in/success/filter"));
  CHECK(connections["lake/in/success/filter"].queue.max_count == 500);
  CHECK(connections["lake/in/success/filter"].queue.max_bytes == 8 * MiB);
  CHECK(connections["lake/filter/success/out"].queue.max_count == 1);
  CHECK(connections["lake/filter/success/filter"].in_cycle);
  CHECK_FALSE(connections["lake/filter/success/out"].in_cycle);
  CHECK(connections.contains("lake/filter/failure/dead"));
}

TEST_CASE("all errors come at once, in the order of the file, each with the nearest name") {
  const auto problems =
      load_yaml(
          "flow: f\nprocesors: {}\nprocessors:\n  in:\n    type: TestSorce\n  it:\n    type: TestFilter\n    wher: x\n"
          "    to: {success: otu, failure: out}\n    drop: unmached\n  out: {type: TestSink, path: p}\n")
          .problems;
  REQUIRE(problems.size() == 5);
  CHECK(to_string(problems[0]) == "f.yaml:2:1: error: a flow has no key 'procesors'; did you mean 'processors'?");
  CHECK(to_string(problems[1]) ==
        "f.yaml:5:11: error: there is no processor type 'TestSorce'; did you mean 'TestSource'?");
  CHECK(to_string(problems[2]) == "f.yaml:8:5: error: TestFilter has no property 'wher'; did you mean 'where'?");
  CHECK(contains(to_string(problems[3]), "f.yaml:9:19: error: there is no processor 'otu'; did you mean 'out'?"));
  CHECK(to_string(problems[4]) ==
        "f.yaml:10:11: error: 'it' has no relationship 'unmached'; did you mean 'unmatched'?");
}

TEST_CASE("what is missing is told with what it would look like") {
  CHECK(contains(problems_of("flow: f\n"), "this flow has no processors"));
  CHECK(contains(problems_of("processors: {a: {type: TestSink, path: p}}\n"), "this flow has no name"));
  CHECK(contains(problems_of("flow: f\nprocessors: {}\n"), "'processors' is empty"));
  CHECK(contains(problems_of("- a\n"), "a flow file is a map, and this is a list"));
  CHECK(
      contains(problems_of(flow_with("TestSink", "    description: x\n")), "f.yaml:4:3: error: TestSink needs 'path'"));
  CHECK(contains(problems_of("flow: f\nprocessors: {a: }\n"), "the processor 'a' is nothing"));
  CHECK(contains(problems_of("flow: f\nprocessors: {a: {path: p}}\n"), "the processor 'a' has no type"));
}

TEST_CASE("names that would break an id are refused") {
  CHECK(
      contains(problems_of("flow: a/b\nprocessors: {a: {type: TestSink, path: p}}\n"), "'a/b' is no name for a flow"));
  CHECK(contains(problems_of("flow: a\nprocessors: {'x y': {type: TestSink, path: p}}\n"),
                 "'x y' is no name for a processor"));
}

TEST_CASE("every relationship is routed, dropped, or a failure that has a default") {
  CHECK(contains(problems_of(flow_with("TestFilter", "    to: out\n    drop: unmatched\n" + kSinks)),
                 "the relationship 'failure' of 'it' goes nowhere"));
  const auto routed = flow_with(
      "TestFilter",
      "    to: out\n    drop: [unmatched]\n  out: {type: TestSink, path: p}\n  dead: {type: TestSink, path: d}\n",
      "defaults: {failure: dead}\n");
  CHECK(problems_of(routed) == "");
  CHECK(contains(
      problems_of(flow_with(
          "TestFilter", "    to: out\n    drop: [unmatched, failure, success]\n  out: {type: TestSink, path: p}\n")),
      "'success' of 'it' is both routed and dropped"));
  CHECK(
      contains(problems_of(flow_with("TestSink", "    path: p\n    to: it\n")), "'it' has no relationship 'success'"));
  CHECK(contains(problems_of(flow_with("TestSink", "    path: p\n", "defaults: {failure: ded}\n")),
                 "there is no processor 'ded'"));
  CHECK(contains(
      problems_of(flow_with("TestFilter",
                            "    to: [out, out]\n    drop: [unmatched, failure]\n  out: {type: TestSink, path: p}\n")),
      "'success' goes to 'out' twice"));
}

TEST_CASE("keys of a map property are relationships, in the author's order") {
  const auto yaml =
      flow_with("TestRoute",
                "    routes: {hot: a > 1, cold: a < 1}\n    to: {hot: out, cold: out}\n    drop: [unmatched, failure]\n"
                "  out: {type: TestSink, path: p}\n");
  const auto result = load_yaml(yaml);
  REQUIRE(result.ok());
  CHECK(processor(result.flows[0], "it").relationships ==
        std::vector<std::string>{"unmatched", "failure", "hot", "cold"});
  CHECK(contains(problems_of(flow_with("TestRoute", "    routes: {failure: a > 1}\n    drop: [unmatched, failure]\n")),
                 "'failure' is a relationship of TestRoute already"));
}

TEST_CASE("sources take no input, everything else needs some, and cycles have an exit") {
  CHECK(contains(
      problems_of(
          "flow: f\nprocessors:\n  a: {type: TestSource, topic: t, to: b}\n  b: {type: TestSource, topic: t, to: a}\n"),
      "'b' is a source (TestSource) and takes no input"));
  CHECK(contains(problems_of("flow: f\nprocessors:\n  a: {type: TestSink, path: p}\n"), "nothing leads to 'a'"));
  const auto alone = problems_of(
      "flow: f\nprocessors:\n  a: {type: TestFilter, to: {success: b, unmatched: b, failure: b}}\n"
      "  b: {type: TestFilter, to: {success: a, unmatched: a, failure: a}}\n");
  CHECK(contains(alone, "no source leads to 'a'"));
  CHECK(contains(alone, "what enters this cycle never leaves it: a, b"));
}

TEST_CASE("what a route with a slip in it was to lead to is no further error") {
  const auto slip = load_yaml(
      "flow: f\nprocessors:\n  in: {type: TestSource, topic: t, to: otu}\n  out: {type: TestSink, path: p}\n");
  REQUIRE(slip.problems.size() == 1);
  CHECK(contains(to_string(slip.problems[0]), "did you mean 'out'?"));
  const auto relationship = load_yaml(
      "flow: f\nprocessors:\n  in: {type: TestSource, topic: t, to: {sucess: out}}\n  out: {type: TestSink, path: "
      "p}\n");
  REQUIRE(relationship.problems.size() == 1);
  CHECK(contains(to_string(relationship.problems[0]), "did you mean 'success'?"));
}

TEST_CASE("a long chain is walked without recursion") {
  std::string yaml = "flow: f\nprocessors:\n  p0: {type: TestSource, topic: t, to: p1}\n";
  for (int i = 1; i < 2000; ++i)
    yaml += "  p" + std::to_string(i) + ": {type: TestFilter, to: p" + std::to_string(i % 1999 + 1) +
            ", drop: [unmatched, failure]}\n";
  const auto result = load_yaml(yaml);
  CHECK(result.ok());
}

TEST_CASE("what is kept for replay is a time, a size, both or nothing, of all sources or of one") {
  const auto retain_of = [](const std::string& own, const std::string& defaults) {
    const auto result = load_yaml("flow: f\n" + (defaults.empty() ? "" : "defaults: {retain: " + defaults + "}\n") +
                                  "processors:\n  in: {type: TestSource, topic: t, to: out" +
                                  (own.empty() ? "" : ", retain: " + own) + "}\n  out: {type: TestSink, path: p}\n");
    for (const auto& problem : result.problems) MESSAGE(to_text(problem));
    REQUIRE(result.ok());
    return processor(result.flows[0], "in").retain;
  };
  const auto plain = retain_of("", "");
  CHECK(plain.keep_for == std::chrono::hours(24));
  CHECK(plain.keep_bytes == 256 * MiB);
  CHECK(plain.most_a_second == 16 * MiB);
  CHECK_FALSE(plain.none);
  CHECK(retain_of("none", "1h").none);
  CHECK_FALSE(retain_of("1h", "none").none);
  CHECK(retain_of("", "none").none);
  CHECK(retain_of("1h", "").keep_for == std::chrono::hours(1));
  CHECK(retain_of("1h", "").keep_bytes == 256 * MiB);
  CHECK(retain_of("1h", "").most_a_second == 0);  // what is asked for is kept whole
  CHECK(retain_of("", "1GiB").keep_bytes == 1024 * MiB);
  CHECK(retain_of("", "1GiB").keep_for == std::chrono::hours(24));
  const auto both = retain_of("{for: 2d, size: 3MiB}", "");
  CHECK(both.keep_for == std::chrono::hours(48));
  CHECK(both.keep_bytes == 3 * MiB);

  const auto problem_of = [](const std::string& retain) {
    return problems_of("flow: f\nprocessors:\n  in: {type: TestSource, topic: t, to: out, retain: " + retain +
                       "}\n  out: {type: TestSink, path: p}\n");
  };
  CHECK(contains(problem_of("nome"), "'none'"));
  CHECK(contains(problem_of("0s"), "expected none, a duration"));
  CHECK(contains(problem_of("{for: 1h, much: 1MiB}"), "'retain' has no option 'much'"));
  CHECK(contains(problem_of("{size: 0B}"), "'retain' keeps nothing"));
  CHECK(contains(problems_of(flow_with("TestFilter", "    retain: 1h\n    drop: [success, unmatched, failure]\n")),
                 "TestFilter has no property 'retain'"));
}

TEST_CASE("what a type does not offer cannot be asked of it") {
  const auto problems =
      problems_of(flow_with("TestFilter",
                            "    delivery: exactly_once\n    to: out\n    drop: [unmatched, failure]\n"
                            "  out: {type: TestSink, path: p, concurrency: 2}\n"));
  CHECK(contains(problems, "TestFilter cannot deliver exactly once"));
  CHECK(contains(problems, "TestSink does one step at a time"));
  CHECK(contains(problems_of(flow_with("TestSink", "    path: p\n    schedule: {cron: '61 * * * *'}\n")),
                 "the cron expression"));
  CHECK(contains(problems_of(flow_with("TestSink", "    path: p\n    order: strct\n")), "did you mean 'strict'?"));
  CHECK(contains(problems_of(flow_with("TestFilter", "    concurrency: 2\n    order: strict\n")),
                 "with 'order: strict' a processor does one step at a time"));
  CHECK(contains(problems_of(flow_with("TestSink", "    path: p\n    use: x\n")), "reserved"));
}

TEST_CASE("what only the processor knows is asked of it, without starting it") {
  CHECK(contains(problems_of(flow_with("TestFilter", "    strict: true\n    drop: [success, unmatched, failure]\n")),
                 "f.yaml:4:3: error: 'it': 'strict' needs 'fields'"));
}

TEST_CASE("parameters come from the command line, the default or the environment, and are used once") {
  const std::string yaml =
      "flow: f\nparameters:\n  a: {default: \"${env:A}\"}\n  b: {}\nprocessors:\n"
      "  in: {type: TestSource, topic: '${a}$${a}${b}', drop: success}\n";
  auto surroundings = with_environment({{"A", "${b}"}});
  surroundings.parameters["b"] = "${a}";
  const auto result = load_yaml(yaml, surroundings);
  REQUIRE(result.ok());
  CHECK(setting(result.flows[0].processors[0], {"topic"}) == "${b}${a}${a}");  // never rescanned
  CHECK(contains(problems_of(yaml, with_environment({})), "the environment variable A is not set"));
  CHECK(contains(problems_of(yaml, with_environment({{"A", ""}})), "the parameter 'b' has no value"));
  surroundings.parameters["bb"] = "x";
  CHECK(
      contains(problems_of(yaml, surroundings), "--param bb: no flow declares the parameter 'bb'; did you mean 'b'?"));
}

TEST_CASE("a parameter without a value is one problem, wherever it is used") {
  const auto problems = problems_of(
      "flow: f\nparameters: {p: 7}\nprocessors:\n  in: {type: TestSource, topic: '${p}', to: it}\n"
      "  it: {type: TestFilter, strict: '${p}', where: 'a > :p', retry: {attempts: '${p}', backoff: '${p}'}, "
      "drop: [success, unmatched, failure]}\n",
      with_environment({}));
  CHECK(problems == "f.yaml:2:17: error: the parameter 'p' is '7'; expected {default: 7}\n");
}

TEST_CASE("a parameter keeps its type in SQL") {
  const auto where = [](const std::string& parameter, const std::string& given) {
    auto surroundings = with_environment({});
    if (!given.empty()) surroundings.parameters["p"] = given;
    const auto result =
        load_yaml(flow_with("TestFilter", "    where: x > :p\n    drop: [success, unmatched, failure]\n",
                            "parameters: {p: " + parameter + "}\n"),
                  surroundings);
    return result.ok() ? setting(result.flows[0].processors[1], {"where"}) : to_string(result.problems[0]);
  };
  CHECK(where("{default: 20}", "") == "x > 20");
  CHECK(where("{default: '20'}", "") == "x > '20'");
  CHECK(where("{default: true}", "") == "x > 1");
  CHECK(where("{default: ~}", "") == "x > NULL");
  CHECK(where("{default: 20}", "1 OR 1") ==
        "f.yaml:2:14: error: '1 OR 1' for the parameter 'p' is no number; expected a number");
  CHECK(where("{type: text}", "1); DROP") == "x > '1); DROP'");
  CHECK(where("{}", "-1.5") == "x > -1.5");
}

TEST_CASE("inside SQL a parameter is a value, and the message says where it may stand") {
  const auto problems = problems_of(flow_with(
      "TestFilter", "    where: |\n      x = 'a${p}'\n        AND y > :q\n    drop: [success, unmatched, failure]\n",
      "parameters: {p: {default: 1}}\n"));
  CHECK(contains(problems, "f.yaml:8:13: error: inside SQL a parameter is a value, not text"));
  CHECK(contains(problems, "f.yaml:9:17: error: there is no parameter 'q'"));
}

TEST_CASE("a secret is never shown") {
  auto surroundings = with_environment({{"KEY", "hunter2"}});
  const auto good =
      load_yaml("flow: f\nprocessors:\n  in: {type: TestSource, topic: t, password: 'x${secret:KEY}', drop: success}\n",
                surroundings);
  REQUIRE(good.ok());
  const auto& flow = good.flows[0];
  CHECK(setting(flow.processors[0], {"password"}) == "xhunter2");
  const auto shown = masked(flow.processors[0].settings, *flow.processors[0].type->spec(), flow.secrets);
  CHECK(shown.find("password")->second.data() == "***");
  CHECK(masked("login with hunter2", flow.secrets) == "login with ***");
  CHECK(masked("it says: hunte… and hunter2… and hun… and ter2…", flow.secrets) ==
        "it says: ***… and ***… and hun… and ter2…");
  const auto alike = load_yaml(
      "flow: f\nprocessors:\n  in: {type: TestSource, topic: '${secret:A}/${secret:B}', password: p, drop: success}\n",
      with_environment({{"A", "hunter"}, {"B", "hunters bow"}}));
  REQUIRE(alike.ok());
  CHECK(masked("hunters bow, hunter", alike.flows[0].secrets) == "***, ***");
  const auto bad = problems_of(
      "flow: f\nprocessors:\n  in: {type: TestSource, topic: t, qos: '${secret:KEY}', drop: success}\n", surroundings);
  CHECK(contains(bad, "is no integer"));
  CHECK_FALSE(contains(bad, "hunter2"));
  CHECK(contains(
      problems_of(flow_with("TestFilter", "    where: x = ${secret:KEY}\n    drop: [success, unmatched, failure]\n"),
                  surroundings),
      "a secret cannot stand in SQL"));
  CHECK(contains(
      problems_of(
          "flow: f\nprocessors:\n  in: {type: TestSource, topic: '${secret:../../etc/passwd}', drop: success}\n",
          surroundings),
      "is no name of a secret"));
}

TEST_CASE("a password that stands in a URL is not shown, and the rest of the URL is") {
  const auto shown = [](const std::string& topic) {
    const auto loaded = load_yaml("flow: f\nprocessors:\n  in: {type: TestSource, topic: '" + topic +
                                  "', password: p, drop: success}\n");
    REQUIRE(loaded.ok());
    const auto& in = loaded.flows[0].processors[0];
    return masked(in.settings, *in.type->spec(), {}).find("topic")->second.data();
  };
  CHECK(shown("http://me:hunter2@h:80/a?b=c@d") == "http://me:***@h:80/a?b=c@d");
  CHECK(shown("http://:hun@ter:2@h") == "http://:***@h");
  for (const auto* harmless : {"http://h:80/a:b@c", "http://me@h:80/", "a:b@c", "http://h", "http://", "x://[::1]:80/"})
    CHECK(shown(harmless) == harmless);
}

TEST_CASE("a secret that becomes data gets a warning, and one in an address does not") {
  const auto problems = problems_of(
      flow_with("TestSink", "    path: out/${secret:KEY}\n    notes: {plain: $(x), key: 'is ${secret:KEY}'}\n"),
      with_environment({{"KEY", "hunter2"}}));
  CHECK(contains(problems, ":35: warning: the secret in 'notes.key' becomes part of the data, where nothing masks it"));
  CHECK_FALSE(contains(problems, "'path'"));
  CHECK_FALSE(contains(problems, "'notes.plain'"));
  CHECK_FALSE(contains(problems, "hunter2"));
  CHECK(contains(problems_of(flow_with("TestSink", "    path: p\n    notes: {key: '${hidden}'}\n",
                                       "parameters: {hidden: {default: '${secret:KEY}'}}\n"),
                             with_environment({{"KEY", "hunter2"}})),
                 "the secret in 'notes.key' becomes part of the data"));
}

TEST_CASE("a secret is read from a file of its name") {
  const auto folder = std::filesystem::temp_directory_path() / "weir-test-secrets";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "db.password") << "s3cret\n";
  auto surroundings = with_environment({});
  surroundings.secrets_folder = folder;
  const auto result = load_yaml(
      "flow: f\nprocessors:\n  in: {type: TestSource, topic: t, password: '${secret:db.password}', drop: success}\n",
      surroundings);
  std::filesystem::remove_all(folder);
  REQUIRE(result.ok());
  CHECK(setting(result.flows[0].processors[0], {"password"}) == "s3cret");
}

TEST_CASE("an error that is reached through an alias names both places") {
  const auto problems = problems_of(
      "flow: f\nx-a: &a\n  size: 3\nprocessors:\n  in: {type: TestSource, topic: t, to: it}\n  it:\n    <<: *a\n"
      "    type: TestFilter\n    drop: [success, unmatched, failure]\n");
  CHECK(contains(problems, "f.yaml:3:9: error: 'size': '3' is a size without its unit"));
  CHECK(contains(problems, "(through the alias at f.yaml:7:9)"));
}

TEST_CASE("two files cannot have flows of one name, nor one file be given twice") {
  const auto folder = std::filesystem::temp_directory_path() / "weir-test-flows";
  std::filesystem::create_directories(folder);
  for (const auto* name : {"a.yaml", "b.yaml"})
    std::ofstream(folder / name) << "flow: f\nprocessors: {in: {type: TestSource, topic: t, drop: success}}\n";
  LoadOptions options;
  options.registry = &test_registry();
  const auto twice = load({folder / "a.yaml", folder / "b.yaml"}, options);
  REQUIRE(twice.problems.size() == 1);
  CHECK(contains(to_string(twice.problems[0]), "the flow 'f' is also in " + (folder / "a.yaml").string() + ":1"));
  CHECK(contains(to_string(load({folder / "a.yaml", folder / "." / "a.yaml"}, options).problems[0]), "given twice"));
  CHECK(contains(to_string(load({folder}, options).problems[0]), "is a directory"));
  std::filesystem::remove_all(folder);
}

TEST_CASE("a problem is shown with its line, underlined, and what to do about it") {
  const auto result =
      load_yaml("flow: f\nprocessors:\n  in: {type: TestSource, description: °, topc: t, drop: success}\n");
  REQUIRE(result.problems.size() == 1);
  CHECK(to_text(result.problems[0]) ==
        "f.yaml:3:42: error: TestSource has no property 'topc'\n"
        "    3 |   in: {type: TestSource, description: °, topc: t, drop: success}\n"
        "      |                                          ^~~~\n"
        "      = did you mean 'topic'?\n"
        "      = expected topic, qos, timeout or password\n");
}

TEST_CASE("the reference says what the specs say") {
  const auto text = reference_text(*test_registry().find("TestFilter")->spec);
  CHECK(contains(text, "size: size, default 1MiB"));
  CHECK(contains(text, "at least 1KiB"));
  CHECK(contains(text, "limit: number, required"));
  const auto pages = reference_pages(test_registry());
  CHECK(contains(pages.at("README.md"), "[TestFilter](TestFilter.md) | Keeps what matches \\| or not."));
  CHECK(contains(pages.at("TestFilter.md"), "| `rules.*.level` | choice | `warn` | How bad. (warn or fail) |"));
}
