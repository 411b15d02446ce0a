#pragma once
// Exactly-once progress in the database that is written to.
//
//   weir_progress   how far each connection is: the first FlowFile that is not here
//   weir_rejected   which records of those that are were rejected, and why, while that may have to be repeated

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "database.h"
#include "weir/progress.h"

namespace weir::sqlite {

struct RejectedRecord {
  std::uint32_t record = 0;  ///< its index in the FlowFile
  std::string message;
};

/// The progress of one sink. All of it is called under the target's lock, and writes in its transaction.
class ProgressTable {
 public:
  /// Makes the tables where they are missing.
  ProgressTable(Database& database, std::string store_id);

  std::optional<std::uint64_t> next(const std::string& connection);
  void set_next(const std::string& connection, std::uint64_t next);
  std::vector<RejectedRecord> rejected(const std::string& connection, std::uint64_t sequence);
  void reject(const std::string& connection, std::uint64_t sequence, const std::vector<RejectedRecord>& records);
  /// Forgets rejections of what is durably finished here.
  void forget_before(const std::string& connection, std::uint64_t sequence);

 private:
  std::string store_id_;
  Statement select_next_;
  Statement upsert_next_;
  Statement select_rejected_;
  Statement insert_rejected_;
  Statement delete_rejected_;
};

}  // namespace weir::sqlite
