#include "store/bulletins.h"

#include <algorithm>

#include "store/database.h"
#include "store/schema.h"
#include "store/store.h"

namespace weir::store {

std::vector<KeptBulletin> kept_bulletins(const std::filesystem::path& data, std::int64_t before, std::uint32_t limit,
                                         std::string_view flow) {
  std::vector<KeptBulletin> kept;
  try {
    Database database(data / kDatabaseName, Database::Access::read);
    Statement rows(database,
                   "SELECT b.row, b.time, b.level, coalesce(p.name, ''), b.message FROM bulletins b "
                   "LEFT JOIN processors p ON p.number = b.processor WHERE b.time < ?1 AND (?3 = '' OR "
                   "substr(p.name, 1, length(?3) + 1) = ?3 || '/') ORDER BY b.row DESC LIMIT ?2");
    rows.bind(1, before).bind(2, limit).bind_text(3, flow);
    while (rows.step())
      kept.push_back({rows.unsigned_integer(0), rows.integer(1), rows.small_integer(2), std::string(rows.text(3)),
                      std::string(rows.text(4))});
  } catch (const DatabaseError& error) {
    throw IoError(std::string("cannot read what was told before: ") + error.what());
  }
  std::reverse(kept.begin(), kept.end());
  return kept;
}

}  // namespace weir::store
