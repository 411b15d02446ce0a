// floor_window INPUT OUTPUT: the floor of W2. The mean temperature per sensor and minute of event time, in a hash map:
// no watermark, no state that survives, one thread.
#include <charconv>
#include <cstdint>
#include <exception>
#include <functional>
#include <iostream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/bench/lines.h"
#include "tests/bench/measure.h"
#include "tests/bench/reading.h"

namespace {

constexpr std::int64_t window_ms = 60'000;

struct Mean {
  std::int64_t window = 0;  // Its number since the Unix epoch.
  double sum = 0;
  std::uint64_t count = 0;
};

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

/// The open windows of every sensor, newest last.
using Windows = std::unordered_map<std::string, std::vector<Mean>, TextHash, std::equal_to<>>;

void add(Windows& windows, std::string_view sensor, std::int64_t time_ms, double value) {
  auto found = windows.find(sensor);
  if (found == windows.end()) found = windows.emplace(sensor, std::vector<Mean>{}).first;
  const auto window = time_ms / window_ms;
  auto& means = found->second;
  auto mean = means.rbegin();
  while (mean != means.rend() && mean->window != window) ++mean;
  if (mean == means.rend()) {
    means.push_back({.window = window});
    mean = means.rbegin();
  }
  mean->sum += value;
  ++mean->count;
}

std::string to_text(double value) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

std::uint64_t write(const Windows& windows, const std::string& path) {
  weir::bench::LineWriter writer(path);
  std::uint64_t rows = 0;
  for (const auto& [sensor, means] : windows) {
    for (const auto& mean : means) {
      writer.write(R"({"sensor_id":")" + sensor + R"(","window_start":)" + std::to_string(mean.window * window_ms) +
                   R"(,"count":)" + std::to_string(mean.count) + R"(,"mean":)" +
                   to_text(mean.sum / static_cast<double>(mean.count)) + "}\n");
      ++rows;
    }
  }
  writer.flush();
  return rows;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::cerr << "usage: floor_window INPUT OUTPUT\n";
    return 2;
  }
  const weir::bench::Measurement measurement;
  Windows windows;
  const auto lines = weir::bench::for_each_line(argv[1], [&](auto document, std::string_view) {
    // In the order of the line, which On-Demand reads in one pass.
    const std::string_view sensor = document["sensor_id"].get_string().value();
    const std::int64_t time_ms = document["ts"].get_int64().value();
    add(windows, sensor, time_ms, document["temperature"].get_double().value());
  });
  const auto rows = write(windows, argv[2]);
  measurement.report("window", lines, rows);
  return 0;
} catch (const std::exception& error) {
  std::cerr << "floor_window: " << error.what() << '\n';
  return 1;
}
