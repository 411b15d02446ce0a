#include "geo_tag.h"

namespace weir::geo {

const Spec<GeoTagSettings>& geo_tag_spec() {
  static const auto spec =
      Spec<GeoTagSettings>("GeoTag", "Adds what is known of the region that a record's position lies in.")
          .description(
              "`regions` is a GeoJSON file (RFC 7946) of features with Polygons or MultiPolygons, holes included. "
              "`set` "
              "says which fields of the record get which properties of the feature, with the bytes that they have in "
              "the file; a property that the feature lacks is null, and `id`, where no property is called so, is the "
              "feature's own. A field that is there is replaced, new ones come last, all other bytes stay. The file is "
              "read again when it changes (looked at each second); a new one that cannot be read raises a bulletin, "
              "and the regions stay as they were.\n\n"
              "**What lies where.** As the RFC says, an edge is a straight line in degrees of longitude and latitude. "
              "A point on an edge belongs to the region, on a common edge to both, on the edge of a hole to the region "
              "around it; in the hole it does not. A feature without geometry holds nothing.\n"
              "- *Antimeridian*: longitudes 360 degrees apart are the same, in records (-360 to 360) and in the file: "
              "180 and -180 are one meridian, and a region may be cut there, as the RFC recommends, or go on to 190. "
              "Where a file is neither cut nor goes on but jumps from 179 to -179, say `long_edges: short_way`; edges "
              "of just 360 degrees are straight even then.\n"
              "- *Poles*: a region whose edge reaches latitude 90 or -90 holds that pole, whatever the longitude. With "
              "`short_way`, a ring that goes round the globe encloses the pole on its side of the equator.\n\n"
              "`match: box` takes each polygon for its bounding box: faster, and coarser.\n\n"
              "A position that is NULL or missing lies nowhere. A latitude beyond 90 degrees or a longitude beyond 360 "
              "is a failure.")
          .example("type: GeoTag\nregions: regions.geojson\nset: {region: nom, region_code: code}\n")
          .property("regions", &GeoTagSettings::regions,
                    {.help = "The GeoJSON file.", .example = "regions.geojson", .required = true})
          .property("latitude", &GeoTagSettings::latitude,
                    {.help = "Degrees north: a field, or an SQL expression.", .kind = Kind::field})
          .property("longitude", &GeoTagSettings::longitude,
                    {.help = "Degrees east: a field, or an SQL expression.", .kind = Kind::field})
          .property("set", &GeoTagSettings::set,
                    {.help = "Fields of the record, and the property of the region that each gets.",
                     .example = "{region: nom}",
                     .required = true})
          .property("several", &GeoTagSettings::several,
                    {.help = "Where regions overlap: the first of the file, the one whose polygon is smallest (in "
                             "square degrees), or all of them, each field an array in the order of the file.",
                     .choices = {"first", "smallest", "all"}})
          .property(
              "no_match", &GeoTagSettings::no_match,
              {.help = "Records that lie in no region: to `unmatched`, unchanged, or to `success` with the fields "
                       "null.",
               .choices = {"unmatched", "null"}})
          .property("match", &GeoTagSettings::match,
                    {.help = "What stands for a polygon: itself, or its bounding box.", .choices = {"polygon", "box"}})
          .property("long_edges", &GeoTagSettings::long_edges,
                    {.help = "Edges between 180 and 360 degrees of longitude: straight, as the RFC has it, or across "
                             "the antimeridian.",
                     .choices = {"straight", "short_way"}})
          .relationship({"success", "The records with the fields of their region."})
          .relationship({"unmatched", "Records that lie in no region, unchanged."})
          .relationship({"failure", "Records that cannot be read, or whose position is none, unchanged."});
  return spec;
}

}  // namespace weir::geo
