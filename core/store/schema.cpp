#include "store/schema.h"

#include <fmt/format.h>

#include <array>
#include <random>
#include <string_view>

#include "store/store.h"

namespace weir::store {

namespace {

// Rows that hold blobs are rowid tables with ascending keys: appended at the end of their tree, found without a second
// index, and their blobs kept out of interior pages. The column with the blob is the last: reading the others does not
// touch its overflow pages.
constexpr const char* kSchema = R"sql(
CREATE TABLE header(one INTEGER PRIMARY KEY CHECK(one = 1), store TEXT NOT NULL, epoch INTEGER NOT NULL,
  provenance_bytes INTEGER NOT NULL);
CREATE TABLE connections(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, next INTEGER NOT NULL,
  cursor INTEGER NOT NULL, cursor_offset INTEGER NOT NULL, aside BLOB NOT NULL);
CREATE TABLE processors(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE entries(row INTEGER PRIMARY KEY, connection INTEGER NOT NULL, first INTEGER NOT NULL,
  count INTEGER NOT NULL, bytes INTEGER NOT NULL, records INTEGER NOT NULL, crc INTEGER NOT NULL, segments BLOB,
  packed BLOB NOT NULL);
CREATE TABLE state_log(row INTEGER PRIMARY KEY, crc INTEGER NOT NULL, packed BLOB NOT NULL);
CREATE TABLE state_snapshot(row INTEGER PRIMARY KEY, crc INTEGER NOT NULL, packed BLOB NOT NULL);
CREATE TABLE lineage(chunk INTEGER PRIMARY KEY, oldest INTEGER NOT NULL, newest INTEGER NOT NULL,
  crc INTEGER NOT NULL, packed BLOB NOT NULL);
CREATE TABLE lineage_index(kind INTEGER, id INTEGER, span INTEGER, first INTEGER, chunk INTEGER,
  last INTEGER NOT NULL, PRIMARY KEY(kind, id, span, first, chunk)) WITHOUT ROWID;
CREATE TABLE lineage_removed(kind INTEGER, id INTEGER, last INTEGER NOT NULL, PRIMARY KEY(kind, id)) WITHOUT ROWID;
CREATE TABLE attributes(row INTEGER PRIMARY KEY, newest INTEGER NOT NULL, crc INTEGER NOT NULL, filter BLOB NOT NULL,
  packed BLOB NOT NULL);
CREATE TABLE bulletins(row INTEGER PRIMARY KEY, time INTEGER NOT NULL, processor INTEGER NOT NULL,
  level INTEGER NOT NULL, message TEXT NOT NULL);
)sql";

constexpr const char* kSinceFormat2 = R"sql(
CREATE TABLE retained(file INTEGER PRIMARY KEY, processor INTEGER NOT NULL, bytes INTEGER NOT NULL,
  begun INTEGER NOT NULL, until INTEGER NOT NULL, crc INTEGER NOT NULL, packed BLOB NOT NULL);
)sql";

}  // namespace

std::string new_uuid() {
  std::random_device random;
  std::array<std::uint32_t, 4> words{};
  for (auto& word : words) word = random();
  words[1] = (words[1] & 0xffff0fffU) | 0x4000U;
  words[2] = (words[2] & 0x3fffffffU) | 0x80000000U;
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:04x}{:08x}", words[0], words[1] >> 16, words[1] & 0xffff,
                     words[2] >> 16, words[2] & 0xffff, words[3]);
}

void check_directory(const std::filesystem::path& directory) {
  namespace fs = std::filesystem;
  if (!fs::exists(directory) || fs::exists(directory / kDatabaseName)) return;
  if (!fs::is_directory(directory)) {
    throw CannotOpen(fmt::format("{} is not a directory: name another data directory", directory.string()));
  }
  for (const auto& entry : fs::directory_iterator(directory)) {
    const auto name = entry.path().filename().string();
    if (name == kLockName || name == kContentFolder || name == kRetainedFolder || name == "lost+found") continue;
    // `weir token add` may come before the first run.
    if (name == "tokens.json") continue;
    // A database that was being created leaves its journals only together with the database.
    throw CannotOpen(
        fmt::format("{} is no data directory of Weir's: it has no {} and holds {}: name an empty or a new directory",
                    directory.string(), kDatabaseName, name));
  }
}

void check_format(Database& database, const std::filesystem::path& file, bool& is_new) {
  const auto application = database.number("PRAGMA application_id");
  const auto format = database.number("PRAGMA user_version");
  // Killed while it was created, a database has no tables and no id.
  is_new = application == 0 && format == 0 && database.number("SELECT count(*) FROM sqlite_schema") == 0;
  if (is_new) return;
  if (application != kApplicationId) {
    throw CannotOpen(
        fmt::format("{} is an SQLite database, but not one of Weir's: name another data directory", file.string()));
  }
  if (format > kFormat) {
    throw CannotOpen(
        fmt::format("{} has format {}, which is newer than this Weir, which reads up to {}: run the Weir "
                    "that wrote it, or a newer one",
                    file.string(), format, kFormat));
  }
  if (format < 1) throw CannotOpen(fmt::format("{} has no format: run `weir check`", file.string()));
}

void check_nothing_lost(const std::filesystem::path& directory) {
  namespace fs = std::filesystem;
  for (const auto* name : {kContentFolder, kRetainedFolder}) {
    const auto folder = directory / name;
    if (!fs::exists(folder) || fs::is_empty(folder)) continue;
    throw CannotOpen(fmt::format(
        "{} is empty or was removed, and {} still holds the content of its FlowFiles: bring the file back from a "
        "backup, or name another data directory. To give up what was there, remove {} and {}",
        (directory / kDatabaseName).string(), folder.string(), (directory / kContentFolder).string(),
        (directory / kRetainedFolder).string()));
  }
}

void create_schema(Database& database) {
  database.execute(
      fmt::format("BEGIN IMMEDIATE; {} {} INSERT INTO header VALUES(1, '{}', 0, 0);"
                  "PRAGMA application_id={}; PRAGMA user_version={}; COMMIT",
                  kSchema, kSinceFormat2, new_uuid(), kApplicationId, kFormat));
  // On the disk before there is any content: see check_nothing_lost.
  database.execute("PRAGMA wal_checkpoint(FULL)");
}

void upgrade_schema(Database& database) {
  if (database.number("PRAGMA user_version") == kFormat) return;
  database.execute(fmt::format("BEGIN IMMEDIATE; {} PRAGMA user_version={}; COMMIT", kSinceFormat2, kFormat));
}

}  // namespace weir::store
