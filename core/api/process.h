#pragma once
// What the operating system says of this process.

#include <cstdint>

namespace weir::api {

struct ProcessStatus {
  double cpu_seconds = 0;  ///< user and system
  double start_time = 0;   ///< seconds since 1970
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_files = 0;
  std::uint64_t most_files = 0;  ///< that may be open
};

/// What cannot be read stays 0.
ProcessStatus process_status();

}  // namespace weir::api
