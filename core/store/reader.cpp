#include "store/reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "store/packing.h"
#include "store/state_log.h"
#include "store/store.h"

namespace weir::store {

namespace {

constexpr std::size_t kConnectionsKept = 4;

struct RowToRead {
  std::uint64_t first;
  std::uint32_t count;
  std::int64_t row;
  std::vector<std::shared_ptr<ContentFile>> files;  ///< opened while the row certainly names them
};

}  // namespace

Reader::Reader(std::filesystem::path file, std::string vfs, ContentFiles& content, const QueueIndex& index,
               std::mutex& mutex)
    : file_(std::move(file)), vfs_(std::move(vfs)), content_(content), index_(index), mutex_(mutex) {}

std::unique_ptr<Reader::Connection> Reader::take() {
  {
    const std::lock_guard lock(pool_mutex_);
    if (!pool_.empty()) {
      auto connection = std::move(pool_.back());
      pool_.pop_back();
      return connection;
    }
  }
  return std::make_unique<Connection>(file_, vfs_);
}

void Reader::give_back(std::unique_ptr<Connection> connection) {
  const std::lock_guard lock(pool_mutex_);
  if (pool_.size() < kConnectionsKept) pool_.push_back(std::move(connection));
}

BatchRef Reader::read(std::uint32_t connection, std::uint64_t first, std::uint32_t count) {
  std::vector<RowToRead> rows;
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = index_.find(connection); known != index_.end()) {
      const auto& all = known->second.rows;
      auto row = all.upper_bound(first);
      if (row != all.begin()) --row;
      for (; row != all.end() && row->first < first + count; ++row) {
        if (row->first + row->second.count <= first) continue;
        rows.push_back({row->first, row->second.count, row->second.row, {}});
        for (const auto& use : row->second.segments) rows.back().files.push_back(content_.open(use.segment));
      }
    }
  }
  auto batch = std::make_shared<Batch>();
  batch->items.assign(count, kAbsent);
  if (rows.empty()) return batch;
  auto arena = std::make_shared<Arena>();
  try {
    auto reader = take();
    for (const auto& row : rows) {
      const ResetAtEnd end(reader->row);
      reader->row.bind(1, row.row).bind(2, connection).bind(3, row.first);
      if (!reader->row.step()) continue;  // all its entries are done by now
      const auto packed = reader->row.blob(0);
      if (crc32c(packed) != static_cast<std::uint32_t>(reader->row.integer(1))) {
        throw Malformed("it is not what was written");
      }
      unpack(packed, row.first, row.count, first, batch->items, *arena, [&](std::uint64_t segment) {
        const auto file = std::find_if(row.files.begin(), row.files.end(),
                                       [&](const auto& each) { return each->segment() == segment; });
        if (file == row.files.end()) throw Malformed("it names an unknown segment");
        return *file;
      });
    }
    give_back(std::move(reader));
  } catch (const Malformed& error) {
    throw IoError(fmt::format("{}: a queue row of connection {} from {} is damaged: {}: stop, and run `weir check`",
                              file_.string(), connection, rows.front().first, error.what()));
  } catch (const DatabaseError& error) {
    throw IoError(fmt::format("{}: reading connection {}: {}", file_.string(), connection, error.what()));
  }
  batch->arenas.push_back(std::move(arena));
  return batch;
}

std::map<std::string, std::string> Reader::state(std::uint32_t processor) {
  try {
    auto reader = take();
    reader->database.execute("BEGIN");
    auto state = read_state(reader->database, processor);
    reader->database.execute("COMMIT");
    give_back(std::move(reader));
    return state;
  } catch (const Malformed& error) {
    throw IoError(fmt::format("{}: the state of processor {} is damaged: {}: stop, and run `weir check`",
                              file_.string(), processor, error.what()));
  } catch (const DatabaseError& error) {
    throw IoError(fmt::format("{}: reading the state of processor {}: {}", file_.string(), processor, error.what()));
  }
}

}  // namespace weir::store
