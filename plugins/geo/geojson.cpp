#include "geojson.h"

#include <charconv>
#include <cmath>
#include <stdexcept>

#include "weir/json_members.h"

namespace weir::geo {

namespace {

[[noreturn]] void fail(const std::string& message) {
  throw std::runtime_error(message);
}

template <class F>
void each_of_array(std::string_view token, const char* what, F&& visit) {
  if (!token.starts_with('[')) fail(std::string(what) + " is no array");
  each_json_element(token, visit);
}

double number(std::string_view token, double most, const char* what) {
  double value = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  if (error != std::errc() || end != token.data() + token.size()) fail(std::string(what) + " is no number");
  if (std::abs(value) > most)
    fail(std::string(what) + " " + std::string(token) + " is beyond " + std::to_string(static_cast<int>(most)) +
         " degrees; GeoJSON has the longitude first, both in degrees of WGS 84");
  return value;
}

Ring ring_of(std::string_view token) {
  Ring ring;
  each_of_array(token, "a ring", [&](std::string_view position) {
    std::vector<std::string_view> numbers;
    each_of_array(position, "a position", [&](std::string_view value) { numbers.push_back(value); });
    if (numbers.size() < 2) fail("a position has less than two numbers");
    ring.push_back({number(numbers[0], 360, "the longitude"), number(numbers[1], 90, "the latitude")});
  });
  if (ring.size() < 4) fail("a ring has less than four positions");
  if (ring.front() != ring.back()) fail("a ring is not closed: its last position has to be its first");
  return ring;
}

Polygon polygon_of(std::string_view token) {
  Polygon polygon;
  each_of_array(token, "a polygon", [&](std::string_view ring) {
    (polygon.outer.empty() ? polygon.outer : polygon.holes.emplace_back()) = ring_of(ring);
  });
  if (polygon.outer.empty()) fail("a polygon has no ring");
  return polygon;
}

void add_geometry(std::vector<Polygon>& to, std::string_view token) {
  JsonObject geometry({"type", "coordinates", "geometries"});
  if (!geometry.read(token)) fail("its geometry is no object");
  const auto type = geometry.raw(0);
  if (type == "\"Polygon\"") {
    to.push_back(polygon_of(geometry.raw(1)));
  } else if (type == "\"MultiPolygon\"") {
    each_of_array(geometry.raw(1), "the MultiPolygon's coordinates",
                  [&](std::string_view polygon) { to.push_back(polygon_of(polygon)); });
  } else if (type == "\"GeometryCollection\"") {
    each_of_array(geometry.raw(2), "geometries", [&](std::string_view part) { add_geometry(to, part); });
  } else {
    fail("its geometry is of type " + (type.empty() ? "nothing" : std::string(type)) +
         "; a region is a Polygon or a MultiPolygon");
  }
}

Feature feature_of(std::string_view token) {
  JsonObject object({"type", "id", "properties", "geometry"});
  if (!object.read(token) || object.raw(0) != "\"Feature\"") fail("it is no Feature");
  Feature feature;
  feature.properties = object.raw(2).starts_with('{') ? object.raw(2) : "{}";
  feature.id = object.raw(1);
  if (!object.raw(3).empty() && object.raw(3) != "null") add_geometry(feature.polygons, object.raw(3));
  return feature;
}

}  // namespace

std::vector<Feature> read_geojson(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  JsonObject object({"type", "features"});
  if (!object.read(text)) fail("no GeoJSON: " + object.error());
  const bool collection = object.raw(0) == "\"FeatureCollection\"";
  if (!collection && object.raw(0) != "\"Feature\"")
    fail("no GeoJSON with regions: its type is " + (object.raw(0).empty() ? "missing" : std::string(object.raw(0))) +
         "; a FeatureCollection or a Feature is expected");
  std::vector<Feature> features;
  std::size_t place = 0;
  const auto add = [&](std::string_view token) {
    ++place;
    try {
      features.push_back(feature_of(token));
    } catch (const std::runtime_error& error) {
      fail("feature " + std::to_string(place) + ": " + error.what());
    }
  };
  if (collection) {
    each_of_array(object.raw(1), "features", add);
  } else {
    add(text);
  }
  return features;
}

}  // namespace weir::geo
