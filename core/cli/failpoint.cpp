#include "cli/failpoint.h"

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

namespace weir::cli {

namespace {

constexpr std::array<std::string_view, 8> kNames{"before_content", "after_content", "after_begin",  "after_queues",
                                                 "after_state",    "before_commit", "after_commit", "after_cleanup"};
std::size_t g_step = 0;
std::atomic<long> g_passes{0};

void die(store::Failpoint at) {
  if (static_cast<std::size_t>(at) == g_step && --g_passes == 0) std::raise(SIGKILL);
}

}  // namespace

void set_failpoint(store::Store& store) {
  const char* setting = std::getenv("WEIR_FAILPOINT");
  if (setting == nullptr || *setting == '\0') return;
  const std::string_view text = setting;
  const auto colon = text.find(':');
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] != text.substr(0, colon)) continue;
    g_step = i;
    g_passes = colon == std::string_view::npos ? 1 : std::stol(std::string(text.substr(colon + 1)));
    store.failpoint = &die;
    return;
  }
  std::string known;
  for (const auto name : kNames) known += (known.empty() ? "" : ", ") + std::string(name);
  throw std::invalid_argument("WEIR_FAILPOINT=" + std::string(text) + ": no such step; there are " + known);
}

}  // namespace weir::cli
