#pragma once
// What a table held when it was last read: for each key a hash of its row, in the processor's state. One pass over the
// table after another tells what has changed.

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "weir/session.h"

namespace weir::db {

class KnownRows {
 public:
  enum class Change { none, insert, update };

  /// A new pass: no row has been seen.
  void begin();
  /// The row of this key is there; remembers it as it is now.
  Change see(Session& session, std::string_view key, std::string_view row);
  /// Once all rows were seen: up to `most` keys that were not, in their order; forgets them. Fewer than that: there are
  /// no more.
  std::vector<std::string> take_missing(Session& session, std::size_t most);

 private:
  std::unordered_set<std::uint64_t> seen_;  ///< hashes of keys: eight bytes a row
  std::string from_;                        ///< where take_missing goes on
};

}  // namespace weir::db
