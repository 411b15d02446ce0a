// libFuzzer: any bytes where plugins read what others have written: answers and progress objects of an S3 store, the
// metadata of a Kafka group, CSV, GeoJSON. The first byte chooses which. Nothing may crash, and what is understood can
// be written and read again.
#include <stdexcept>

#include "plugins/csv/row_parser.h"
#include "plugins/geo/geojson.h"
#include "plugins/kafka/lane_position.h"
#include "plugins/s3/lane_progress.h"
#include "plugins/s3/xml.h"
#include "tests/fuzz/require.h"

namespace {

using weir::testing::require;

void xml(std::string_view text) {
  try {
    weir::s3::parse_xml(text);
  } catch (const std::runtime_error&) {  // it says that it is none
  }
}

void progress(std::string_view text) {
  const auto state = weir::s3::LaneState::decode(text);
  if (!state) return;
  const auto written = state->encode();
  const auto again = weir::s3::LaneState::decode(written);
  require(again && again->encode() == written && again->next == state->next);
}

void group(std::string_view text) {
  const auto position = weir::kafka::LanePosition::read(1'000'000, text);
  if (position) require(weir::kafka::LanePosition::read(1'000'000, position->metadata()) == position);
}

/// Cut anywhere, the rows are those of the whole text.
void csv(std::string_view text) {
  weir::csv::RowParser whole({});
  weir::csv::RowParser cut({});
  while (!text.empty()) {
    const auto result = whole.parse(text, true);
    require(result != weir::csv::RowParser::Result::more && whole.size() > 0 && whole.size() <= text.size());
    for (const auto& cell : whole.cells())
      require(cell.text.data() >= text.data() && cell.text.data() + cell.text.size() <= text.data() + text.size());
    const auto first = cut.parse(text.substr(0, whole.size()), false);
    if (result == weir::csv::RowParser::Result::row && first == weir::csv::RowParser::Result::row)
      require(cut.cells().size() == whole.cells().size() && cut.size() == whole.size());
    text.remove_prefix(whole.size());
  }
}

void geojson(std::string_view text) {
  try {
    for (const auto& feature : weir::geo::read_geojson(text)) {
      for (const auto& polygon : feature.polygons)
        require(polygon.outer.size() >= 4 && polygon.outer.front() == polygon.outer.back());
    }
  } catch (const std::runtime_error&) {  // it says what is wrong
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  constexpr void (*kFormats[])(std::string_view) = {xml, progress, group, csv, geojson};
  kFormats[data[0] % std::size(kFormats)](text);
  return 0;
}
