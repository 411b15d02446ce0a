#pragma once
// How numbers stand in the state: eight bytes, most significant first, so that keys sort by them.

#include <bit>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace weir::window {

inline void put(std::string& to, std::uint64_t value) {
  char bytes[8];
  const auto ordered = std::endian::native == std::endian::little ? __builtin_bswap64(value) : value;
  __builtin_memcpy(bytes, &ordered, 8);
  to.append(bytes, 8);
}

/// Takes eight bytes from the front.
inline std::uint64_t take(std::string_view& from) {
  if (from.size() < 8) throw std::runtime_error("the state of this processor is damaged: an entry is too short");
  std::uint64_t value = 0;
  __builtin_memcpy(&value, from.data(), 8);
  from.remove_prefix(8);
  return std::endian::native == std::endian::little ? __builtin_bswap64(value) : value;
}

/// Signed numbers sort too: the sign's bit is turned.
inline void put_signed(std::string& to, std::int64_t value) {
  put(to, static_cast<std::uint64_t>(value) ^ (std::uint64_t{1} << 63));
}
inline std::int64_t take_signed(std::string_view& from) {
  return static_cast<std::int64_t>(take(from) ^ (std::uint64_t{1} << 63));
}

inline void put_double(std::string& to, double value) {
  put(to, std::bit_cast<std::uint64_t>(value));
}
inline double take_double(std::string_view& from) {
  return std::bit_cast<double>(take(from));
}

/// Small numbers in few bytes: seven bits each, the lowest first, all but the last with the highest bit set (LEB128).
/// Not for keys.
inline void put_small(std::string& to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) to += static_cast<char>(value | 0x80);
  to += static_cast<char>(value);
}
inline std::uint64_t take_small(std::string_view& from) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !from.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(from[0]);
    from.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return value;
  }
  throw std::runtime_error("the state of this processor is damaged: an entry is too short");
}

inline void put_text(std::string& to, std::string_view text) {
  put_small(to, text.size());
  to += text;
}
inline std::string_view take_text(std::string_view& from) {
  const auto size = take_small(from);
  if (from.size() < size) throw std::runtime_error("the state of this processor is damaged: an entry is too short");
  const auto text = from.substr(0, size);
  from.remove_prefix(size);
  return text;
}

}  // namespace weir::window
