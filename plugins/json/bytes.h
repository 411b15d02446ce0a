#pragma once
// Integers as eight bytes, most significant first: state keys in this form sort by number.

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace weir::json {

inline void put(std::string& to, std::uint64_t value) {
  char bytes[8];
  for (unsigned i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (56 - 8 * i));
  to.append(bytes, 8);
}

/// Takes eight bytes from the front.
inline std::uint64_t take(std::string_view& from) {
  if (from.size() < 8) throw std::runtime_error("the state of this processor is damaged: an entry is too short");
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(from[i]);
  from.remove_prefix(8);
  return value;
}

}  // namespace weir::json
