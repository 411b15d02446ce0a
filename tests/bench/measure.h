// What a benchmark program says about itself: one line of JSON on stdout, which tests/bench/run reads.
#pragma once

#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>

namespace weir::bench {

/// User and system CPU seconds of this process so far.
inline double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// The largest resident size this process has had, in KiB.
inline std::int64_t peak_rss_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6));
  }
  return 0;
}

/// Wall and CPU time since it was made.
class Measurement {
 public:
  [[nodiscard]] double wall_seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  [[nodiscard]] double cpu_seconds() const { return bench::cpu_seconds() - start_cpu_; }

  /// Prints what was done: `count` things went in, `kept` came out.
  void report(const char* name, std::uint64_t count, std::uint64_t kept) const {
    const auto wall = wall_seconds();
    std::printf(R"({"name":"%s","count":%llu,"kept":%llu,"wall_s":%.4f,"cpu_s":%.4f,"rate":%.0f,"peak_rss_kib":%lld})"
                "\n",
                name, static_cast<unsigned long long>(count), static_cast<unsigned long long>(kept), wall,
                cpu_seconds(), static_cast<double>(count) / wall, static_cast<long long>(peak_rss_kib()));
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double start_cpu_ = bench::cpu_seconds();
};

}  // namespace weir::bench
