#include "catalogue/openlineage.h"

#include <fmt/core.h>

#include <chrono>
#include <random>
#include <set>

#include "weir/spec.h"

namespace weir::catalogue {

namespace {

namespace json = boost::json;

constexpr std::string_view kSpec = "https://openlineage.io/spec/";

std::string time_text(std::int64_t nanoseconds) {
  const std::time_t seconds = nanoseconds / 1'000'000'000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec, nanoseconds / 1'000'000 % 1000);
}

class Event {
 public:
  explicit Event(const LineageRun& run) : producer_("urn:weir:" + run.version), run_(run) {}

  json::object made(const flow::Flow& flow, const std::function<Facts(const Dataset&)>& facts) const {
    json::object job_facets;
    job_facets["jobType"] = facet("facets/2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
                                  {{"processingType", "STREAMING"}, {"integration", "WEIR"}, {"jobType", "FLOW"}});
    if (!flow.description.empty())
      job_facets["documentation"] = facet("facets/1-1-0/DocumentationJobFacet.json#/$defs/DocumentationJobFacet",
                                          {{"description", flow.description}});
    json::object run_facets;
    run_facets["processing_engine"] =
        facet("facets/1-1-1/ProcessingEngineRunFacet.json#/$defs/ProcessingEngineRunFacet",
              {{"version", run_.version}, {"name", "Weir"}});
    if (!run_.why.empty())
      run_facets["errorMessage"] = facet("facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet",
                                         {{"message", run_.why}, {"programmingLanguage", "C++"}});
    json::array inputs, outputs;
    std::set<std::string> origins;
    for (const auto& dataset : datasets_of(flow)) {
      outputs.push_back(output(dataset, facts(dataset)));
      for (const auto& origin : dataset.origins) {
        if (origins.insert(origin.processor).second) inputs.push_back(input(flow, origin));
      }
    }
    return {
        {"eventType", run_.type},
        {"eventTime", time_text(run_.time)},
        {"run", json::object{{"runId", run_.run_id}, {"facets", std::move(run_facets)}}},
        {"job", json::object{{"namespace", run_.name_space}, {"name", flow.name}, {"facets", std::move(job_facets)}}},
        {"inputs", std::move(inputs)},
        {"outputs", std::move(outputs)},
        {"producer", producer_},
        {"schemaURL", std::string(kSpec) + "2-0-2/OpenLineage.json#/$defs/RunEvent"}};
  }

 private:
  json::object facet(std::string_view schema, json::object members) const {
    members["_producer"] = producer_;
    members["_schemaURL"] = std::string(kSpec) + std::string(schema);
    return members;
  }

  json::object schema_facet(const json::array& fields) const {
    return facet("facets/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet", {{"fields", fields}});
  }

  static json::array fields_of(const sql::Declaration& record) {
    constexpr const char* kWords[] = {"any", "text", "integer", "number", "boolean", "time", "json"};
    json::array fields;
    for (const auto& field : record.fields) {
      json::object one{{"name", field.name}, {"type", kWords[static_cast<std::size_t>(field.type)]}};
      auto text = field.description;
      if (!field.unit.empty()) text += (text.empty() ? "in " : ", in ") + field.unit;
      if (!text.empty()) one["description"] = text;
      fields.push_back(std::move(one));
    }
    return fields;
  }

  static json::array fields_of(const Facts& facts) {
    json::array fields;
    for (const auto& field : facts.fields) {
      std::string types;
      for (const auto& [type, count] : field.types) types += (types.empty() ? "" : "|") + type;
      fields.push_back(json::object{{"name", field.name}, {"type", types}});
    }
    return fields;
  }

  json::object input(const flow::Flow& flow, const Origin& origin) const {
    const auto [where, name] = origin.kind.empty() ? std::pair("weir://" + flow.name, origin.processor)
                                                   : lineage_name(origin.kind, origin.name, origin.location);
    json::object facets;
    for (const auto& processor : flow.processors) {
      if (processor.name == origin.processor && processor.output_record)
        facets["schema"] = schema_facet(fields_of(*processor.output_record));
    }
    return {{"namespace", where}, {"name", name}, {"facets", std::move(facets)}};
  }

  json::object output(const Dataset& d, const Facts& facts) const {
    const auto [where, name] = lineage_name(d.kind, d.name, d.location);
    json::object facets;
    auto fields = d.schema ? fields_of(*d.schema) : fields_of(facts);
    if (!fields.empty()) facets["schema"] = schema_facet(fields);
    if (!d.description.empty())
      facets["documentation"] = facet("facets/1-1-0/DocumentationDatasetFacet.json#/$defs/DocumentationDatasetFacet",
                                      {{"description", d.description}});
    if (!d.owner.empty())
      facets["ownership"] = facet("facets/1-0-1/OwnershipDatasetFacet.json#/$defs/OwnershipDatasetFacet",
                                  {{"owners", json::array{json::object{{"name", d.owner}, {"type", "OWNER"}}}}});
    json::object quality{{"rowCount", facts.rows}, {"bytes", facts.bytes}, {"columnMetrics", json::object{}}};
    if (facts.last_write != 0) quality["lastUpdated"] = time_text(facts.last_write);
    if (facts.good) {  // beyond the standard's members, which know no share of good records
      quality["weir_shareGood"] = *facts.good;
      quality["weir_recordsChecked"] = facts.checked;
    }
    facets["dataQualityMetrics"] = facet(
        "facets/1-0-0/DataQualityMetricsDatasetFacet.json#/$defs/DataQualityMetricsDatasetFacet", std::move(quality));
    json::object written;
    written["outputStatistics"] =
        facet("facets/1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/OutputStatisticsOutputDatasetFacet",
              {{"rowCount", facts.rows}, {"size", facts.bytes}});
    return {{"namespace", where}, {"name", name}, {"facets", std::move(facets)}, {"outputFacets", std::move(written)}};
  }

  const std::string producer_;
  const LineageRun& run_;
};

/// scheme://host:port of a URL, without user and path.
std::string authority_of(const std::string& url, std::string_view scheme) {
  auto rest = url.find("://") == std::string::npos ? url : url.substr(url.find("://") + 3);
  rest = rest.substr(0, rest.find_first_of("/?"));
  if (const auto at = rest.rfind('@'); at != std::string::npos) rest = rest.substr(at + 1);
  return std::string(scheme) + "://" + rest;
}

std::string path_of(const std::string& url) {
  const auto scheme = url.find("://");
  const auto slash = url.find('/', scheme == std::string::npos ? 0 : scheme + 3);
  return slash == std::string::npos ? std::string() : url.substr(slash + 1, url.find('?') - slash - 1);
}

std::string formatted(const unsigned char (&bytes)[16]) {
  std::string text;
  for (std::size_t i = 0; i < 16; ++i)
    text += fmt::format("{}{:02x}", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", bytes[i]);
  return text;
}

std::string seeded(std::seed_seq& seed, unsigned version) {
  std::mt19937_64 random(seed);
  unsigned char bytes[16];
  for (auto& byte : bytes) byte = static_cast<unsigned char>(random() >> 56);
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | version << 4);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  return formatted(bytes);
}

}  // namespace

json::object lineage_event(const flow::Flow& flow, const LineageRun& run,
                           const std::function<Facts(const Dataset&)>& facts) {
  return Event(run).made(flow, facts);
}

std::pair<std::string, std::string> lineage_name(const std::string& kind, const std::string& name,
                                                 const std::string& location) {
  if (kind == "kafka") return {"kafka://" + location.substr(0, location.find(',')), name};
  if (kind == "s3") {
    const auto slash = name.find('/');
    return {"s3://" + name.substr(0, slash), slash == std::string::npos ? "/" : name.substr(slash + 1)};
  }
  if (kind == "file") return {"file", name};
  if (kind == "mqtt") return {authority_of(location, "mqtt"), name};
  if (kind == "http") return {authority_of(location, "http"), path_of(location)};
  if (kind == "sql") {
    if (location.starts_with("postgres"))
      return {authority_of(location, "postgres"),
              path_of(location) + (name.find('.') == std::string::npos ? ".public." : ".") + name};
    if (location.starts_with("mariadb:") || location.starts_with("mysql:"))
      return {authority_of(location, "mysql"), path_of(location) + "." + name};
    return {"sqlite:" + location, name};
  }
  return {location.empty() ? kind : location, name};
}

std::string new_uuid() {
  std::random_device device;
  std::seed_seq seed{device(), device(), device(), device(), device(), device(), device(), device()};
  return seeded(seed, 4);
}

std::string uuid_of(std::string_view text) {
  std::seed_seq seed(text.begin(), text.end());
  return seeded(seed, 8);
}

}  // namespace weir::catalogue
