#pragma once
// Exactly-once progress in the database that is written to.
//
//   weir_progress   how far each connection is: the first FlowFile that is not here
//   weir_rejected   which records of those that are were rejected, and why, while that may have to be repeated

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "connection.h"
#include "weir/progress.h"
#include "weir/rejected.h"

namespace weir::db {

/// The progress of one sink. All of it is called under the connection's lock, and writes in its transaction.
class ProgressTable {
 public:
  /// Makes the tables where they are missing. Not in a transaction.
  ProgressTable(Connection& connection, std::string store_id);

  /// Waits for a transaction that a lost connection may have left behind, and that is not decided yet: from here on
  /// nobody else moves this connection's progress until the transaction under way ends.
  std::optional<std::uint64_t> next(const std::string& connection);
  void set_next(const std::string& connection, std::uint64_t next);
  std::vector<RejectedRecord> rejected(const std::string& connection, std::uint64_t sequence);
  void reject(const std::string& connection, std::uint64_t sequence, const std::vector<RejectedRecord>& records);
  /// Forgets rejections of what is durably finished here.
  void forget_before(const std::string& connection, std::uint64_t sequence);

 private:
  Connection& connection_;
  const std::string store_id_;
};

}  // namespace weir::db
