#pragma once
// Reads durable entries and state back, from any thread, through read-only connections of its own.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "store/batch.h"
#include "store/content_files.h"
#include "store/database.h"
#include "store/queue_index.h"

namespace weir::store {

/// Thread-safe. Keeps as many connections as there were readers at the same moment, up to a few.
class Reader {
 public:
  /// `mutex` guards `index`.
  Reader(std::filesystem::path file, std::string vfs, ContentFiles& content, const QueueIndex& index,
         std::mutex& mutex);

  /// Throws IoError: also for rows that are damaged.
  BatchRef read(std::uint32_t connection, std::uint64_t first, std::uint32_t count);
  std::map<std::string, std::string> state(std::uint32_t processor);

 private:
  struct Connection {
    Connection(const std::filesystem::path& file, const std::string& vfs)
        : database(file, Database::Access::read, vfs),
          row(database, "SELECT packed, crc FROM entries WHERE row = ? AND connection = ? AND first = ?") {}
    Database database;
    Statement row;
  };
  std::unique_ptr<Connection> take();
  void give_back(std::unique_ptr<Connection> connection);

  const std::filesystem::path file_;
  const std::string vfs_;
  ContentFiles& content_;
  const QueueIndex& index_;
  std::mutex& mutex_;
  std::mutex pool_mutex_;
  std::vector<std::unique_ptr<Connection>> pool_;
};

}  // namespace weir::store
