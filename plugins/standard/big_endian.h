#pragma once
// Integers as eight bytes, most significant first: state keys in this form sort by number.

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::standard {

inline std::string big_endian(std::uint64_t value) {
  std::string bytes(8, '\0');
  for (int i = 0; i < 8; ++i) bytes[static_cast<std::size_t>(i)] = static_cast<char>(value >> (56 - 8 * i));
  return bytes;
}

/// Reads the first eight bytes.
inline std::uint64_t from_big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8 && i < bytes.size(); ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace weir::standard
