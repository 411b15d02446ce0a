#include "geo_tag.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>

namespace weir::geo {

namespace {

enum : std::uint32_t { kSuccess, kUnmatched };
enum Column : std::size_t { kLatitude, kLongitude };
constexpr std::int64_t kLookEvery = 1'000'000'000;  ///< at the file; nanoseconds

/// The name as it begins a JSON member.
std::string quoted(std::string_view name) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string result = "\"";
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20) {
      result += "\\u00";
      result += kHex[static_cast<unsigned char>(c) >> 4];
      result += kHex[c & 15];
      continue;
    }
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + "\":";
}

/// JSON on one line.
std::string on_one_line(std::string_view json) {
  std::string result(json);
  std::erase_if(result, [](char c) { return c == '\n' || c == '\r'; });
  return result;
}

}  // namespace

GeoTag::GeoTag(GeoTagSettings settings) : settings_(std::move(settings)) {
  if (settings_.set.empty()) throw Misconfigured("set: at least one field is needed");
  std::vector<std::string> fields;
  for (const auto& [field, property] : settings_.set) fields.push_back(field);
  object_ = JsonObject(std::move(fields));
}

void GeoTag::start(Context& context) {
  context_ = context;
  statement_ = Query(context).column(settings_.latitude, As::number).column(settings_.longitude, As::number).prepare();
  matched_metric_ = context.counter("geo_matched", "Records that lie in a region.");
  unmatched_metric_ = context.counter("geo_unmatched", "Records that lie in none.");
  regions_metric_ = context.gauge("geo_regions", "Features that were read from the file.");
  state_ = file_state();
  try {
    load();
  } catch (const std::exception& error) {
    throw Misconfigured(error.what());
  }
}

GeoTag::FileState GeoTag::file_state() const {
  struct stat status{};
  if (::stat(settings_.regions.c_str(), &status) != 0)
    throw Unavailable("regions: " + settings_.regions + " cannot be read: " + std::strerror(errno));
  return {status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec, status.st_size, status.st_ino};
}

/// Replaces the regions at once, or not at all when it throws.
void GeoTag::load() {
  const auto place = "regions: " + settings_.regions + ": ";
  std::ifstream in(settings_.regions, std::ios::binary);
  std::ostringstream content;
  if (!in || !(content << in.rdbuf())) throw std::runtime_error(place + "it cannot be read, or is empty");
  std::vector<Feature> features;
  try {
    features = read_geojson(std::move(content).str());
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(place + error.what());
  }
  std::vector<std::string> names;
  for (const auto& [field, property] : settings_.set) names.push_back(property);
  std::vector<bool> known(names.size());
  std::vector<std::vector<std::string>> values;
  JsonObject properties(names);
  for (const auto& feature : features) {
    auto& of_feature = values.emplace_back();
    properties.read(feature.properties);
    for (std::size_t i = 0; i < names.size(); ++i) {
      auto token = properties.raw(i);
      if (token.empty() && names[i] == "id") token = feature.id;
      known[i] = known[i] || !token.empty();
      of_feature.push_back(token.empty() ? "null" : on_one_line(token));
    }
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (known[i] || features.empty()) continue;
    std::string there;
    for (const auto& name : JsonObject::names_of(features[0].properties)) there += (there.empty() ? "" : ", ") + name;
    throw std::runtime_error(place + "no feature has a property '" + names[i] + "'; the first has " +
                             (there.empty() ? "none" : there));
  }
  Regions regions(features, {settings_.match == "box", settings_.long_edges == "short_way"});
  for (const auto& warning : regions.warnings()) context_.log(Level::warning, place + warning);
  regions_ = std::move(regions);
  values_ = std::move(values);
  regions_metric_.set(static_cast<double>(features.size()));
}

void GeoTag::reload_if_changed(std::int64_t now) {
  if (now < next_look_) return;
  next_look_ = now + kLookEvery;
  try {
    const auto state = file_state();
    if (state == state_) return;
    state_ = state;  // a broken file is complained of once
    load();
    context_.log(Level::info, "read the regions again: " + settings_.regions + " has changed");
  } catch (const std::exception& error) {
    if (state_ == FileState{}) return;
    context_.bulletin(Level::error, std::string(error.what()) + "; the regions stay as they were");
    if (dynamic_cast<const Unavailable*>(&error) != nullptr) state_ = {};
  }
}

void GeoTag::step(Batch batch, Session& session) {
  reload_if_changed(session.now());
  RecordSplit split(session, batch, [&](FlowFile file) { session.transfer(file, kSuccess); });  // an empty array
  statement_.run(session, batch, [&](const Row& row) {
    split.begin(row);
    tag(row, split);
  });
  split.end();
}

void GeoTag::tag(const Row& row, RecordSplit& split) {
  if (row.error.size > 0) return split.reject(view(row.error));
  const auto json = view(row.json);
  if (!object_.read(json)) return split.reject(object_.error());
  const auto& latitude = row.values[kLatitude];
  const auto& longitude = row.values[kLongitude];
  std::vector<Regions::Match> matches;
  if (latitude.type != ValueType::null && longitude.type != ValueType::null) {
    if (!(std::abs(latitude.real) <= 90))
      return split.reject("the latitude " + settings_.latitude + " is not within -90 to 90 degrees");
    if (!(std::abs(longitude.real) <= 360))
      return split.reject("the longitude " + settings_.longitude + " is not within -360 to 360 degrees");
    matches = regions_->find({longitude.real, latitude.real});
  }
  (matches.empty() ? unmatched_metric_ : matched_metric_).add(1);
  if (matches.empty() && settings_.no_match == "unmatched") return split.route(kUnmatched);
  if (settings_.several == "smallest" && matches.size() > 1)
    std::iter_swap(matches.begin(), std::min_element(matches.begin(), matches.end(),
                                                     [](const auto& a, const auto& b) { return a.area < b.area; }));
  split.route(kSuccess, with_fields(json, matches));
}

/// The record with the fields set to what the matches say.
std::string_view GeoTag::with_fields(std::string_view json, const std::vector<Regions::Match>& matches) {
  const auto append_value = [&](std::string& to, std::size_t field) {
    if (matches.empty()) {
      to += "null";
    } else if (settings_.several != "all") {
      to += values_[matches[0].feature][field];
    } else {
      for (const auto& match : matches) {
        to += &match == &matches[0] ? '[' : ',';
        to += values_[match.feature][field];
      }
      to += ']';
    }
  };
  std::vector<std::size_t> there;  // fields, by where they stand
  for (std::size_t i = 0; i < settings_.set.size(); ++i) {
    if (!object_.raw(i).empty()) there.push_back(i);
  }
  std::sort(there.begin(), there.end(),
            [&](std::size_t a, std::size_t b) { return object_.raw(a).data() < object_.raw(b).data(); });
  json_.clear();
  const char* from = json.data();
  const auto copy_to = [&](const char* to) { json_.append(from, static_cast<std::size_t>(to - from)); };
  for (const auto field : there) {
    const auto old = object_.raw(field);
    copy_to(old.data());
    append_value(json_, field);
    from = old.data() + old.size();
  }
  const char* const brace = json.data() + json.rfind('}');
  copy_to(brace);
  bool first = object_.members() == 0;
  for (std::size_t i = 0; i < settings_.set.size(); ++i) {
    if (!object_.raw(i).empty()) continue;
    if (!std::exchange(first, false)) json_ += ',';
    json_ += quoted(settings_.set[i].first);
    append_value(json_, i);
  }
  json_.append(brace, static_cast<std::size_t>(json.data() + json.size() - brace));
  return json_;
}

}  // namespace weir::geo
