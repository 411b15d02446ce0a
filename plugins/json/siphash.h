#pragma once
// SipHash-2-4 with 128 bits (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012, and the reference code's
// 128-bit variant): whoever does not know the key cannot make two inputs collide. OpenSSL has it too, but sets up a
// context for each input, which costs several times the hash; the tests compare the two.

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace weir::json {

struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const Hash128&) const = default;
};

inline Hash128 siphash(Hash128 key, std::string_view bytes) {
  static_assert(std::endian::native == std::endian::little, "words are read as they lie in memory");
  std::uint64_t v0 = 0x736f6d6570736575U ^ key.low;
  std::uint64_t v1 = 0x646f72616e646f6dU ^ key.high ^ 0xee;
  std::uint64_t v2 = 0x6c7967656e657261U ^ key.low;
  std::uint64_t v3 = 0x7465646279746573U ^ key.high;
  const auto rounds = [&](int count) {
    for (int i = 0; i < count; ++i) {
      v0 += v1, v1 = std::rotl(v1, 13), v1 ^= v0, v0 = std::rotl(v0, 32);
      v2 += v3, v3 = std::rotl(v3, 16), v3 ^= v2;
      v0 += v3, v3 = std::rotl(v3, 21), v3 ^= v0;
      v2 += v1, v1 = std::rotl(v1, 17), v1 ^= v2, v2 = std::rotl(v2, 32);
    }
  };
  const auto absorb = [&](std::uint64_t word) {
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  };
  std::uint64_t last = std::uint64_t{bytes.size()} << 56;
  while (bytes.size() >= 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data(), 8);
    absorb(word);
    bytes.remove_prefix(8);
  }
  for (std::size_t i = 0; i < bytes.size(); ++i) last |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  absorb(last);
  Hash128 hash;
  v2 ^= 0xee;
  rounds(4);
  hash.low = v0 ^ v1 ^ v2 ^ v3;
  v1 ^= 0xdd;
  rounds(4);
  hash.high = v0 ^ v1 ^ v2 ^ v3;
  return hash;
}

}  // namespace weir::json
