#pragma once
// Lineage and indexed attributes on disk: chunks of packed rows, an index of their ranges, and what retention removes.
//
// A chunk has one index entry for each connection that it names, by direction, so that an epoch costs a few small rows
// however many FlowFiles it moved. Retention removes a few of the oldest chunks with each epoch: it never stalls.

#include <cstdint>
#include <string_view>
#include <vector>

#include "store/database.h"
#include "store/lineage_chunk.h"
#include "store/store.h"

namespace weir::store {

/// For the committer, inside its transaction.
class LineageTable {
 public:
  LineageTable(Database& database, const Options& options);

  void write(const Epoch& epoch);
  /// Of chunks, attributes and their index, about: belongs into the header with the epoch.
  std::uint64_t bytes() const { return pending_.bytes; }
  void committed() { durable_ = pending_; }
  void rolled_back() { pending_ = durable_; }

 private:
  struct State {
    std::int64_t last_chunk = 0;
    std::int64_t last_attributes = 0;
    std::int64_t newest = 0;  ///< time of the newest event
    std::int64_t oldest = 0;  ///< `newest` of the oldest chunk; nothing is removed before it is its turn
    std::uint64_t bytes = 0;
  };
  void put_chunk();
  void put_attributes(const Epoch& epoch);
  void remove_old(std::size_t most);
  bool is_over() const;
  bool remove_oldest_chunk();
  void remove_attributes_until(std::int64_t time);

  const std::int64_t keep_for_;
  const std::uint64_t keep_bytes_;
  Statement insert_chunk_;
  Statement insert_index_;
  Statement insert_attributes_;
  Statement oldest_chunk_;
  Statement delete_chunk_;
  Statement delete_index_;
  Statement removed_;
  Statement oldest_attributes_;
  Statement delete_attributes_;
  ChunkPacker packer_;
  State durable_;
  State pending_;
};

}  // namespace weir::store
