#pragma once
// Writes an epoch: content files first, then everything else in one transaction.
//
// The most important path of the store: an epoch every 100 ms or so, with a handful of connections and sometimes ten
// thousand small entries. Statements are prepared once, entries are packed, and there are no rows a FlowFile.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "store/content_files.h"
#include "store/database.h"
#include "store/lineage_table.h"
#include "store/packing.h"
#include "store/queue_index.h"
#include "store/retained_content.h"
#include "store/state_log.h"
#include "store/store.h"

namespace weir::store {

/// Names that got a number, or another name, since the last epoch.
struct NameChanges {
  std::map<std::uint32_t, std::string> connections;
  std::map<std::uint32_t, std::string> processors;
};

/// For the committer.
class EpochWriter {
 public:
  /// `mutex` guards `index`, which others read.
  EpochWriter(Database& database, ContentFiles& content, RetainedContent& retained, const Options& options,
              QueueIndex& index, std::mutex& mutex);

  /// Throws DiskFull, IoError, DatabaseError; then nothing has changed.
  void write(const Epoch& epoch, const NameChanges& names, void (*failpoint)(Failpoint));

 private:
  struct Inserted {
    std::uint32_t connection;
    std::uint64_t first;
    QueueRow row;
  };
  struct Deleted {
    std::uint32_t connection;
    std::uint64_t first;
    std::int64_t row;
  };
  /// Content in memory that is in a segment, too. Valid as long as all the arenas of its batch live: memory that is
  /// still the same holds the same content, so later hops name what was written once.
  struct Written {
    ContentName name;
    std::vector<std::weak_ptr<const Arena>> arenas;
  };

  void write_large_contents(const Epoch& epoch);
  bool still_written(const Written& written);
  void write_names(const NameChanges& names);
  void write_connection(const ConnectionChange& change);
  void insert_row(std::uint32_t connection);
  void delete_rows();
  void write_states(const Epoch& epoch);
  void write_bulletins(const Epoch& epoch);
  void apply(const Epoch& epoch);
  void roll_back();

  Database& database_;
  ContentFiles& content_;
  RetainedContent& retained_;
  const std::uint64_t inline_limit_;
  QueueIndex& index_;
  std::mutex& mutex_;
  Statement begin_;
  Statement commit_;
  Statement insert_row_;
  Statement delete_rows_;
  Statement connection_;
  Statement connection_name_;
  Statement processor_name_;
  Statement bulletin_;
  Statement old_bulletins_;
  Statement epoch_;
  StateLog states_;
  LineageTable lineage_;
  Packer packer_;
  std::int64_t last_row_ = 0;
  std::int64_t pending_row_ = 0;
  std::vector<Inserted> inserted_;
  std::vector<Deleted> deleted_;
  std::map<std::pair<const char*, std::uint64_t>, Written> written_;  ///< by where and how large it is in memory
  std::vector<std::shared_ptr<ContentFile>> just_written_;            ///< kept until durable rows name them
};

}  // namespace weir::store
