#pragma once
// Reads the polygons of a GeoJSON file (RFC 7946).

#include <string>
#include <string_view>
#include <vector>

namespace weir::geo {

/// Degrees of WGS 84.
struct Position {
  double longitude = 0;
  double latitude = 0;
  bool operator==(const Position&) const = default;
};

using Ring = std::vector<Position>;  ///< closed: the last is the first

struct Polygon {
  Ring outer;
  std::vector<Ring> holes;
};

struct Feature {
  std::string properties;  ///< a JSON object
  std::string id;          ///< a JSON token; empty: it has none
  std::vector<Polygon> polygons;
};

/// A FeatureCollection or a Feature, whose geometries are Polygons, MultiPolygons or collections of these; a feature
/// without geometry has no polygons. Throws std::runtime_error that names the feature, by its place from 1.
std::vector<Feature> read_geojson(std::string_view text);

}  // namespace weir::geo
