#include <array>

#include "store/encoding.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace weir::store {

namespace {

constexpr std::array<std::uint32_t, 256> kTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    auto value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0x82f63b78U : 0U);
    table[i] = value;
  }
  return table;
}();

std::uint32_t by_table(std::string_view bytes, std::uint32_t value) {
  for (const auto c : bytes) value = kTable[(value ^ static_cast<std::uint8_t>(c)) & 0xff] ^ (value >> 8);
  return value;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::string_view bytes, std::uint32_t value) {
  std::uint64_t wide = value;
  const auto* next = bytes.data();
  auto left = bytes.size();
  for (; left >= 8; left -= 8, next += 8) {
    std::uint64_t word;
    std::memcpy(&word, next, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  value = static_cast<std::uint32_t>(wide);
  for (; left > 0; --left, ++next) value = _mm_crc32_u8(value, static_cast<std::uint8_t>(*next));
  return value;
}
#endif

}  // namespace

std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2");
  if (has_instruction) return ~by_instruction(bytes, ~seed);
#endif
  return ~by_table(bytes, ~seed);
}

}  // namespace weir::store
