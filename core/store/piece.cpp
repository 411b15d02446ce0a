#include "store/piece.h"

#include <cstring>
#include <string_view>

namespace weir::store {

namespace {

constexpr std::string_view kMagic = "WEIRCNT1";

void put(char* to, std::uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) to[i] = static_cast<char>(value >> (8 * i));
}

std::uint64_t get(const char* from, unsigned bytes) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) {
    value |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(from[i])) << (8 * i);
  }
  return value;
}

}  // namespace

void put_piece_header(char* to, const PieceHeader& header) {
  std::memcpy(to, kMagic.data(), kMagic.size());
  put(to + 8, header.size, 8);
  put(to + 16, header.crc, 4);
  put(to + 20, header.kind, 4);
}

std::optional<PieceHeader> get_piece_header(const char* from) {
  if (std::string_view(from, kMagic.size()) != kMagic) return std::nullopt;
  return PieceHeader{get(from + 8, 8), static_cast<std::uint32_t>(get(from + 16, 4)),
                     static_cast<std::uint32_t>(get(from + 20, 4))};
}

}  // namespace weir::store
