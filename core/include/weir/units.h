#pragma once
// Units of sizes and times, as the flow file writes them.

#include <chrono>
#include <cstdint>
#include <string>

namespace weir {

inline constexpr std::uint64_t KiB = 1024;
inline constexpr std::uint64_t MiB = 1024 * KiB;
inline constexpr std::uint64_t GiB = 1024 * MiB;

using Duration = std::chrono::nanoseconds;

/// How a duration is written in a flow: the largest unit that divides it, e.g. "90s", "2h", "250ms".
inline std::string format_duration(Duration duration) {
  const auto ns = duration.count();
  struct Unit {
    std::int64_t size;
    const char* name;
  };
  constexpr Unit units[] = {{86'400'000'000'000, "d"},
                            {3'600'000'000'000, "h"},
                            {60'000'000'000, "m"},
                            {1'000'000'000, "s"},
                            {1'000'000, "ms"}};
  if (ns == 0) return "0s";
  for (const auto& unit : units) {
    if (ns % unit.size == 0) return std::to_string(ns / unit.size) + unit.name;
  }
  return std::to_string(static_cast<double>(ns) / 1e6) + "ms";
}

/// How a size is written in a flow: the largest binary unit that divides it, e.g. "64MiB", "1500B".
inline std::string format_bytes(std::uint64_t bytes) {
  if (bytes != 0 && bytes % GiB == 0) return std::to_string(bytes / GiB) + "GiB";
  if (bytes != 0 && bytes % MiB == 0) return std::to_string(bytes / MiB) + "MiB";
  if (bytes != 0 && bytes % KiB == 0) return std::to_string(bytes / KiB) + "KiB";
  return std::to_string(bytes) + "B";
}

}  // namespace weir
