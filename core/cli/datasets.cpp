#include "cli/datasets.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <filesystem>
#include <stdexcept>

#include "catalogue/dataset.h"
#include "catalogue/openlineage.h"
#include "cli/terminal.h"
#include "cli/validate.h"

namespace weir::cli {

namespace {

namespace json = boost::json;
using catalogue::Dataset;

bool is_flow(const std::string& name) {
  std::error_code ignored;
  return name.ends_with(".yaml") || name.ends_with(".yml") || std::filesystem::exists(name, ignored);
}

bool is_meant(const std::vector<std::string>& names, const std::string& id, const std::string& processor) {
  return names.empty() || std::find(names.begin(), names.end(), id) != names.end() ||
         std::find(names.begin(), names.end(), processor) != names.end();
}

void print_place(std::string_view id, std::string_view kind, std::string_view name, std::string_view location) {
  fmt::print("{}\n  {:<12} {}\n  {:<12} {}\n", shown(id), shown(kind), shown(name), "where", shown(location));
}

void print_more(std::string_view what, std::string_view value) {
  if (!value.empty()) fmt::print("  {:<12} {}\n", what, shown(value));
}

void print(const Dataset& d) {
  print_place(d.id(), d.kind, d.name, d.location);
  print_more("about", d.description);
  print_more("owner", d.owner);
  for (const auto& origin : d.origins)
    print_more("from", origin.location.empty()          ? origin.processor
                       : origin.name == origin.location ? origin.location
                                                        : origin.location + " " + origin.name);
  print_more("query", d.query);
  if (!d.schema) return;
  constexpr const char* kWords[] = {"any", "text", "integer", "number", "boolean", "time", "json"};
  for (const auto& field : d.schema->fields)
    fmt::print("    {:<20} {:<8} {:<8} {}\n", shown(field.name), kWords[static_cast<std::size_t>(field.type)],
               shown(field.unit), shown(field.description));
}

int from_files(const DatasetsOptions& options, const std::vector<std::string>& flows,
               const std::vector<std::string>& names) {
  Loaded loaded;
  load_flows({flows, options.plugins, options.parameters}, loaded);
  if (!loaded.ok) return 2;
  bool any = false;
  json::array list;
  for (const auto& flow : loaded.result.flows) {
    bool of_flow = false;
    for (const auto& dataset : catalogue::datasets_of(flow)) {
      if (!is_meant(names, dataset.id(), dataset.processor)) continue;
      any = of_flow = true;
      if (options.format == "odcs") {
        fmt::print("---\n{}", catalogue::odcs(dataset, {}));
      } else if (options.format == "json-schema") {
        fmt::print("{}\n", catalogue::json_schema(dataset, {}));
      } else if (options.json) {
        fmt::print("{}\n", shown_json(json::serialize(json::object{{"id", dataset.id()},
                                                                   {"kind", dataset.kind},
                                                                   {"name", dataset.name},
                                                                   {"location", dataset.location},
                                                                   {"description", dataset.description},
                                                                   {"owner", dataset.owner}})));
      } else if (options.format.empty()) {
        print(dataset);
      }
    }
    if (options.format == "openlineage" && of_flow) {
      catalogue::LineageRun run;
      run.type = "OTHER";  // nothing runs: what it would read and write
      run.run_id = catalogue::uuid_of(flow.name);
      run.version = WEIR_VERSION;
      run.time = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
      fmt::print("{}\n", json::serialize(
                             catalogue::lineage_event(flow, run, [](const Dataset&) { return catalogue::Facts(); })));
    }
  }
  if (any || names.empty()) return 0;
  fmt::print(stderr, "weir: these flows write no dataset '{}'\n", names.front());
  return 2;
}

std::string text(const json::value& object, const char* member) {
  const auto& value = object.at(member);
  return value.is_string() ? std::string(value.as_string()) : std::string();
}

std::string percent(const json::value& share) {
  return share.is_double() || share.is_int64() ? fmt::format("{:.2f}%", share.to_number<double>() * 100) : "-";
}

int from_weir(const DatasetsOptions& options) {
  Client client(options.remote);
  bool any = false;
  const auto list = client.get("/datasets");
  if (options.names.empty() && options.format.empty() && !options.json)
    fmt::print("{:<36} {:<7} {:>14} {:>10} {:>9}  {}\n", "dataset", "kind", "rows", "good", "age s", "name");
  for (const auto& dataset : list.at("datasets").as_array()) {
    const auto id = text(dataset, "id");
    if (!is_meant(options.names, id, text(dataset, "processor"))) continue;
    any = true;
    const auto target = "/datasets/" + encoded(text(dataset, "flow")) + "/" + encoded(text(dataset, "processor"));
    if (!options.format.empty()) {
      const auto document = client.text(target + "/export?format=" + encoded(options.format));
      fmt::print("{}{}", options.format == "odcs" ? "---\n" : "", document);
    } else if (options.json) {
      fmt::print("{}\n", shown_json(json::serialize(client.get(target))));
    } else if (options.names.empty()) {
      const auto& age = dataset.at("freshness_seconds");
      fmt::print("{:<36} {:<7} {:>14} {:>10} {:>9}  {}\n", shown(id), shown(text(dataset, "kind")),
                 dataset.at("rows").to_number<std::uint64_t>(), percent(dataset.at("quality").at("good")),
                 age.is_null() ? "-" : fmt::format("{:.0f}", age.to_number<double>()), shown(text(dataset, "name")));
    } else {
      const auto full = client.get(target);
      print_place(id, text(full, "kind"), text(full, "name"), text(full, "location"));
      print_more("about", text(full, "description"));
      print_more("owner", text(full, "owner"));
      print_more("rows", std::to_string(full.at("rows").to_number<std::uint64_t>()));
      print_more("last write", text(full, "last_write"));
      print_more("good", fmt::format("{} of {}", percent(full.at("quality").at("good")),
                                     full.at("quality").at("n").to_number<std::uint64_t>()));
      print_more("query", text(full, "query"));
      for (const auto& field : full.at("fields").as_array())
        fmt::print("    {:<20} {:<8} {:<8} {}\n", shown(text(field, "name")), shown(text(field, "type")),
                   shown(text(field, "unit")), shown(text(field, "description")));
    }
  }
  if (any || options.names.empty()) return 0;
  fmt::print(stderr, "weir: there is no dataset '{}'; `weir datasets` lists those there are\n", options.names.front());
  return 2;
}

}  // namespace

int run_datasets(const DatasetsOptions& options) {
  std::vector<std::string> flows, names;
  for (const auto& name : options.names) (is_flow(name) ? flows : names).push_back(name);
  if (!flows.empty()) return from_files(options, flows, names);
  try {
    return from_weir(options);
  } catch (const std::invalid_argument& error) {
    fmt::print(stderr, "weir: {}\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "weir: {}\n", error.what());
    return 1;
  }
}

}  // namespace weir::cli
