#pragma once
// What was told to the operator in earlier runs: the store keeps the latest of it.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace weir::store {

struct KeptBulletin {
  std::uint64_t row = 0;
  std::int64_t time = 0;    ///< nanoseconds since 1970
  std::uint32_t level = 0;  ///< abi::Level
  std::string processor;    ///< flow/name; empty: none, or one that is gone
  std::string message;
};

/// The latest `limit` from before `time`, oldest first, as the last durable epoch has them; of one flow, unless that is
/// empty. Any thread, also while a store is open there. Throws IoError.
std::vector<KeptBulletin> kept_bulletins(const std::filesystem::path& data, std::int64_t before, std::uint32_t limit,
                                         std::string_view flow = {});

}  // namespace weir::store
