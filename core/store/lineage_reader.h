#pragma once
// Finding lineage rows by the ranges they cover, for provenance.h.

#include <cstdint>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/database.h"
#include "store/lineage_chunk.h"
#include "store/store.h"

namespace weir::store {

/// For one thread at a time. All between begin() and end() sees one epoch.
class LineageReader {
 public:
  using Rows = std::shared_ptr<const std::vector<LineageRow>>;

  LineageReader(const std::filesystem::path& file, const std::string& vfs);

  void begin();
  void end();

  /// Chunks that may have rows of this kind and id within the range, ascending.
  std::vector<std::int64_t> chunks(IndexKind kind, std::uint32_t id, const Interval& range);
  /// A chunk's rows; decoded once, as long as it stays among the latest. Throws Malformed.
  Rows rows(std::int64_t chunk);
  /// The newest chunk below `chunk` with events between the times. Nothing: there is none.
  std::optional<std::int64_t> previous(std::int64_t chunk, std::int64_t from, std::int64_t to);
  /// Whether retention removed something of this kind and id from `first` on or before.
  bool is_removed(IndexKind kind, std::uint32_t id, std::uint64_t first);
  bool any_removed();

  Database& database() { return database_; }
  const std::map<std::uint32_t, std::string>& connections() const { return connections_; }
  const std::map<std::uint32_t, std::string>& processors() const { return processors_; }

 private:
  Database database_;
  Statement find_;
  Statement chunk_;
  Statement previous_;
  Statement removed_;
  std::map<std::uint32_t, std::string> connections_;
  std::map<std::uint32_t, std::string> processors_;
  std::map<std::int64_t, Rows> cache_;
  std::list<std::int64_t> recent_;
};

}  // namespace weir::store
