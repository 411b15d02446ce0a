#pragma once
// What the group keeps of a lane (weir/lane.h): the offset that it commits says before where all is done; the metadata
// of that commit, what somebody who goes on there needs to build the windows anew.
//
//   weir1 NEEDED_FROM [PROCESSOR=KEPT]…
//   weir2 NEEDED_FROM HELD_FROM [PROCESSOR=KEPT]…      where sinks hold something of before the offset
//
// It is read by Weirs of other versions too: one that does not know the first word goes on at the offset, without
// windows.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace weir::kafka {

struct LanePosition {
  std::int64_t next = 0;         ///< the first offset that is not done
  std::int64_t held_from = 0;    ///< the first that a sink still holds something of; `next`: none does
  std::int64_t needed_from = 0;  ///< the first whose message a window needs that is open at held_from; else held_from
  std::map<std::string, std::string> kept;  ///< at held_from, by processor

  std::string metadata() const;
  /// Nothing if it is not ours: somebody else has set the offset.
  static std::optional<LanePosition> read(std::int64_t next, std::string_view metadata);
  bool operator==(const LanePosition&) const = default;
};

}  // namespace weir::kafka
