#pragma once
// GeoTag: what is known of the region that a position lies in, as fields of its record.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "regions.h"
#include "weir/json.h"
#include "weir/processor.h"
#include "weir/split.h"
#include "weir/sql.h"

namespace weir::geo {

struct GeoTagSettings {
  std::string regions;
  std::string latitude = "lat";
  std::string longitude = "lon";
  std::vector<std::pair<std::string, std::string>> set;
  std::string several = "first";
  std::string no_match = "unmatched";
  std::string match = "polygon";
  std::string long_edges = "straight";
};

const Spec<GeoTagSettings>& geo_tag_spec();

class GeoTag final : public Processor {
 public:
  explicit GeoTag(GeoTagSettings settings);
  void start(Context& context) override;
  void step(Batch batch, Session& session) override;

 private:
  /// Tells one version of the file from another.
  struct FileState {
    std::int64_t modified = 0;
    std::int64_t size = 0;
    std::uint64_t inode = 0;
    bool operator==(const FileState&) const = default;
  };
  FileState file_state() const;
  void load();
  void reload_if_changed(std::int64_t now);
  void tag(const Row& row, RecordSplit& split);
  std::string_view with_fields(std::string_view json, const std::vector<Regions::Match>& matches);

  GeoTagSettings settings_;
  Context context_;
  Statement statement_;
  JsonObject object_;  ///< reads the fields to set

  FileState state_;
  std::int64_t next_look_ = 0;
  std::optional<Regions> regions_;
  std::vector<std::vector<std::string>> values_;  ///< by feature, then by field

  std::string json_;
  Metric matched_metric_;
  Metric unmatched_metric_;
  Metric regions_metric_;
};

}  // namespace weir::geo
