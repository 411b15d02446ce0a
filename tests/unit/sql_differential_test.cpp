// The native predicates against SQLite, over many random expressions and records; deterministic.
#include <doctest/doctest.h>

#include <random>

#include "tests/sql/differential.h"

using namespace weir::sql;

TEST_CASE("native predicates say what SQLite says") {
  std::mt19937_64 random(20240229);
  for (int round = 0; round < 4000; ++round) {
    std::vector<std::uint8_t> bytes(200);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    Choices choices(bytes.data(), bytes.size());
    const auto found = difference(choices);
    REQUIRE(found == "");
  }
}

TEST_CASE("the comparison finds a difference where there is one") {
  // 1 and +1 differ to a comparison with text only through affinity: shows that the second column is not native too.
  SqlRun run;
  run.record = differential_declaration();
  run.columns = {{"t = 20", weir::abi::As::any}, {"+t = 20", weir::abi::As::any}};
  run.session.add(R"({"t":"20"})");
  const auto rows = run.run();
  CHECK(rows.at(0).values.at(0) == "i:1");
  CHECK(rows.at(0).values.at(1) == "i:0");
}
