#pragma once
// How far a lane (weir/lane.h) is in the database that it is written to.
//
//   weir_lanes   for each lane and sink: who has it, as a number that rises with each claim, and the first offset that
//   is
//                not here
#include <cstdint>
#include <string>

#include "connection.h"

namespace weir::db {

/// All of it is called under the connection's lock.
class LanePlace {
 public:
  /// Makes the table where it is missing. Not in a transaction.
  LanePlace(Connection& connection, std::string lane, std::string sink);

  /// From here on the database takes nothing of this lane from whoever claimed it before. Returns the first offset that
  /// is not here. Waits for a transaction of theirs that is not decided yet. Throws Unavailable.
  std::int64_t claim();
  /// In the transaction under way. False: somebody has claimed the lane since, and the transaction must not be
  /// committed.
  [[nodiscard]] bool store(std::int64_t next);

 private:
  Connection& connection_;
  const std::string lane_;
  const std::string sink_;
  std::string generation_;
};

}  // namespace weir::db
