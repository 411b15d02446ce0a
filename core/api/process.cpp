#include "api/process.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace weir::api {

namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

/// proc(5), /proc/self/stat: field 22 is the start in clock ticks since boot. The name in field 2 may hold anything.
double start_time() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const auto end = line.rfind(')');
  if (end == std::string::npos) return 0;
  std::istringstream rest(line.substr(end + 1));
  std::string field;
  for (int number = 3; number <= 22; ++number) rest >> field;
  timespec now{};
  timespec since_boot{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  ::clock_gettime(CLOCK_BOOTTIME, &since_boot);
  const auto seconds_of = [](const timespec& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
  };
  if (!rest) return 0;
  return seconds_of(now) - seconds_of(since_boot) + std::stod(field) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

/// Counting them one by one is the dearest part of a scrape when many clients are connected. Since 6.2 the kernel says
/// how many there are: https://docs.kernel.org/filesystems/proc.html, 3.8.
std::uint64_t open_files() {
  constexpr const char* kFolder = "/proc/self/fd";
  struct stat found{};
  if (::stat(kFolder, &found) == 0 && found.st_size > 0) return static_cast<std::uint64_t>(found.st_size);
  std::error_code ignored;
  std::filesystem::directory_iterator files(kFolder, ignored);
  return ignored ? 0 : static_cast<std::uint64_t>(std::distance(begin(files), end(files)));
}

}  // namespace

ProcessStatus process_status() {
  static const double started = start_time();  // boot time jitters with the clock: one process, one answer
  ProcessStatus status;
  status.start_time = started;
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) status.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  std::ifstream memory("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  if (memory >> size >> resident) {
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    status.virtual_bytes = size * page;
    status.resident_bytes = resident * page;
  }
  status.open_files = open_files();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) status.most_files = limit.rlim_cur;
  return status;
}

}  // namespace weir::api
