#include "regions.h"

#include <algorithm>
#include <boost/geometry.hpp>
#include <boost/geometry/geometries/box.hpp>
#include <boost/geometry/geometries/point.hpp>
#include <boost/geometry/geometries/polygon.hpp>
#include <boost/geometry/index/rtree.hpp>
#include <boost/iterator/function_output_iterator.hpp>
#include <cmath>
#include <utility>

namespace weir::geo {

namespace bg = boost::geometry;

using Point = bg::model::point<double, 2, bg::cs::cartesian>;
using Area = bg::model::polygon<Point>;
using Box = bg::model::box<Point>;

struct Regions::Index {
  struct Part {
    std::uint32_t feature;
    Area area;
    double size;
  };
  std::vector<Part> parts;
  bg::index::rtree<std::pair<Box, std::uint32_t>, bg::index::rstar<16>> tree;  // of parts
  std::vector<std::string> warnings;
  bool boxes = false;
};

namespace {

struct Span {
  double from, to;
};
Span longitudes(const Ring& ring) {
  const auto [least, most] = std::minmax_element(
      ring.begin(), ring.end(), [](const Position& a, const Position& b) { return a.longitude < b.longitude; });
  return {least->longitude, most->longitude};
}

void move_east(Ring& ring, double degrees) {
  for (auto& position : ring) position.longitude += degrees;
}

/// Brings a hole that was unwrapped on its own to where its polygon is.
void bring_inside(Ring& hole, const Ring& outer) {
  const auto around = longitudes(outer);
  const auto inside = longitudes(hole);
  for (const double turn : {0.0, 360.0, -360.0}) {
    if (around.from <= inside.from + turn && inside.to + turn <= around.to) return move_east(hole, turn);
  }
}

Area area_of(Polygon polygon, bool short_way) {
  if (short_way) {
    polygon.outer = unwrapped(polygon.outer);
    for (auto& hole : polygon.holes) {
      hole = unwrapped(hole);
      bring_inside(hole, polygon.outer);
    }
  }
  Area area;
  for (const auto& position : polygon.outer) area.outer().emplace_back(position.longitude, position.latitude);
  for (const auto& hole : polygon.holes) {
    auto& ring = area.inners().emplace_back();
    for (const auto& position : hole) ring.emplace_back(position.longitude, position.latitude);
  }
  bg::correct(area);  // RFC 7946 wants the outer ring counterclockwise, but readers are not to insist
  return area;
}

}  // namespace

Ring unwrapped(const Ring& ring) {
  Ring result;
  double turn = 0;
  double latitudes = 0;
  for (std::size_t i = 0; i < ring.size(); ++i) {
    if (i > 0) {
      const auto step = ring[i].longitude - ring[i - 1].longitude;
      if (std::abs(step) > 180 && std::abs(step) < 360) turn += step > 0 ? -360 : 360;
      latitudes += ring[i].latitude;
    }
    result.push_back({ring[i].longitude + turn, ring[i].latitude});
  }
  if (turn != 0) {
    const double pole = latitudes >= 0 ? 90 : -90;
    result.push_back({result.back().longitude, pole});
    result.push_back({result.front().longitude, pole});
    result.push_back(result.front());
  }
  return result;
}

Regions::Regions(const std::vector<Feature>& features, RegionRules rules) : index_(std::make_unique<Index>()) {
  index_->boxes = rules.boxes;
  std::vector<std::pair<Box, std::uint32_t>> boxes;
  for (std::uint32_t feature = 0; feature < features.size(); ++feature) {
    for (const auto& polygon : features[feature].polygons) {
      auto area = area_of(polygon, rules.short_way);
      std::string why;
      if (!bg::is_valid(area, why))
        index_->warnings.push_back("feature " + std::to_string(feature + 1) + ": a polygon is doubtful: " + why);
      const auto box = bg::return_envelope<Box>(area);
      const auto size = rules.boxes ? bg::area(box) : bg::area(area);
      boxes.emplace_back(box, static_cast<std::uint32_t>(index_->parts.size()));
      index_->parts.push_back({feature, rules.boxes ? Area() : std::move(area), size});
    }
  }
  index_->tree = decltype(index_->tree)(boxes);  // packed
}

Regions::~Regions() = default;
Regions::Regions(Regions&&) noexcept = default;
Regions& Regions::operator=(Regions&&) noexcept = default;

const std::vector<std::string>& Regions::warnings() const {
  return index_->warnings;
}

std::vector<Regions::Match> Regions::find(Position position) const {
  std::vector<Match> found;
  const auto add = [&](const Index::Part& part) { found.push_back({part.feature, part.size}); };
  if (std::abs(position.latitude) == 90) {
    const Box parallel(Point(-1e9, position.latitude), Point(1e9, position.latitude));
    index_->tree.query(bg::index::intersects(parallel), boost::make_function_output_iterator([&](const auto& entry) {
                         add(index_->parts[entry.second]);
                       }));
  } else {
    for (const double turn : {0.0, 360.0, -360.0}) {
      const Point point(position.longitude + turn, position.latitude);
      index_->tree.query(bg::index::intersects(point), boost::make_function_output_iterator([&](const auto& entry) {
                           const auto& part = index_->parts[entry.second];
                           if (index_->boxes || bg::covered_by(point, part.area)) add(part);
                         }));
    }
  }
  // A feature once, by the smallest of its polygons.
  std::sort(found.begin(), found.end(), [](const Match& a, const Match& b) {
    return a.feature != b.feature ? a.feature < b.feature : a.area < b.area;
  });
  found.erase(
      std::unique(found.begin(), found.end(), [](const Match& a, const Match& b) { return a.feature == b.feature; }),
      found.end());
  return found;
}

}  // namespace weir::geo
