#include "cli/backup.h"

#include <fmt/core.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <exception>

#include "store/backup.h"

namespace weir::cli {

namespace {

std::atomic<bool> stopped{false};

void stop(int) {
  stopped = true;
}

/// The flows go first, on the processor and on the disk.
void step_back() {
  constexpr int kOneProcess = 1, kBestEffort = 2 << 13, kLast = 7;
  ::setpriority(PRIO_PROCESS, 0, 10);
  ::syscall(SYS_ioprio_set, kOneProcess, 0, kBestEffort | kLast);
  struct rlimit files{};  // each content file stays open until it is copied
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
}

}  // namespace

int run_backup(const BackupOptions& options) {
  std::signal(SIGINT, stop);
  std::signal(SIGTERM, stop);
  step_back();
  try {
    const auto result = store::back_up({options.data, options.to, options.rate, &stopped});
    fmt::print("{} is a copy of {} as of epoch {}: {} files, {:.1f} MiB. `weir check {}` checks it\n", options.to,
               options.data, result.epoch, result.files, static_cast<double>(result.bytes) / (1 << 20), options.to);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "weir: {}\n", error.what());
    return 1;
  }
}

}  // namespace weir::cli
