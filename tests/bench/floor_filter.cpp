// floor_filter INPUT OUTPUT: the floor of W1. Reads lines, keeps those with `temperature > 20`, writes them: no
// queues, no durability, one thread. Nothing that does the same work through a general runtime can be faster.
#include <exception>
#include <iostream>
#include <string>

#include "tests/bench/lines.h"
#include "tests/bench/measure.h"

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::cerr << "usage: floor_filter INPUT OUTPUT\n";
    return 2;
  }
  const weir::bench::Measurement measurement;
  weir::bench::LineWriter writer(argv[2]);
  std::uint64_t kept = 0;
  const auto lines = weir::bench::for_each_line(argv[1], [&](auto document, std::string_view line) {
    if (document["temperature"].get_double().value() > 20) {
      writer.write(line);
      ++kept;
    }
  });
  writer.flush();
  measurement.report("filter", lines, kept);
  return 0;
} catch (const std::exception& error) {
  std::cerr << "floor_filter: " << error.what() << '\n';
  return 1;
}
