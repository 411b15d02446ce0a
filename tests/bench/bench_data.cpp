// bench_data LINES FILE [SEED]: writes LINES readings of 1,000 sensors over five minutes of event time.
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include "tests/bench/lines.h"
#include "tests/bench/measure.h"
#include "tests/bench/reading.h"

int main(int argc, char** argv) try {
  if (argc < 3 || argc > 4) {
    std::cerr << "usage: bench_data LINES FILE [SEED]\n";
    return 2;
  }
  const auto lines = std::stoull(argv[1]);
  const weir::bench::ReadingStream readings(argc == 4 ? std::stoull(argv[3]) : 1, 1000);
  const weir::bench::Measurement measurement;
  weir::bench::LineWriter writer(argv[2]);
  std::string line;
  for (std::uint64_t index = 0; index < lines; ++index) {
    const auto elapsed =
        static_cast<std::int64_t>(index) * weir::bench::stream_span_ms / static_cast<std::int64_t>(lines);
    line.clear();
    readings.append(line, index, weir::bench::stream_start_ms + elapsed);
    line += '\n';
    writer.write(line);
  }
  writer.flush();
  measurement.report("data", lines, lines);
  return 0;
} catch (const std::exception& error) {
  std::cerr << "bench_data: " << error.what() << '\n';
  return 1;
}
