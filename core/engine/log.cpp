#include "engine/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>
#include <string>

#include "engine/instance.h"

namespace weir::engine {

namespace {

std::atomic<LogFormat> g_format{LogFormat::text};

spdlog::level::level_enum spdlog_level(abi::Level level) {
  switch (level) {
    case abi::Level::debug:
      return spdlog::level::debug;
    case abi::Level::info:
      return spdlog::level::info;
    case abi::Level::warning:
      return spdlog::level::warn;
    case abi::Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("weir", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    return made;
  }();
  return *instance;
}

/// As the inside of a JSON string; also keeps a device's message from writing lines of its own into the log.
std::string escaped(std::string_view text, bool json) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (json && (c == '"' || c == '\\')) {
      out += {'\\', c};
    } else if (byte < 0x20 || byte == 0x7f) {
      out += c == '\n' && !json ? "\n    " : fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

void configure_log(LogFormat format, abi::Level least) {
  g_format = format;
  logger().set_level(format == LogFormat::none ? spdlog::level::off : spdlog_level(least));
  if (format == LogFormat::json)
    logger().set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})", spdlog::pattern_time_type::utc);
}

void log_line(abi::Level level, const Instance* instance, std::string_view message) {
  const auto spd = spdlog_level(level);
  if (!logger().should_log(spd)) return;
  if (g_format == LogFormat::json) {
    const auto where = instance == nullptr ? std::string()
                                           : fmt::format(R"("flow":"{}","processor":"{}",)",
                                                         escaped(instance->flow_definition().name, true),
                                                         escaped(instance->definition().name, true));
    logger().log(spd, R"({}"message":"{}")", where, escaped(message, true));
  } else {
    logger().log(spd, "{}{}", instance == nullptr ? std::string() : instance->full_name() + ": ",
                 escaped(message, false));
  }
}

}  // namespace weir::engine
