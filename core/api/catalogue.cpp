#include "api/catalogue.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <utility>

#include "api/catalogue_sample.h"
#include "api/json.h"
#include "api/quality_pages.h"
#include "api/snapshot.h"
#include "catalogue/openlineage.h"
#include "engine/lane_view.h"
#include "engine/log.h"

namespace weir::api {

namespace json = boost::json;
using catalogue::Dataset;
using catalogue::Facts;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto kLook = std::chrono::seconds(2);
constexpr auto kNextGlimpse = std::chrono::seconds(30);
constexpr std::size_t kGlimpseBytes = 64 * 1024;
constexpr std::size_t kGlimpseFiles = 3;
constexpr std::size_t kRecordsOfGlimpse = 20;
constexpr std::size_t kMostCaught = 64;

const char* type_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "boolean";
    case json::kind::int64:
    case json::kind::uint64:
      return "integer";
    case json::kind::double_:
      return "number";
    case json::kind::string:
      return "string";
    case json::kind::array:
      return "array";
    case json::kind::object:
      break;
  }
  return "object";
}

void count_type(catalogue::InferredField& field, std::string_view type, std::uint64_t times) {
  for (auto& [known, count] : field.types) {
    if (known == type) {
      count += times;
      return;
    }
  }
  field.types.emplace_back(type, times);
}

const char* word(sql::FieldType type) {
  constexpr const char* kWords[] = {"any", "text", "integer", "number", "boolean", "time", "json"};
  return kWords[static_cast<std::size_t>(type)];
}

/// Good records among those that a QualityCheck let on to the dataset, in the last day.
struct Checked {
  std::uint64_t pass = 0, all = 0;
  json::array by;
};

Checked checked(engine::QualityLedgers& ledgers, const Dataset& dataset) {
  Checked result;
  std::set<std::string> seen{dataset.processor};
  std::vector<std::string> waiting{dataset.processor};
  std::map<std::string, std::set<std::string>> ways;
  while (!waiting.empty()) {
    const auto to = std::move(waiting.back());
    waiting.pop_back();
    for (const auto& step : dataset.steps) {
      // What fails on the way says nothing of the rest that passed the check.
      if (step.to != to || step.relationship == "failure") continue;
      if (ledgers.find(dataset.flow, step.from)) {
        ways[step.from].insert(step.relationship);  // what is before a check was judged by it
      } else if (seen.insert(step.from).second) {
        waiting.push_back(step.from);
      }
    }
  }
  const auto now = ledgers.now();
  for (const auto& [processor, relationships] : ways) {
    const auto counts = ledgers.find(dataset.flow, processor)->overview().minutes.sum(now - engine::kDay, now + 1);
    const auto before = result.all;
    if (relationships.contains("pass")) {
      result.pass += counts.pass;
      result.all += counts.pass + counts.missing;
    }
    if (relationships.contains("suspect")) result.all += counts.suspect;
    if (relationships.contains("fail")) result.all += counts.fail;
    if (relationships.contains("pass") || relationships.contains("suspect") || relationships.contains("fail"))
      result.by.push_back(json::object{
          {"processor", processor}, {"n", result.all - before}, {"relationships", json::value_from(relationships)}});
  }
  return result;
}

}  // namespace

Catalogue::Catalogue(engine::Engine& engine, Taps& taps, const std::filesystem::path& data, bool by_itself)
    : engine_(engine), taps_(taps), file_(data / "datasets.ndjson"), inbox_(std::make_shared<Inbox>()) {
  load();
  if (by_itself) thread_ = std::thread([this] { loop(); });
}

Catalogue::~Catalogue() {
  {
    const std::lock_guard lock(sleep_mutex_);
    over_ = true;
  }
  awake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Catalogue::loop() {
  std::unique_lock lock(sleep_mutex_);
  while (!awake_.wait_for(lock, kLook, [this] { return over_; })) {
    lock.unlock();
    look();
    lock.lock();
  }
}

/// As their authors wrote them: of one that scales out, the engine itself has only what its lanes read from.
std::vector<std::shared_ptr<const flow::Flow>> Catalogue::flows() const {
  auto all = engine_.flows();
  const auto lanes = engine_.lanes();
  for (auto& flow : all) {
    const auto whole = std::ranges::find_if(
        lanes.processors, [&](const auto& processor) { return flow->is_member && processor.flow->name == flow->name; });
    if (whole != lanes.processors.end()) flow = whole->flow;
  }
  return all;
}

std::vector<std::string> Catalogue::flow_names() const {
  std::vector<std::string> names;
  for (const auto& flow : engine_.flows()) names.push_back(flow->name);
  return names;
}

std::vector<Dataset> Catalogue::datasets() const {
  std::vector<Dataset> all;
  for (const auto& flow : flows()) {
    for (auto& dataset : catalogue::datasets_of(*flow)) all.push_back(std::move(dataset));
  }
  return all;
}

void Catalogue::look() {
  const auto now = Clock::now();
  bool old = false;
  {
    const std::lock_guard lock(mutex_);
    old = datasets_.empty() || now - datasets_at_ > std::chrono::minutes(1);
  }
  if (old) {
    auto all = datasets();
    const std::lock_guard lock(mutex_);
    datasets_at_ = now;
    datasets_.clear();
    for (auto& dataset : all) {
      auto id = dataset.id();
      known_.try_emplace(id);
      datasets_.emplace(std::move(id), std::move(dataset));
    }
  }
  count();
  std::vector<Caught> caught;
  {
    const std::lock_guard lock(inbox_->mutex);
    caught = std::exchange(inbox_->caught, {});
  }
  for (const auto& one : caught) take_in(one);
  ask_for_glimpses();
}

void Catalogue::count() {
  struct Seen {
    std::uint64_t rows, bytes, ended, held;
    std::int64_t when;
    const char* status;
  };
  const auto lanes = engine_.lanes();
  std::map<std::string, Seen> seen;
  const std::lock_guard lock(mutex_);
  const auto see = [&](const std::string& id, const engine::Statistics& s, std::size_t held,
                       engine::Instance::Status status) {
    if (!datasets_.contains(id)) return;
    Seen one{s.in.records, s.in.bytes, s.latency_count, held, s.last_success, name_of(status)};
    for (const auto& way : s.out) {  // what is refused was not written
      one.rows -= std::min(one.rows, way.records);
      one.bytes -= std::min(one.bytes, way.bytes);
    }
    seen.emplace(id, one);
  };
  engine_.inspect([&](const auto& instances, const auto&, const auto&) {
    for (const auto& instance : instances) {
      if (!instance->is_source())
        see(instance->full_name(), instance->statistics, instance->held.size(), instance->status);
    }
  });
  for (const auto& each : lanes.processors) {
    if (!each.source) see(each.flow->name + '/' + each.definition->name, each.statistics, each.held, each.status);
  }
  for (const auto& [id, one] : seen) {
    auto& known = known_[id];
    if (one.rows < known.now_rows || one.ended < known.now_ended) {  // it was made anew, and counts from 0
      known.rows += known.now_rows;
      known.bytes += known.now_bytes;
      known.now_ended = 0;
    }
    if (one.ended > known.now_ended) known.last_write = one.when;
    known.now_rows = one.rows;
    known.now_bytes = one.bytes;
    known.now_ended = one.ended;
    known.held = one.held;
    known.status = one.status;
  }
}

void Catalogue::ask_for_glimpses() {
  const auto now = Clock::now();
  std::vector<std::pair<std::string, std::string>> wanted;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, dataset] : datasets_) {
      auto& known = known_[id];
      if (dataset.connections.empty() || now < known.next_glimpse) continue;
      known.next_glimpse = now + kNextGlimpse;
      wanted.emplace_back(id,
                          dataset.connections[static_cast<std::size_t>(known.looked_at % dataset.connections.size())]);
    }
  }
  for (const auto& [id, connection] : wanted) {
    try {
      taps_.glimpse(connection, kGlimpseFiles,
                    std::chrono::duration_cast<std::chrono::seconds>(kNextGlimpse) - std::chrono::seconds(2),
                    [inbox = inbox_, name = id](const abi::Item& item) {
                      Caught caught{name, content_of(item, 0, kGlimpseBytes), {}};
                      if (item.size > kGlimpseBytes)  // no half line
                        caught.content.resize(std::min(caught.content.size(), caught.content.rfind('\n') + 1));
                      for (std::uint16_t i = 0; i < item.attribute_count; ++i)
                        caught.attributes.emplace(view(item.attributes[i].name), view(item.attributes[i].value));
                      const std::lock_guard lock(inbox->mutex);
                      if (inbox->caught.size() < kMostCaught) inbox->caught.push_back(std::move(caught));
                    });
    } catch (const std::invalid_argument&) {
      continue;  // the connection has just gone
    }
  }
}

void Catalogue::take_in(const Caught& caught) {
  Dataset dataset;
  {
    const std::lock_guard lock(mutex_);
    const auto found = datasets_.find(caught.id);
    if (found == datasets_.end()) return;
    dataset = found->second;
  }
  const auto records = sample_of(dataset, caught.content, caught.attributes, kRecordsOfGlimpse);
  if (records.empty()) return;
  const std::lock_guard lock(mutex_);
  auto& known = known_[caught.id];
  for (const auto& record : records) {
    ++known.looked_at;
    for (const auto& [key, value] : record.as_object()) {
      const std::string name(key);
      auto at = known.fields.find(name);
      if (at == known.fields.end()) {
        if (known.fields.size() >= kMostFields) continue;
        at = known.fields.emplace(name, catalogue::InferredField()).first;
        at->second.name = name;
        known.order.push_back(name);
      }
      ++at->second.present;
      count_type(at->second, type_of(value), 1);
    }
  }
  known.sampled = engine_.now();
  for (std::size_t i = 0; i < records.size() && i < kMostRows; ++i)
    known.sample.push_back(shown_record(dataset, records[i]));
  if (known.sample.size() > kMostRows)  // the latest stay
    known.sample.erase(known.sample.begin(), known.sample.end() - static_cast<std::ptrdiff_t>(kMostRows));
}

Facts Catalogue::facts(const Dataset& dataset) const {
  Facts facts;
  const auto found = checked(engine_.quality(), dataset);
  facts.checked = found.all;
  if (found.all > 0) facts.good = static_cast<double>(found.pass) / static_cast<double>(found.all);
  const std::lock_guard lock(mutex_);
  const auto at = known_.find(dataset.id());
  if (at == known_.end()) return facts;
  const auto& known = at->second;
  facts.rows = known.rows + known.now_rows;
  facts.bytes = known.bytes + known.now_bytes;
  facts.last_write = known.last_write;
  facts.looked_at = known.looked_at;
  for (const auto& name : known.order) facts.fields.push_back(known.fields.at(name));
  return facts;
}

json::object Catalogue::summary(const Dataset& d) const {
  const auto known = facts(d);
  json::object result{{"id", d.id()},
                      {"flow", d.flow},
                      {"processor", d.processor},
                      {"type", d.type},
                      {"kind", d.kind},
                      {"name", utf8(d.name)},
                      {"location", utf8(d.location)},
                      {"description", utf8(d.description)},
                      {"owner", utf8(d.owner)},
                      {"tags", json::value_from(d.tags)},
                      {"rows", known.rows},
                      {"bytes", known.bytes},
                      {"last_write", time_json(known.last_write)},
                      {"freshness_seconds", nullptr},
                      {"quality", json::object{{"good", known.good ? json::value(*known.good) : json::value(nullptr)},
                                               {"n", known.checked}}}};
  if (known.last_write != 0)
    result["freshness_seconds"] = std::max(0.0, static_cast<double>(engine_.now() - known.last_write) / 1e9);
  return result;
}

json::object Catalogue::full(const Dataset& d) const {
  auto result = summary(d);
  const auto known = facts(d);
  result["quality"].as_object()["checks"] = checked(engine_.quality(), d).by;
  result["delivery"] = d.delivered_exactly_once ? "exactly once" : "at least once";
  result["query"] = d.query.empty() ? json::value(nullptr) : json::value(utf8(d.query));
  result["record"] = d.schema ? json::value(d.schema->name) : json::value(nullptr);
  std::set<std::string> declared;
  json::array fields;
  const auto seen = [&](const std::string& name) {
    json::object member{{"present", nullptr}, {"types", json::object{}}};
    for (const auto& field : known.fields) {
      if (field.name != name) continue;
      member["present"] = known.looked_at > 0
                              ? json::value(static_cast<double>(field.present) / static_cast<double>(known.looked_at))
                              : json::value(nullptr);
      for (const auto& [type, count] : field.types) member["types"].as_object()[type] = count;
    }
    return member;
  };
  if (d.schema) {
    for (const auto& field : d.schema->fields) {
      declared.insert(field.name);
      fields.push_back(json::object{{"name", utf8(field.name)},
                                    {"type", word(field.type)},
                                    {"format", field.format},
                                    {"unit", utf8(field.unit)},
                                    {"required", field.required},
                                    {"description", utf8(field.description)},
                                    {"declared", true},
                                    {"sensitive", d.is_sensitive(field.name)},
                                    {"seen", seen(field.name)}});
    }
  }
  for (const auto& field : known.fields) {
    if (declared.contains(field.name)) continue;
    fields.push_back(json::object{{"name", utf8(field.name)},
                                  {"type", nullptr},
                                  {"format", ""},
                                  {"unit", ""},
                                  {"required", false},
                                  {"description", ""},
                                  {"declared", false},
                                  {"sensitive", d.is_sensitive(field.name)},
                                  {"seen", seen(field.name)}});
  }
  result["fields"] = std::move(fields);
  result["looked_at"] = known.looked_at;
  json::array origins, steps;
  for (const auto& o : d.origins)
    origins.push_back(json::object{{"processor", o.processor},
                                   {"type", o.type},
                                   {"kind", o.kind},
                                   {"name", utf8(o.name)},
                                   {"location", utf8(o.location)},
                                   {"description", utf8(o.description)}});
  for (const auto& s : d.steps)
    steps.push_back(json::object{{"from", s.from}, {"relationship", s.relationship}, {"to", s.to}});
  result["origins"] = std::move(origins);
  result["steps"] = std::move(steps);
  const std::lock_guard lock(mutex_);
  const auto at = known_.find(d.id());
  if (at == known_.end()) return result;
  result["held"] = at->second.held;
  result["status"] = at->second.status;
  result["sample"] = json::array(at->second.sample.begin(), at->second.sample.end());
  result["sampled"] = time_json(at->second.sampled);
  return result;
}

std::optional<json::object> Catalogue::lineage(const std::string& flow, const std::string& type, const std::string& why,
                                               const std::string& name_space, const std::string& version) const {
  for (const auto& each : flows()) {
    if (each->name != flow) continue;
    catalogue::LineageRun run;
    run.type = type;
    run.why = why;
    run.name_space = name_space;
    run.version = version;
    run.time = engine_.now();
    {
      const std::lock_guard lock(mutex_);
      auto& id = run_ids_[flow];
      if (id.empty()) id = catalogue::new_uuid();
      run.run_id = id;
    }
    return catalogue::lineage_event(*each, run, [this](const Dataset& dataset) { return facts(dataset); });
  }
  return std::nullopt;
}

void Catalogue::load() {
  std::ifstream file(file_);
  for (std::string line; std::getline(file, line);) {
    try {
      const auto value = json::parse(line);
      const auto number = [&](const char* member) { return value.at(member).to_number<std::uint64_t>(); };
      Known known;
      known.rows = number("rows");
      known.bytes = number("bytes");
      known.last_write = value.at("last_write").as_int64();
      known.looked_at = number("looked_at");
      for (const auto& item : value.at("fields").as_array()) {
        catalogue::InferredField field;
        field.name = item.at("name").as_string();
        field.present = item.at("present").to_number<std::uint64_t>();
        for (const auto& [type, count] : item.at("types").as_object())
          count_type(field, type, count.to_number<std::uint64_t>());
        if (known.fields.size() >= kMostFields) break;
        known.order.push_back(field.name);
        known.fields.emplace(field.name, std::move(field));
      }
      known_.emplace(value.at("id").as_string(), std::move(known));
    } catch (const std::exception&) {
      continue;  // a line of another version, or cut by a full disk
    }
  }
}

void Catalogue::save() {
  count();
  const std::lock_guard lock(mutex_);
  if (known_.empty()) return;
  auto fresh = file_;
  fresh += ".new";
  std::ofstream file(fresh, std::ios::trunc);
  for (const auto& [id, known] : known_) {
    json::array fields;
    for (const auto& name : known.order) {
      const auto& field = known.fields.at(name);
      json::object types;
      for (const auto& [type, count] : field.types) types[type] = count;
      fields.push_back(json::object{{"name", utf8(name)}, {"present", field.present}, {"types", std::move(types)}});
    }
    file << json::serialize(json::object{{"id", id},
                                         {"rows", known.rows + known.now_rows},
                                         {"bytes", known.bytes + known.now_bytes},
                                         {"last_write", known.last_write},
                                         {"looked_at", known.looked_at},
                                         {"fields", std::move(fields)}})
         << '\n';
  }
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(fresh, file_, error);
  if (!std::exchange(broken_, !file || error) && broken_)
    engine::log_line(abi::Level::warning, nullptr,
                     "cannot write " + file_.string() + ": counts of datasets are not kept");
}

}  // namespace weir::api
