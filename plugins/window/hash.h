#pragma once
// A hash of short keys, for tables in memory; seeded, and never stored.

#include <cstdint>
#include <cstring>
#include <string_view>

namespace weir::window {

/// Multiply and fold, eight bytes at a time, as in wyhash (Wang Yi).
inline std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed) {
  const auto fold = [](std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const auto product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  constexpr std::uint64_t kFirst = 0xa0761d6478bd642fU;
  constexpr std::uint64_t kSecond = 0xe7037ed1a0b428dbU;
  auto hash = seed ^ fold(bytes.size() ^ kSecond, kFirst);
  const auto* p = bytes.data();
  auto left = bytes.size();
  for (; left >= 8; left -= 8, p += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, p, 8);
    hash = fold(hash ^ word, kFirst);
  }
  std::uint64_t word = 0;
  if (left != 0) std::memcpy(&word, p, left);  // an empty view may have no address
  return fold(hash ^ word ^ kSecond, kFirst ^ left);
}

}  // namespace weir::window
