// libFuzzer: native predicates against SQLite (see tests/sql/differential.h).
#include <cstdio>
#include <cstdlib>

#include "tests/sql/differential.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  weir::sql::Choices choices(data, size);
  const auto found = weir::sql::difference(choices);
  if (!found.empty()) {
    std::fprintf(stderr, "%s\n", found.c_str());
    std::abort();
  }
  return 0;
}
