#include "cli/remote.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "api/access.h"
#include "cli/apply.h"
#include "cli/client.h"
#include "cli/terminal.h"

namespace weir::cli {

namespace {

namespace json = boost::json;

struct Options {
  Remote remote;
  std::string name;  ///< of what the verb is about
  std::string lane;  ///< topic/partition; empty: the flow does not scale out, or all lanes are asked
  bool json = false;
  bool drop = false;
  bool clear = false;
  std::uint64_t limit = 20;
  std::uint64_t taps = 0;  ///< 0: without end
  std::uint64_t rate = 5;
  std::string data = "data";
  std::string role = "viewer";
};

std::string text(const json::value& object, const char* member) {
  const auto& value = object.at(member);
  return value.is_string() ? shown(value.as_string()) : std::string();
}

std::uint64_t number(const json::value& object, const char* member) {
  return object.at(member).to_number<std::uint64_t>();
}

/// The parts of `flow/name` or of a connection's id, each as it stands in a path.
std::string path_of(const std::string& name, std::size_t parts, const char* example) {
  std::string path;
  std::size_t count = 0;
  for (std::size_t at = 0; at <= name.size(); ++count) {
    const auto end = std::min(name.find('/', at), name.size());
    path += "/" + encoded(std::string_view(name).substr(at, end - at));
    at = end + 1;
  }
  if (count != parts) throw std::invalid_argument(fmt::format("'{}': expected {}", name, example));
  return path;
}

std::string connection_path(const std::string& name) {
  return "/connections" + path_of(name, 4, "a connection, such as lake/readings/success/archive");
}

/// A processor's path, or a flow's.
std::string control_path(const std::string& name) {
  const auto slash = name.find('/');
  if (slash == std::string::npos) return "/flows/" + encoded(name);
  static_cast<void>(path_of(name, 2, "a flow, or flow/processor"));
  return "/flows/" + encoded(name.substr(0, slash)) + "/processors/" + encoded(name.substr(slash + 1));
}

/// What a query has in the end.
std::string lane_query(const Options& options) {
  return options.lane.empty() ? "" : "&lane=" + encoded(options.lane);
}

/// Records that a processor took in and put out.
struct Rates {
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> last;
  std::chrono::steady_clock::time_point at{};
};

void print_flow(const json::value& flow, Rates* rates, double seconds) {
  const auto name = text(flow, "name");
  std::map<std::string, std::uint64_t> queued;
  for (const auto& connection : flow.at("connections").as_array())
    queued[text(connection, "to")] += number(connection, "queued") + number(connection, "held");
  fmt::print("{}\n  {:<24} {:<13} {:>14} {:>14} {:>10} {:>8}\n", name, "processor", "status",
             rates != nullptr ? "in/s" : "records in", rates != nullptr ? "out/s" : "records out", "queued", "errors");
  for (const auto& processor : flow.at("processors").as_array()) {
    const auto in = number(processor.at("in"), "records");
    std::uint64_t out = 0;
    for (const auto& [relationship, traffic] : processor.at("out").as_object()) out += number(traffic, "records");
    auto shown_in = static_cast<double>(in), shown_out = static_cast<double>(out);
    if (rates != nullptr) {
      const auto before = std::exchange(rates->last[name + "/" + text(processor, "name")], {in, out});
      shown_in = seconds > 0 && in >= before.first ? static_cast<double>(in - before.first) / seconds : 0;
      shown_out = seconds > 0 && out >= before.second ? static_cast<double>(out - before.second) / seconds : 0;
    }
    fmt::print("  {:<24} {:<13} {:>14.0f} {:>14.0f} {:>10} {:>8}  {}\n", text(processor, "name"),
               text(processor, "status"), shown_in, shown_out, queued[text(processor, "name")],
               number(processor, "errors"), text(processor, "message"));
  }
}

int status(const Options& options) {
  Client client(options.remote);
  const auto status = client.get("/status");
  const auto flows = client.get("/flows");
  json::array all;
  for (const auto& flow : flows.as_array()) all.push_back(client.get("/flows/" + encoded(text(flow, "name"))));
  if (options.json) {
    fmt::print("{}\n", shown_json(json::serialize(json::object{{"status", status}, {"flows", std::move(all)}})));
    return 0;
  }
  const bool ready = status.at("ready").as_bool();
  fmt::print("Weir {}: {}\n", text(status, "weir"), ready ? "ready" : "not ready");
  std::istringstream problems(ready ? std::string() : std::string(status.at("problem").as_string()));
  for (std::string problem; std::getline(problems, problem);) fmt::print("  {}\n", shown(problem));
  for (const auto& flow : all) print_flow(flow, nullptr, 0);
  return 0;
}

int top(const Options& options) {
  Client client(options.remote);
  Rates rates;
  while (true) {
    const auto status = client.get("/status");
    const auto now = std::chrono::steady_clock::now();
    const bool first = rates.at == std::chrono::steady_clock::time_point{};
    const auto seconds = first ? 0 : std::chrono::duration<double>(now - rates.at).count();
    rates.at = now;
    fmt::print("\033[H\033[2JWeir {}  up {:.0f} s  epoch {}  {}\n", text(status, "weir"),
               status.at("uptime_seconds").to_number<double>(), number(status.at("epochs"), "last"),
               status.at("ready").as_bool() ? "ready" : text(status, "problem"));
    const auto flows = client.get("/flows");
    for (const auto& flow : flows.as_array())
      print_flow(client.get("/flows/" + encoded(text(flow, "name"))), &rates, seconds);
    std::fflush(stdout);
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

int control(const Options& options, const std::string& verb) {
  if ((verb == "run-once" || verb == "terminate") && options.name.find('/') == std::string::npos)
    throw std::invalid_argument(fmt::format("'{}': expected a processor, such as lake/mean", options.name));
  Client client(options.remote);
  const auto answer = client.post(control_path(options.name) + "/" + verb);
  for (const auto& processor : answer.at("processors").as_array())
    fmt::print("{}/{}: {}\n", text(answer, "flow"), text(processor, "name"), text(processor, "status"));
  return 0;
}

int tap(const Options& options) {
  Client client(options.remote);
  std::uint64_t left = options.taps;
  client.listen(
      connection_path(options.name) + "/tap?preview=4096&rate=" + std::to_string(options.rate) + lane_query(options),
      [&](std::string_view event, std::string_view data) {
        if (event != "flowfile") return event != "end";
        fmt::print("{}\n", shown_json(data));
        std::fflush(stdout);
        return left == 0 || --left != 0;
      });
  return 0;
}

void print_flowfile(const json::value& file) {
  const auto& preview = file.at("preview").as_object();
  const auto* content = preview.if_contains("text");
  fmt::print("{:>12} {:<7} {:>10} B {:>8.1f} s  {}\n", number(file, "sequence"), text(file, "state"),
             number(file, "size"), file.at("age_seconds").to_number<double>(),
             content != nullptr ? shown(content->as_string()) : "(binary)");
}

int queue(const Options& options) {
  Client client(options.remote);
  const auto path = connection_path(options.name);
  if (options.drop) {
    const auto asked = client.post(path + "/drop");
    fmt::print(stderr, "Drop {} FlowFiles, {} bytes, of {}? Type yes: ", number(asked, "flowfiles"),
               number(asked, "bytes"), options.name);
    std::string answer;
    if (!std::getline(std::cin, answer) || answer != "yes") {
      fmt::print(stderr, "nothing was dropped\n");
      return 1;
    }
    fmt::print("{} dropped\n", number(client.post(path + "/drop", {{"token", asked.at("token")}}), "dropped"));
    return 0;
  }
  const auto listing =
      client.get(path + "/flowfiles?preview=100&limit=" + std::to_string(options.limit) + lane_query(options));
  if (options.json) {
    for (const auto& file : listing.at("flowfiles").as_array()) fmt::print("{}\n", shown_json(json::serialize(file)));
    return 0;
  }
  fmt::print("{} queued, {} held, {} tried again\n", number(listing, "queued"), number(listing, "held"),
             number(listing, "retry"));
  for (const auto& file : listing.at("flowfiles").as_array()) print_flowfile(file);
  if (listing.at("more").as_bool()) fmt::print("and more: --limit shows more\n");
  return 0;
}

int dead_letters(const Options& options) {
  Client client(options.remote);
  const auto letters = client.get("/flows/" + encoded(options.name) + "/dead-letters?preview=100&limit=" +
                                  std::to_string(options.limit) + lane_query(options));
  for (const auto& file : letters.at("flowfiles").as_array()) {
    if (options.json) {
      fmt::print("{}\n", shown_json(json::serialize(file)));
    } else {
      fmt::print("{}  {}: {}\n", text(file, "flowfile"), text(file.at("error"), "processor"),
                 text(file.at("error"), "message"));
    }
  }
  if (!options.json && letters.at("flowfiles").as_array().empty())
    fmt::print("nothing waits on a failure connection of {}\n", options.name);
  return 0;
}

int redrive(const Options& options, bool limited) {
  Client client(options.remote);
  json::object body;
  if (limited) body["limit"] = options.limit;
  const auto result = client.post(connection_path(options.name) + "/redrive", body);
  for (const auto& [to, count] : result.at("to").as_object())
    fmt::print("{} to {}\n", count.to_number<std::uint64_t>(), shown(to));
  fmt::print("{} redriven, {} kept\n", number(result, "redriven"), number(result, "kept"));
  if (number(result, "kept") > 0)
    fmt::print(stderr,
               "What is kept does not say where it failed (error.processor), or that is in the flow no more.\n");
  return 0;
}

/// {"text": …} as text, {"base64": …} as that.
std::string bytes_text(const json::value& bytes) {
  const auto& object = bytes.as_object();
  const auto* plain = object.if_contains("text");
  return (plain != nullptr ? shown(plain->as_string()) : "base64:" + text(bytes, "base64")) +
         (object.contains("truncated") ? "…" : "");
}

int state(const Options& options) {
  Client client(options.remote);
  static_cast<void>(path_of(options.name, 2, "a processor, such as lake/mean"));
  const auto path = control_path(options.name) + "/state";
  if (options.clear) {
    fmt::print(stderr, "Clear the state of {}? What it has seen so far is forgotten. Type yes: ", options.name);
    std::string answer;
    if (!std::getline(std::cin, answer) || answer != "yes") {
      fmt::print(stderr, "nothing was cleared\n");
      return 1;
    }
    fmt::print("{} entries cleared\n", number(client.post(path + "/clear"), "cleared"));
    return 0;
  }
  const auto listing = client.get(path + "?limit=" + std::to_string(options.limit) + lane_query(options));
  for (const auto& entry : listing.at("entries").as_array()) {
    if (options.json) {
      fmt::print("{}\n", shown_json(json::serialize(entry)));
    } else {
      fmt::print("{:<32} {}\n", bytes_text(entry.at("key")), bytes_text(entry.at("value")));
    }
  }
  if (!options.json)
    fmt::print("{} entries{}\n", number(listing, "total"), listing.at("more").as_bool() ? ": --limit shows more" : "");
  return 0;
}

int lanes(const Options& options) {
  Client client(options.remote);
  const auto answer = client.get("/flows/" + encoded(options.name) + "/lanes");
  const auto offset = [](const json::value& lane, const char* member) {
    const auto& value = lane.at(member);
    return value.is_null() ? std::string("-") : std::to_string(value.to_number<std::int64_t>());
  };
  const auto& all = answer.at("lanes").as_array();
  if (!options.json && !all.empty())
    fmt::print("{:<32} {:<30} {:>14} {:>14}\n", "lane", "since", "offset", "needed from");
  for (const auto& lane : all) {
    if (options.json) {
      fmt::print("{}\n", shown_json(json::serialize(lane)));
    } else {
      fmt::print("{:<32} {:<30} {:>14} {:>14}  {}\n", text(lane, "lane"), text(lane, "since"), offset(lane, "offset"),
                 offset(lane, "needed_from"), text(lane, "problem"));
    }
  }
  if (!options.json && all.empty())
    fmt::print("{}\n", answer.at("scales_out").as_bool() ? "this Weir has no partition of it now"
                                                         : options.name + " does not scale out");
  return 0;
}

int audit(const Options& options) {
  Client client(options.remote);
  auto target = "/audit?limit=" + std::to_string(options.limit);
  if (!options.name.empty()) target += "&who=" + encoded(options.name);
  const auto log = client.get(target);
  for (const auto& entry : log.at("entries").as_array()) {
    if (options.json) {
      fmt::print("{}\n", shown_json(json::serialize(entry)));
      continue;
    }
    const auto who = text(entry, "who");
    const auto* why = entry.as_object().if_contains("why");
    fmt::print("{}  {:<16} {:<16} {:<12} {:<40} {}{}\n", text(entry, "time"), who.empty() ? "-" : who,
               text(entry, "from"), text(entry, "action"), text(entry, "on"), text(entry, "outcome"),
               why != nullptr && why->is_string() ? ": " + shown(why->as_string()) : std::string());
  }
  if (!options.json && log.at("entries").as_array().empty()) fmt::print("nobody has changed anything yet\n");
  if (!options.json && log.at("more").as_bool()) fmt::print("and more: --limit shows more\n");
  return 0;
}

int add_token(const Options& options) {
  const auto role = api::role_of(options.role);
  if (!role) throw std::invalid_argument("a role is viewer or operator");
  const api::TokenFile file(options.data);
  fmt::print("{}\n", file.add(options.name, *role));
  fmt::print(stderr, "This is shown once. {} keeps its hash; Weir asks for a token from now on.\n",
             file.path().string());
  return 0;
}

int remove_token(const Options& options) {
  if (api::TokenFile(options.data).remove(options.name)) return 0;
  fmt::print(stderr, "weir: there is no token '{}' in {}\n", options.name, options.data);
  return 1;
}

int list_tokens(const Options& options) {
  for (const auto& token : api::TokenFile(options.data).read())
    fmt::print("{:<24} {:<9} {}\n", shown(token.name), api::name_of(token.role), shown(token.created));
  return 0;
}

template <class Work>
std::function<int()> guarded(Work work) {
  return [work] {
    try {
      return work();
    } catch (const std::invalid_argument& error) {
      fmt::print(stderr, "weir: {}\n", error.what());
      return 2;
    } catch (const std::exception& error) {
      fmt::print(stderr, "weir: {}\n", error.what());
      return 1;
    }
  };
}

}  // namespace

void add_remote_verbs(CLI::App& app, std::function<int()>& chosen) {
  const auto options = std::make_shared<Options>();
  const auto verb = [&chosen](CLI::App& parent, const char* name, const char* help, auto work) {
    auto* command = parent.add_subcommand(name, help);
    command->callback([&chosen, work] { chosen = guarded(work); });
    return command;
  };
  const auto remote = [options](CLI::App* command) {
    command->add_option("--url", options->remote.url, "Where `weir run` listens")->capture_default_str();
    command->add_option("--token", options->remote.token, "A token; WEIR_TOKEN of the environment unless given");
    command->add_option("--ca", options->remote.authorities,
                        "For https: the authority's certificate in PEM; WEIR_CA, or whom the system trusts");
    return command;
  };
  const auto named = [options](CLI::App* command, const char* name, const char* help) {
    command->add_option(name, options->name, help)->required();
    return command;
  };
  const auto as_json = [options](CLI::App* command) {
    command->add_flag("--json", options->json, "A line of JSON each");
  };
  const auto limited = [options](CLI::App* command) {
    return command->add_option("--limit", options->limit, "At most so many")->capture_default_str();
  };
  const auto in_lane = [options](CLI::App* command) {
    command->add_option("--lane", options->lane, "Of a flow that scales out, the lane: topic/partition");
  };
  const auto in_lanes = [options](CLI::App* command) {
    command->add_option("--lane", options->lane, "Of a flow that scales out, only the lane: topic/partition");
  };
  constexpr const char* kConnection = "flow/from/relationship/to";
  as_json(remote(verb(app, "status", "How a running Weir stands", [options] { return status(*options); })));
  remote(verb(app, "top", "What flows in a running Weir, each second", [options] { return top(*options); }));
  constexpr std::pair<const char*, const char*> kOfAny[] = {
      {"start", "Have a running Weir start a processor, or a flow"},
      {"stop", "Have a running Weir stop a processor, or a flow"}};
  for (const auto& [what, help] : kOfAny)
    named(remote(verb(app, what, help, [options, what] { return control(*options, what); })), "name",
          "flow/processor, or flow");
  constexpr std::pair<const char*, const char*> kOfOne[] = {
      {"run-once", "Have a running Weir run a stopped processor once"},
      {"terminate", "Have a running Weir abandon what a processor is at that is stopping and does not return"}};
  for (const auto& [what, help] : kOfOne)
    named(remote(verb(app, what, help, [options, what] { return control(*options, what); })), "name", "flow/processor");
  auto* tap_command = named(
      remote(verb(app, "tap", "A sample of what enters a connection, as JSON", [options] { return tap(*options); })),
      "connection", kConnection);
  tap_command->add_option("--limit", options->taps, "End after so many; 0: when you end it")->capture_default_str();
  tap_command->add_option("--rate", options->rate, "FlowFiles a second, at most")->capture_default_str();
  in_lanes(tap_command);
  auto* queue_command =
      named(remote(verb(app, "queue", "What waits in a queue", [options] { return queue(*options); })), "connection",
            kConnection);
  limited(queue_command);
  as_json(queue_command);
  queue_command->add_flag("--drop", options->drop, "Drop it, once you have said yes");
  in_lane(queue_command);
  auto* lanes_command = named(remote(verb(app, "lanes", "The lanes that a running Weir has of a flow that scales out",
                                          [options] { return lanes(*options); })),
                              "flow", "The flow's name");
  as_json(lanes_command);
  auto* letters = named(remote(verb(app, "dead-letters", "What failed in a flow and waits, with why",
                                    [options] { return dead_letters(*options); })),
                        "flow", "The flow's name");
  limited(letters);
  as_json(letters);
  in_lanes(letters);
  auto* redrive_command = app.add_subcommand("redrive", "Send what failed back to where it failed");
  named(remote(redrive_command), "connection", kConnection);
  auto* redrive_limit = limited(redrive_command);
  redrive_command->callback([&chosen, options, redrive_limit] {
    chosen = guarded([options, some = redrive_limit->count() > 0] { return redrive(*options, some); });
  });
  auto* state_command =
      named(remote(verb(app, "state", "What a processor keeps in its state", [options] { return state(*options); })),
            "name", "flow/processor");
  limited(state_command);
  as_json(state_command);
  in_lane(state_command);
  state_command->add_flag("--clear", options->clear, "Clear it, once you have said yes; it has to be stopped");
  auto* audit_command = remote(
      verb(app, "audit", "Who changed what in a running Weir, newest first", [options] { return audit(*options); }));
  audit_command->add_option("--who", options->name, "Only this token's");
  limited(audit_command);
  as_json(audit_command);
  const auto change = std::make_shared<ApplyCommand>();
  auto* apply_command =
      verb(app, "apply", "Put a changed flow file in the place of the flow that runs", [options, change] {
        change->remote = options->remote;
        change->json = options->json;
        return apply(*change);
      });
  remote(apply_command)->add_option("flow", change->file, "The flow file")->required();
  apply_command->add_flag("--dry-run", change->dry_run, "Only show what would change");
  apply_command->add_flag("--yes", change->yes, "Do not ask");
  as_json(apply_command);
  auto* token = app.add_subcommand("token", "Who may call the API of a Weir on this data directory");
  token->require_subcommand(1);
  const auto on_data = [options](CLI::App* command) {
    command->add_option("--data", options->data, "The data directory")->capture_default_str();
    return command;
  };
  auto* add =
      named(on_data(verb(*token, "add", "Make a token; it is shown once", [options] { return add_token(*options); })),
            "name", "Whose it is");
  add->add_option("--role", options->role, "viewer or operator")->capture_default_str();
  named(on_data(verb(*token, "remove", "Take a token back", [options] { return remove_token(*options); })), "name",
        "Whose it is");
  on_data(verb(*token, "list", "Whose tokens there are", [options] { return list_tokens(*options); }));
}

}  // namespace weir::cli
