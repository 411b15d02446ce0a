#pragma once
// Finds the regions that a position lies in.
//
// As RFC 7946 has it, an edge is a straight line in degrees of longitude and latitude. A point on an edge, also of a
// hole, belongs to the region. Longitudes 360 degrees apart are the same meridian, and at a pole all are: a region
// whose edge reaches the latitude of a pole holds the pole.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "geojson.h"

namespace weir::geo {

struct RegionRules {
  bool boxes = false;      ///< a polygon stands for its bounding box
  bool short_way = false;  ///< edges longer than 180 and shorter than 360 degrees go the other way round the globe
};

class Regions {
 public:
  Regions(const std::vector<Feature>& features, RegionRules rules);
  ~Regions();
  Regions(Regions&&) noexcept;
  Regions& operator=(Regions&&) noexcept;

  struct Match {
    std::uint32_t feature;
    double area;  ///< of the polygon found, in square degrees
  };
  /// The features that hold the position, in the order of the file. -360 <= longitude <= 360, -90 <= latitude <= 90.
  std::vector<Match> find(Position position) const;

  /// What is doubtful about the polygons (edges that cross, …), for a person.
  const std::vector<std::string>& warnings() const;

 private:
  struct Index;
  std::unique_ptr<Index> index_;
};

/// The ring with each edge between 180 and 360 degrees of longitude taken the short way, in longitudes that go on
/// beyond 180. One that goes round the globe encloses the pole on its side of the equator, by its mean latitude, and
/// is closed along it.
Ring unwrapped(const Ring& ring);

}  // namespace weir::geo
