// Geography.
//
//   geojson.h   polygons out of a file        regions.h   which of them a position lies in

#include "weir/plugin.h"
#include "geo_tag.h"

WEIR_PLUGIN(weir::type<weir::geo::GeoTag>(weir::geo::geo_tag_spec()))
