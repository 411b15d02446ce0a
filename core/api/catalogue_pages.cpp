#include "api/catalogue_pages.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <utility>

#include "api/json.h"

namespace weir::api {

namespace json = boost::json;
using catalogue::Dataset;

namespace {

constexpr const char* kNamespace = "weir";

Dataset find(const Catalogue& catalogue, const std::string& flow, const std::string& processor) {
  for (auto& dataset : catalogue.datasets()) {
    if (dataset.flow == flow && dataset.processor == processor) return std::move(dataset);
  }
  throw Refused(404, fmt::format("'{}/{}' writes no dataset, or is not there; /api/v1/datasets lists those there are",
                                 flow, processor));
}

Response list(const Catalogue& catalogue, const std::optional<std::string>& flow) {
  json::array datasets;
  for (const auto& dataset : catalogue.datasets()) {
    if (!flow || *flow == dataset.flow) datasets.push_back(catalogue.summary(dataset));
  }
  return json_response(json::object{{"datasets", std::move(datasets)}});
}

/// A file to be kept: never a page, whatever is in it.
Response download(std::string type, const std::string& name, std::string body) {
  Response response{200, std::move(type), std::move(body)};
  std::string safe;
  for (const char c : name) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    safe += plain ? c : '_';
  }
  response.headers.emplace_back("Content-Disposition", "attachment; filename=\"" + safe + "\"");
  return response;
}

Response exported(const Catalogue& catalogue, const std::string& flow, const std::string& processor,
                  const std::string& format, const std::string& version) {
  const auto dataset = find(catalogue, flow, processor);
  const auto name = flow + "-" + processor;
  if (format == "odcs")
    return download("application/yaml", name + ".odcs.yaml", catalogue::odcs(dataset, catalogue.facts(dataset)));
  if (format == "json-schema")
    return download("application/schema+json", name + ".schema.json",
                    catalogue::json_schema(dataset, catalogue.facts(dataset)) + "\n");
  if (format == "openlineage") {
    const auto event = catalogue.lineage(flow, "RUNNING", {}, kNamespace, version);
    if (!event) throw Refused(404, fmt::format("there is no flow '{}'", flow));
    return download("application/json", flow + ".openlineage.json", json::serialize(*event) + "\n");
  }
  throw Refused(400, "'format' is odcs, json-schema or openlineage");
}

}  // namespace

void add_catalogue_pages(Router& router, Catalogue& catalogue, const std::string& version) {
  router.get(
      "/datasets", "What the sinks of the flows write: datasets, with freshness, rows and quality",
      [&catalogue](Call& call) {
        return later([&catalogue, flow = call.query.text("flow")] { return list(catalogue, flow); });
      },
      "flow");
  router.get("/datasets/{flow}/{processor}",
             "A dataset, with its fields, a sample, where it comes from and how to query it", [&catalogue](Call& call) {
               return later([&catalogue, flow = call.at[0], processor = call.at[1]] {
                 return json_response(catalogue.full(find(catalogue, flow, processor)));
               });
             });
  router.get(
      "/datasets/{flow}/{processor}/export",
      "A dataset as a data contract (odcs), a JSON Schema (json-schema), or its flow's run as an OpenLineage event "
      "(openlineage)",
      [&catalogue, version](Call& call) {
        return later([&catalogue, version, flow = call.at[0], processor = call.at[1],
                      format = call.query.text("format").value_or("odcs")] {
          return exported(catalogue, flow, processor, format, version);
        });
      },
      "format");
}

}  // namespace weir::api
