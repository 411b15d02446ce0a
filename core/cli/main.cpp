// The weir command: reads the command line, and leaves the work to the function of each verb.

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <iostream>
#include <string>

#include "api/server.h"
#include "cli/backup.h"
#include "cli/command_line.h"
#include "cli/data.h"
#include "cli/datasets.h"
#include "cli/new_processor.h"
#include "cli/processors.h"
#include "cli/remote.h"
#include "cli/run.h"
#include "cli/schema.h"
#include "cli/test.h"
#include "cli/validate.h"
#include "sql/eval.h"

int main(int argc, char** argv) {
  CLI::App app{"Weir runs dataflows: processors from plugins, wired by YAML, durable and traceable."};
  app.require_subcommand(1);
  app.set_version_flag("--version", WEIR_VERSION);
  std::vector<std::string> plugins;
  const auto add_plugins = [&plugins](CLI::App* command) {
    command->add_option("--plugins", plugins, "A folder or file with plugins, before the usual places")
        ->allow_extra_args(false);
  };

  weir::cli::RunOptions run;
  std::string run_for;
  auto* run_command = app.add_subcommand("run", "Run flows");
  run_command->add_option("flows", run.flows, "Flow files, or folders of them")->required();
  run_command->add_option("--data", run.data, "Where queues, state and provenance are kept")->capture_default_str();
  run_command->add_option("--listen", run.listen, "HOST:PORT of status and metrics, or none")->capture_default_str();
  run_command->add_flag(weir::api::kAllowNetworkOption, run.allow_network, "Listen beyond this machine, for anyone");
  run_command
      ->add_option(weir::api::kHostNameOption, run.host_names,
                   "A name with a dot that this Weir is called by, where there are no tokens; may be repeated")
      ->option_text("NAME")
      ->allow_extra_args(false);
  auto* certificate = run_command
                          ->add_option("--tls-cert", run.tls_certificate,
                                       "The server's certificate in PEM, and those between it and the authority; HTTPS")
                          ->envname("WEIR_TLS_CERT");
  auto* key =
      run_command->add_option("--tls-key", run.tls_key, "Its key in PEM, without passphrase")->envname("WEIR_TLS_KEY");
  certificate->needs(key);
  key->needs(certificate);
  run_command->add_option("--openlineage", run.openlineage,
                          "URL of an OpenLineage endpoint to tell what the flows do; or OPENLINEAGE_URL");
  run_command->add_option("--param", run.parameters, "NAME=VALUE of a flow's parameter")->allow_extra_args(false);
  auto* idle = run_command->add_flag(
      "--until-idle", run.until_idle,
      "End when the sources have nothing more and all has flowed; no cron schedule is waited for");
  run_command->add_option("--for", run_for, "End after a time, such as 30s")->excludes(idle);
  run_command->add_option("--workers", run.workers, "Threads that run processors; 0: one a core")
      ->capture_default_str();
  run_command->add_option("--memory", run.memory, "FlowFiles in memory, in bytes (64MiB is understood)")
      ->transform(CLI::AsSizeValue(true))
      ->capture_default_str();
  run_command->add_flag("--live", run.live, "A line each second of what flows");
  run_command->add_option("--log-format", run.log_format)
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  run_command->add_option("--log-level", run.log_level)
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  add_plugins(run_command);

  weir::cli::ValidateOptions validate;
  auto* validate_command = app.add_subcommand("validate", "Say everything that is wrong with flows, before they run");
  validate_command->add_option("flows", validate.flows, "Flow files, or folders of them")->required();
  validate_command->add_option("--param", validate.parameters, "NAME=VALUE of a flow's parameter")
      ->allow_extra_args(false);
  validate_command->add_flag("--connect", validate.connect,
                             "Also reach for brokers, databases and stores, as the flow logs in; no data is moved");
  add_plugins(validate_command);

  weir::cli::TestOptions test;
  std::string test_patience;
  auto* test_command = app.add_subcommand("test", "Run the tests of flows, in virtual time and with nothing outside");
  test_command->add_option("flows", test.flows.flows, "Flow files, or folders of them")->required();
  test_command->add_option("--param", test.flows.parameters, "NAME=VALUE of a flow's parameter")
      ->allow_extra_args(false);
  test_command->add_option("--only", test.only, "Only tests with this text in their name");
  test_command->add_option("--junit", test.junit, "Write a report in JUnit's XML to this file");
  test_command->add_option("--timeout", test_patience, "How long one test may take; 30s unless said");
  add_plugins(test_command);

  weir::cli::ProcessorsOptions processors;
  auto* processors_command = app.add_subcommand("processors", "List the processor types, or describe one");
  processors_command->add_option("name", processors.name, "A processor type");
  processors_command->add_flag("--json", processors.json, "As JSON");
  processors_command->add_option("--markdown", processors.markdown, "Write the reference pages into this folder");
  add_plugins(processors_command);

  auto* schema_command = app.add_subcommand("schema", "Print the JSON Schema of flow files, for editors");
  add_plugins(schema_command);

  std::string sql;
  weir::sql::EvalOptions eval;
  std::vector<std::string> attributes;
  auto* eval_command = app.add_subcommand("eval", "Try an SQL expression, or a SELECT, on records from standard input");
  eval_command->add_option("sql", sql, "An expression such as 'temperature * 2', or SELECT … FROM record")->required();
  eval_command->add_flag("--per-flowfile", eval.per_flowfile, "Run a SELECT over all records at once");
  eval_command->add_option("--attribute", attributes, "NAME=VALUE that attr('NAME') finds")->allow_extra_args(false);

  weir::cli::Remote asked;
  asked.url.clear();
  const auto add_remote = [&asked](CLI::App* command, CLI::Option* data) {
    auto* url =
        command->add_option("--url", asked.url, "Ask the Weir that listens there, such as http://127.0.0.1:8080")
            ->excludes(data);
    command->add_option("--token", asked.token, "A token; WEIR_TOKEN of the environment unless given")->needs(url);
    command
        ->add_option("--ca", asked.authorities,
                     "For https: the authority's certificate in PEM; WEIR_CA, or whom the system trusts")
        ->needs(url);
  };
  weir::cli::ProvenanceOptions provenance;
  auto* provenance_command =
      app.add_subcommand("provenance", "Ask what happened to data, where it came from and what became of it");
  provenance_command->require_subcommand(1);
  for (const auto& [verb, help] :
       {std::pair{"events", "Events, newest first"}, std::pair{"ancestors", "All that a FlowFile came from"},
        std::pair{"descendants", "All that became of a FlowFile"}}) {
    auto* command = provenance_command->add_subcommand(verb, help);
    command->callback([&provenance, verb = std::string(verb)] { provenance.verb = verb; });
    add_remote(command, command->add_option("--data", provenance.data, "The data directory")->capture_default_str());
    command->add_option("--limit", provenance.limit, "At most so many")->capture_default_str();
    command->add_flag("--json", provenance.json, "A line of JSON each");
    if (std::string(verb) != "events") {
      command->add_option("flowfile", provenance.place, "CONNECTION:SEQUENCE")->required();
      continue;
    }
    command->add_option("--processor", provenance.processor, "flow/name");
    command->add_option("--connection", provenance.connection, "flow/from/relationship/to");
    command->add_option("--type", provenance.type, "RECEIVE, SEND, DROP, …");
    command->add_option("--attribute", provenance.attribute, "NAME=VALUE of an indexed attribute");
    command->add_option("--transit", provenance.transit, "Part of the transit URI");
    command->add_option("--from", provenance.from, "From this time on");
    command->add_option("--to", provenance.to, "Before this time");
  }

  weir::cli::ReplayOptions replay;
  auto* replay_command = app.add_subcommand("replay", "Queue a FlowFile again where it left its source");
  replay_command->add_option("flowfile", replay.place, "CONNECTION:SEQUENCE")->required();
  add_remote(replay_command, replay_command->add_option("--data", replay.data, "The data directory, if nobody runs it")
                                 ->capture_default_str());
  replay_command->add_flag("--json", replay.json, "A line of JSON");

  weir::cli::NewProcessorOptions new_processor;
  auto* new_command = app.add_subcommand("new", "Begin something of your own");
  new_command->require_subcommand(1);
  auto* new_processor_command = new_command->add_subcommand(
      "processor", "Write the folder of a plugin: a processor, its test, a flow that uses it");
  new_processor_command->add_option("name", new_processor.name, "The processor type, such as UnitConverter")
      ->required();
  new_processor_command->add_option("--dir", new_processor.folder,
                                    "The folder; unless said, the name as unit_converter");
  add_plugins(new_processor_command);

  weir::cli::DatasetsOptions datasets;
  auto* datasets_command = app.add_subcommand("datasets", "What flows write: of their files, or of a running Weir");
  datasets_command->add_option("names", datasets.names, "Flow files; or datasets, as flow/processor");
  datasets_command->add_option("--format", datasets.format, "As a document")
      ->check(CLI::IsMember({"odcs", "json-schema", "openlineage"}));
  datasets_command->add_flag("--json", datasets.json, "A line of JSON each");
  datasets_command->add_option("--url", datasets.remote.url, "Where `weir run` listens")->capture_default_str();
  datasets_command->add_option("--token", datasets.remote.token, "A token; WEIR_TOKEN of the environment unless given");
  datasets_command->add_option("--ca", datasets.remote.authorities,
                               "For https: the authority's certificate in PEM; WEIR_CA, or whom the system trusts");
  datasets_command->add_option("--param", datasets.parameters, "NAME=VALUE of a flow's parameter")
      ->allow_extra_args(false);
  add_plugins(datasets_command);

  std::string data;
  auto* check_command = app.add_subcommand("check", "Check everything in a data directory that nobody runs");
  check_command->add_option("data", data, "The data directory")->required();

  weir::cli::BackupOptions backup;
  auto* backup_command = app.add_subcommand("backup", "Copy a data directory as of one epoch, while Weir runs or not");
  backup_command->add_option("to", backup.to, "The copy: a folder that is not there yet")->required();
  backup_command->add_option("--data", backup.data, "The data directory")->capture_default_str();
  backup_command->add_option("--rate", backup.rate, "Bytes a second at most (20MiB is understood); 0: no bound")
      ->transform(CLI::AsSizeValue(true))
      ->capture_default_str();

  std::function<int()> remote_verb;
  weir::cli::add_remote_verbs(app, remote_verb);

  try {
    app.parse(argc, argv);
    if (*run_command && !run_for.empty()) run.run_for = weir::cli::parse_duration("--for", run_for);
    if (*test_command && !test_patience.empty()) test.patience = weir::cli::parse_duration("--timeout", test_patience);
  } catch (const CLI::ParseError& error) {
    return weir::cli::answer(app, error);
  }
  if (remote_verb) return remote_verb();
  if (*run_command) {
    run.plugins = plugins;
    return weir::cli::run(run);
  }
  if (*validate_command) {
    validate.plugins = plugins;
    return weir::cli::run_validate(validate);
  }
  if (*test_command) {
    test.flows.plugins = plugins;
    test.flows.tests_beside = true;
    return weir::cli::run_tests(test);
  }
  if (*processors_command) {
    processors.plugins = plugins;
    return weir::cli::run_processors(processors);
  }
  if (*eval_command) {
    for (const auto& attribute : attributes)
      eval.attributes[attribute.substr(0, attribute.find('='))] = attribute.substr(attribute.find('=') + 1);
    eval.now = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
    return weir::sql::eval(sql, std::cin, std::cout, std::cerr, eval);
  }
  if (!asked.url.empty()) provenance.remote = replay.remote = asked;
  if (*provenance_command) return weir::cli::run_provenance(provenance);
  if (*replay_command) return weir::cli::run_replay(replay);
  if (*new_command) {
    new_processor.plugins = plugins;
    return weir::cli::run_new_processor(new_processor);
  }
  if (*backup_command) return weir::cli::run_backup(backup);
  if (*datasets_command) {
    datasets.plugins = plugins;
    return weir::cli::run_datasets(datasets);
  }
  if (*check_command) return weir::cli::run_check(data);
  return weir::cli::run_schema(plugins);
}
