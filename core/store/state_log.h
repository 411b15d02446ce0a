#pragma once
// Processor state on disk: one changelog row per processor and epoch, folded into a snapshot when the log is the larger
// of the two. So a change costs what it is large, and a start reads at most twice the state.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "store/database.h"
#include "store/encoding.h"

namespace weir::store {

using StateEntries = std::vector<std::pair<std::string, std::optional<std::string>>>;

/// Writes state; for the committer, inside its transaction.
class StateLog {
 public:
  /// Prepares, and learns how large logs and snapshots are.
  explicit StateLog(Database& database);

  /// `changes` apply one after the other. Once an epoch and processor.
  void write(std::uint64_t epoch, std::uint32_t processor, std::span<const StateEntries* const> changes);
  void committed();
  void rolled_back() { pending_.clear(); }

 private:
  struct Size {
    std::uint64_t log = 0;
    std::uint64_t snapshot = 0;
    std::uint64_t next_part = 0;
  };
  void fold(std::uint32_t processor, Size& size);
  void put_part(std::uint32_t processor, Size& size);

  Statement append_;
  Statement read_log_;
  Statement read_snapshot_;
  Statement insert_part_;
  Statement delete_log_;
  Statement delete_parts_;
  std::map<std::uint32_t, Size> sizes_;
  std::map<std::uint32_t, Size> pending_;
  Encoder packed_;
};

/// Reads the whole state of a processor. Throws Malformed.
std::map<std::string, std::string> read_state(Database& database, std::uint32_t processor);

}  // namespace weir::store
