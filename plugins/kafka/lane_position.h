#pragma once
// What the group keeps of a lane (weir/lane.h): the offset that it commits says before where all is done; the metadata
// of that commit, what somebody who goes on there needs to build the windows anew.
//
//   weir1 NEEDED_FROM [PROCESSOR=KEPT]…
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
  std::int64_t needed_from = 0;  ///< the first whose message a window that is open there needs; `next`: none does
  std::map<std::string, std::string> kept;  ///< by processor

  std::string metadata() const;
  /// Nothing if it is not ours: somebody else has set the offset.
  static std::optional<LanePosition> read(std::int64_t next, std::string_view metadata);
  bool operator==(const LanePosition&) const = default;
};

}  // namespace weir::kafka
