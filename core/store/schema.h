#pragma once
// The database file: its tables, and what says that it is ours and of which format. docs/storage.md documents it.

#include <cstdint>
#include <filesystem>
#include <string>

#include "store/database.h"

namespace weir::store {

inline constexpr std::int64_t kApplicationId = 0x57656972;  ///< "Weir"
inline constexpr std::int64_t kFormat = 2;                  ///< PRAGMA user_version
inline constexpr const char* kDatabaseName = "weir.db";
inline constexpr const char* kContentFolder = "content";
inline constexpr const char* kRetainedFolder = "retained";
inline constexpr const char* kLockName = "lock";

/// Rows of tables that are clustered by (processor, number) have this rowid.
inline constexpr unsigned kNumberBits = 40;
inline constexpr std::uint32_t kLargestName = (1U << 23) - 1;  ///< of connection and processor numbers
inline std::int64_t clustered(std::uint32_t name, std::uint64_t number) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(name) << kNumberBits | number);
}
inline std::int64_t first_of(std::uint32_t name) {
  return clustered(name, 0);
}
inline std::int64_t last_of(std::uint32_t name) {
  return clustered(name, (1ULL << kNumberBits) - 1);
}

/// Throws CannotOpen if the directory holds something that is no data directory of Weir's. Missing or empty is well.
void check_directory(const std::filesystem::path& directory);

/// Throws CannotOpen unless the database is Weir's, of this format. `is_new`: it has no tables yet.
void check_format(Database& database, const std::filesystem::path& file, bool& is_new);

/// Throws CannotOpen if a database that has no tables yet has been here before: it was emptied or removed since.
void check_nothing_lost(const std::filesystem::path& directory);

/// Creates the tables, with a new store id, in one transaction that is on the disk when it returns.
void create_schema(Database& database);

/// Brings a database of an older format to this one, in one transaction. An older Weir refuses it from then on.
void upgrade_schema(Database& database);

/// Whether the format has what is kept for replay.
inline bool has_retained(std::int64_t format) {
  return format >= 2;
}

/// A random UUID (RFC 4122, version 4).
std::string new_uuid();

}  // namespace weir::store
