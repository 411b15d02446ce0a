#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <random>

#include "regions.h"

using namespace weir::geo;

namespace {

std::string box(double west, double south, double east, double north) {
  const auto at = [](double x, double y) { return "[" + std::to_string(x) + "," + std::to_string(y) + "]"; };
  return "[" + at(west, south) + "," + at(east, south) + "," + at(east, north) + "," + at(west, north) + "," +
         at(west, south) + "]";
}
std::string feature(const std::string& type, const std::string& coordinates) {
  return R"({"type":"Feature","properties":{},"geometry":{"type":")" + type + R"(","coordinates":)" + coordinates +
         "}}";
}
std::string polygon(const std::string& rings) {
  return feature("Polygon", "[" + rings + "]");
}
std::string collection(const std::string& features) {
  return R"({"type":"FeatureCollection","features":[)" + features + "]}";
}
using Numbers = std::vector<int>;

struct Map {
  explicit Map(const std::string& features, RegionRules rules = {})
      : regions(read_geojson(collection(features)), rules) {}
  Numbers at(double longitude, double latitude) const {
    Numbers found;
    for (const auto& match : regions.find({longitude, latitude})) found.push_back(static_cast<int>(match.feature));
    return found;
  }
  Regions regions;
};

const Numbers kNone;

std::string refusal(const std::string& text) {
  try {
    read_geojson(text);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "read";
}

TEST_CASE("a position is in the regions around it, in the order of the file, and beside them in none") {
  const Map map(polygon(box(0, 0, 10, 10)) + "," + polygon(box(5, 5, 20, 20)));
  CHECK(map.at(2, 3) == Numbers{0});
  CHECK(map.at(7, 7) == Numbers{0, 1});
  CHECK(map.at(15, 15) == Numbers{1});
  CHECK(map.at(15, 3) == kNone);
}

TEST_CASE("a hole is outside, its edge and what lies in the hole's island are inside") {
  const Map map(feature("MultiPolygon",
                        "[[" + box(0, 0, 10, 10) + "," + box(3, 3, 7, 7) + "],[" + box(4.5, 4.5, 5.5, 5.5) + "]]"));
  CHECK(map.at(1, 1) == Numbers{0});
  CHECK(map.at(4, 4) == kNone);
  CHECK(map.at(3, 5) == Numbers{0});
  CHECK(map.at(5, 5) == Numbers{0});
}

TEST_CASE("edges and corners belong to the region, common ones to both") {
  const Map map(polygon(box(0, 0, 10, 10)) + "," + polygon(box(10, 0, 20, 10)));
  CHECK(map.at(0, 5) == Numbers{0});
  CHECK(map.at(0, 0) == Numbers{0});
  CHECK(map.at(10, 5) == Numbers{0, 1});
  CHECK(map.at(20, 10) == Numbers{1});
  CHECK(map.at(20.000001, 10) == kNone);
}

TEST_CASE("rings may go either way round") {
  const Map map(polygon("[[0,0],[0,10],[10,10],[10,0],[0,0]],[[2,2],[4,2],[4,4],[2,4],[2,2]]"));
  CHECK(map.at(1, 1) == Numbers{0});
  CHECK(map.at(3, 3) == kNone);
}

TEST_CASE("an edge is a straight line in degrees, not a great circle") {
  const Map map(polygon("[[0,50],[60,50],[60,60],[0,60],[0,50]]"));
  CHECK(map.at(30, 50.001) == Numbers{0});
  CHECK(map.at(30, 49.999) == kNone);
}

TEST_CASE("at the antimeridian 180 and -180 are one, for regions that are cut there and those that go on") {
  const Map cut(feature("MultiPolygon", "[[" + box(170, -10, 180, 10) + "],[" + box(-180, -10, -170, 10) + "]]"));
  const Map on(polygon(box(170, -10, 190, 10)));
  const Map west(polygon(box(-190, -10, -170, 10)));
  for (const auto* map : {&cut, &on, &west}) {
    for (const double longitude : {175.0, 180.0, -180.0, -175.0, -185.0, 185.0})
      CHECK(map->at(longitude, 0) == Numbers{0});
    for (const double longitude : {165.0, -165.0, 0.0}) CHECK(map->at(longitude, 0) == kNone);
  }
}

TEST_CASE("an edge of more than 180 degrees is straight, or goes the short way where that is asked for") {
  const auto jumps =
      polygon("[[170,-10],[-170,-10],[-170,10],[170,10],[170,-10]],[[178,-1],[-178,-1],[-178,1],[178,1],[178,-1]]");
  const Map straight(jumps);
  CHECK(straight.at(0, 5) == Numbers{0});
  CHECK(straight.at(175, 5) == kNone);
  const Map short_way(jumps, {.short_way = true});
  CHECK(short_way.at(0, 5) == kNone);
  CHECK(short_way.at(175, 5) == Numbers{0});
  CHECK(short_way.at(-175, 5) == Numbers{0});
  CHECK(short_way.at(180, 0) == kNone);  // its hole
  CHECK(short_way.at(-179, 0) == kNone);
  const Map world(polygon(box(-180, -90, 180, 90)), {.short_way = true});
  CHECK(world.at(0, 0) == Numbers{0});
  CHECK(world.at(180, 45) == Numbers{0});
}

TEST_CASE("a hole on the other side of the antimeridian is found where its polygon is") {
  const Map map(
      polygon("[[170,-10],[-170,-10],[-170,10],[170,10],[170,-10]],[[-178,-1],[-176,-1],[-176,1],[-178,1],[-178,-1]]"),
      {.short_way = true});
  CHECK(map.at(-177, 0) == kNone);
  CHECK(map.at(-177, 5) == Numbers{0});
}

TEST_CASE("a pole belongs to what reaches it, whatever the longitude") {
  const Map map(polygon(box(0, 60, 20, 90)) + "," + polygon(box(-180, -90, 180, -60)));
  CHECK(map.at(10, 90) == Numbers{0});
  CHECK(map.at(-100, 90) == Numbers{0});
  CHECK(map.at(77, -90) == Numbers{1});
  CHECK(map.at(-100, 89.9) == kNone);
}

TEST_CASE("a ring round the globe encloses the pole on its side, the short way") {
  const std::string north = "[[-120,70],[0,70],[120,70],[-120,70]]";
  const std::string south = "[[-120,-70],[120,-70],[0,-70],[-120,-70]]";
  const Map map(polygon(north) + "," + polygon(south), {.short_way = true});
  for (const double longitude : {-179.0, -60.0, 0.0, 90.0, 180.0}) {
    CHECK(map.at(longitude, 80) == Numbers{0});
    CHECK(map.at(longitude, 90) == Numbers{0});
    CHECK(map.at(longitude, 60) == kNone);
    CHECK(map.at(longitude, -80) == Numbers{1});
  }
}

TEST_CASE("in box mode each polygon is its bounding box") {
  const auto triangles = feature("MultiPolygon", "[[[[0,0],[10,0],[0,10],[0,0]]],[[[20,0],[30,0],[20,10],[20,0]]]]");
  CHECK(Map(triangles).at(9, 9) == kNone);
  const Map boxes(triangles, {.boxes = true});
  CHECK(boxes.at(9, 9) == Numbers{0});
  CHECK(boxes.at(15, 5) == kNone);
}

TEST_CASE("among many regions it finds what looking at each would") {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> place(-170, 150);
  std::uniform_real_distribution<double> height(-80, 60);
  std::uniform_real_distribution<double> size(0.5, 20);
  std::string features;
  std::vector<std::array<double, 4>> boxes;
  for (int i = 0; i < 500; ++i) {
    const double x = std::round(place(random) * 8) / 8;
    const double y = std::round(height(random) * 8) / 8;
    const auto& b = boxes.emplace_back(
        std::array{x, y, x + std::round(size(random) * 8) / 8, y + std::round(size(random) * 8) / 8});
    features += (i == 0 ? "" : ",") + polygon(box(b[0], b[1], b[2], b[3]));
  }
  const Map map(features);
  for (int i = 0; i < 2000; ++i) {
    const double x = std::round(place(random) * 8) / 8;
    const double y = std::round(height(random) * 8) / 8;
    Numbers expected;
    for (int j = 0; j < 500; ++j) {
      const auto& b = boxes[static_cast<std::size_t>(j)];
      if (b[0] <= x && x <= b[2] && b[1] <= y && y <= b[3]) expected.push_back(j);
    }
    CHECK(map.at(x, y) == expected);
  }
}

TEST_CASE("crossing edges are doubtful, and said") {
  const Map map(polygon("[[0,0],[10,10],[10,0],[0,10],[0,0]]"));
  REQUIRE(map.regions.warnings().size() == 1);
  CHECK(map.regions.warnings()[0].starts_with("feature 1: a polygon is doubtful: "));
}

TEST_CASE("a collection of geometries is their sum, and no geometry is nowhere") {
  const Map map(R"({"type":"Feature","properties":null,"geometry":{"type":"GeometryCollection","geometries":[)"
                R"({"type":"Polygon","coordinates":[)" +
                box(0, 0, 1, 1) + R"(]},{"type":"Polygon","coordinates":[)" + box(5, 5, 6, 6) +
                R"(]}]}},{"type":"Feature","geometry":null,"properties":{}})");
  CHECK(map.at(0.5, 0.5) == Numbers{0});
  CHECK(map.at(5.5, 5.5) == Numbers{0});
}

TEST_CASE("what is no GeoJSON of regions is refused with the feature and the reason") {
  CHECK(refusal("nonsense").starts_with("no GeoJSON: "));
  CHECK(refusal(R"({"type":"Topology"})") ==
        "no GeoJSON with regions: its type is \"Topology\"; a FeatureCollection or a Feature is expected");
  const auto good = polygon(box(0, 0, 1, 1));
  CHECK(refusal(good) == "read");
  CHECK(refusal(collection(good + "," + feature("Point", "[1,2]"))) ==
        "feature 2: its geometry is of type \"Point\"; a region is a Polygon or a MultiPolygon");
  CHECK(refusal(collection(polygon("[[0,0],[1,0],[1,1],[0,1]]"))) ==
        "feature 1: a ring is not closed: its last position has to be its first");
  CHECK(refusal(collection(polygon("[[0,0],[1,0],[0,0]]"))) == "feature 1: a ring has less than four positions");
  CHECK(refusal(collection(polygon("[[0,0],[1],[1,1],[0,0]]"))) == "feature 1: a position has less than two numbers");
  CHECK(refusal(collection(polygon("[[0,\"x\"],[1,0],[1,1],[0,0]]"))) == "feature 1: the latitude is no number");
  CHECK(refusal(collection(polygon("[[48,102],[1,0],[1,1],[48,102]]"))) ==
        "feature 1: the latitude 102 is beyond 90 degrees; GeoJSON has the longitude first, both in degrees of WGS 84");
  CHECK(refusal(collection(feature("Polygon", "7"))) == "feature 1: a polygon is no array");
}

}  // namespace
