#pragma once
#include <cstdlib>

namespace weir::testing {

/// What a fuzzer finds broken ends it, so that the input is kept.
inline void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace weir::testing
